// Tunes itself: shadow caches try several settings of its queues on a sample of the keys, and the
// one that would have hit most rules. The queues are those of two_stage.hpp, the shadows those of
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
// miniature simulations", USENIX ATC 2017.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>

#include "core/hash.hpp"
#include "policy/contest.hpp"
#include "policy/policy.hpp"
#include "policy/shadow.hpp"
#include "policy/two_stage.hpp"

namespace augury {

// All candidates are settings of the same queues, so a change of rule moves no entry: the queues
// grow into it as entries come and go.
//
// Shadows start with all keys, and halve their sample whenever they hold too many entries. So a
// small cache has whole shadows, and a large one is judged before it is full.
//
// kLastTime: see TwoStage.
template <std::uint32_t kLastTime>
class AutoWithTimes final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"adapt", 1, 0, 1, "0: the queues keep the setting they start with"},
  };
  static constexpr Description kDescription{
      .name = "auto",
      .title = "Auto",
      .paper =
          "Waldspurger et al., Cache modeling and optimization using miniature simulations, "
          "USENIX ATC 2017",
      .parameters = kParameters,
  };

  explicit AutoWithTimes(const Setup& setup)
      : residents_(setup.residents),
        adapts_(setup.parameter(kParameters[0]) != 0),
        capacity_(setup.capacity),
        salt_(mix(setup.seed) | 1),
        live_(setup.residents, setup.capacity, kCandidates[kFirst]) {}

  void hit(Slot slot, const Request& request) override {
    live_.hit(slot, request);
    const std::uint64_t hash = residents_.hash(slot);
    if (sampled(hash)) observe({.hash = hash, .weight = residents_.weight(slot)});
  }

  void miss(const Request& request) override {
    live_.miss(request);
    if (sampled(request.hash)) observe(request);
  }

  Slot evict() override { return live_.evict(); }
  void insert(Slot slot, const Request& request) override { live_.insert(slot, request); }

  void remove(Slot slot) override {
    live_.remove(slot);
    for (Shadow<Queues>& shadow : shadows_) shadow.remove(residents_.hash(slot));
  }

  void reweighed(Slot slot, Weight old) override { live_.reweighed(slot, old); }

  void resize(Weight capacity) override {
    // As many keys as before in the shadows of a smaller cache.
    for (; halvings_ != 0 && capacity <= capacity_ / 2; capacity_ /= 2) --halvings_;
    capacity_ = capacity;
    live_.resize(capacity);
    for (Shadow<Queues>& shadow : shadows_) shadow.resize(sample_of(capacity));
  }

  void validate() const override {
    live_.validate();
    for (const Shadow<Queues>& shadow : shadows_) shadow.validate();
  }
  [[nodiscard]] std::size_t bytes() const override {
    std::size_t bytes = live_.bytes();
    for (const Shadow<Queues>& shadow : shadows_) bytes += shadow.bytes();
    return bytes;
  }

 private:
  using Queues = TwoStage<kLastTime>;
  using Setting = typename Queues::Setting;

  static constexpr std::array kCandidates{
      Setting{.small = 0.1, .reach = 0.7, .promote = 2},   // for most
      Setting{.small = 0.01, .reach = 0.7, .promote = 2},  // loops and scans
      Setting{.small = 0.25, .reach = 1.4, .promote = 2},  // what was asked for lately
  };
  static constexpr std::size_t kFirst = 0;
  static constexpr std::size_t kShadowEntries = 256;  // at most; about half of it on average
  static constexpr std::uint64_t kRound = 3;  // requests for each entry of a shadow, to a decision
  static constexpr double kKept = 0.9;        // what a request counts a round later
  static constexpr double kDeviations = 3;    // of chance, that a change of rule takes

  [[nodiscard]] bool sampled(std::uint64_t hash) const {
    return adapts_ && std::countl_zero(hash * salt_ | 1) >= halvings_;
  }
  [[nodiscard]] Weight sample_of(Weight capacity) const {
    return std::max<Weight>(capacity >> halvings_, 1);
  }

  void observe(const Request& request) {
    std::uint32_t hits = 0;
    for (std::size_t i = 0; i < shadows_.size(); ++i) {
      hits |= static_cast<std::uint32_t>(shadows_[i].request(request)) << i;
    }
    contest_.note(hits);
    if (++observed_ > kRound * shadows_[kFirst].size()) decide();
    if (shadows_[kFirst].size() > kShadowEntries) resample();
  }

  void decide() {
    observed_ = 0;
    const std::size_t best = contest_.best(ruling_, kDeviations);
    if (best != ruling_) live_.tune(kCandidates[best]);
    ruling_ = best;
    contest_.age(kKept);
  }

  void resample() {
    ++halvings_;
    for (Shadow<Queues>& shadow : shadows_) {
      shadow.resample(sample_of(capacity_), [this](std::uint64_t hash) { return sampled(hash); });
    }
  }

  template <std::size_t... i>
  static std::array<Shadow<Queues>, sizeof...(i)> shadows(Weight capacity,
                                                          std::index_sequence<i...>) {
    return {Shadow<Queues>(capacity, kCandidates[i])...};
  }

  const Residents& residents_;
  bool adapts_;
  Weight capacity_;
  std::uint64_t salt_;  // draws the sample
  int halvings_ = 0;    // of the sample
  std::size_t ruling_ = kFirst;
  std::uint64_t observed_ = 0;  // requests since the last decision
  Queues live_;
  Contest<kCandidates.size()> contest_;
  std::array<Shadow<Queues>, kCandidates.size()> shadows_ =
      shadows(capacity_, std::make_index_sequence<kCandidates.size()>());
};

using Auto = AutoWithTimes<std::numeric_limits<std::uint32_t>::max()>;

}  // namespace augury
