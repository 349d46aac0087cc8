// Tunes itself: shadow caches try several settings of its queues on a sample of the keys, and the
// one that would have hit most rules. The queues are those of two_stage.hpp, the shadows those of
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
// miniature simulations", USENIX ATC 2017.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

#include "core/hash.hpp"
#include "policy/contest.hpp"
#include "policy/policy.hpp"
#include "policy/shadows.hpp"
#include "policy/two_stage.hpp"

namespace augury {

// All candidates are settings of the same queues, so a change of rule moves no entry: the queues
// grow into it as entries come and go. One of them is S3-FIFO's own rule, which guards the others.
//
// Shadows start with all keys, and halve their sample as long as they hold too many entries. So a
// small cache has whole shadows, and a large one is judged before it is full. Whole ones would cost
// more than the cache itself: as long as nothing changes they watch more and more seldom, until
// they see as much as a sample of one key in 16 does all the time.
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
    if (rests()) return;
    const std::uint64_t hash = residents_.hash(slot);
    if (sampled(hash)) observe({.hash = hash, .weight = residents_.weight(slot)});
  }

  void miss(const Request& request) override {
    live_.miss(request);
    if (rests()) return;
    if (sampled(request.hash)) observe(request);
  }

  Slot evict() override { return live_.evict(); }
  void insert(Slot slot, const Request& request) override { live_.insert(slot, request); }

  void remove(Slot slot) override {
    live_.remove(slot);
    shadows_.remove(residents_.hash(slot));
  }

  void reweighed(Slot slot, Weight old) override { live_.reweighed(slot, old); }

  void resize(Weight capacity) override {
    // As many keys as before in the shadows of a smaller cache.
    for (; halvings_ != 0 && capacity <= capacity_ / 2; capacity_ /= 2) --halvings_;
    capacity_ = capacity;
    live_.resize(capacity);
    shadows_.resize(sample_of(capacity));
  }

  void validate() const override {
    if (live_.size() != residents_.size()) throw std::logic_error("auto: miscounted");
    live_.validate();
    shadows_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override { return live_.bytes() + shadows_.bytes(); }

 private:
  using Queues = TwoStage<kLastTime>;
  using Setting = typename Queues::Setting;
  static constexpr double kAll = 1e9;  // as long as it is remembered

  static constexpr std::array kCandidates{
      Setting{.small = 0.1, .reach = 0.7, .ghosts = kAll, .promote = 2},   // good for most
      Setting{.small = 0.01, .reach = 0.7, .ghosts = kAll, .promote = 2},  // loops and scans
      Setting{.small = 0.25, .reach = 1.4, .ghosts = kAll, .promote = 2},  // what was new lately
      Setting{.small = 0.1, .reach = kAll, .ghosts = 1, .promote = 2},     // S3-FIFO
  };
  static constexpr std::size_t kMany = kCandidates.size();
  static constexpr std::size_t kFirst = 0;
  static constexpr double kDeviations = 2;            // of chance, that a change of rule takes
  static constexpr double kKept = 0.9;                // what a request counts a round later
  static constexpr std::size_t kShadowEntries = 512;  // keys in the shadows before they are halved
  static constexpr int kMostHalvings = 4;
  static constexpr std::uint64_t kRound = 3;  // requests an entry of the shadows, to a decision
  static constexpr int kBurst = 8;            // rounds without a change of rule, to a rest
  static constexpr std::uint64_t kMostRest = (1u << kMostHalvings) - 1;  // bursts

  [[nodiscard]] bool sampled(std::uint64_t hash) const {
    return std::countl_zero(hash * salt_ | 1) >= halvings_;
  }
  [[nodiscard]] Weight sample_of(Weight capacity) const {
    return std::max<Weight>(capacity >> halvings_, 1);
  }

  // Whether the shadows see nothing of this request.
  bool rests() {
    if (rest_ == 0) return !adapts_;
    --rest_;
    return true;
  }

  void observe(const Request& request) {
    const auto hits = shadows_.request(request);
    if (warm_) contest_.note(hits);
    if (++observed_ > kRound * shadows_.size()) end_round();
    if (shadows_.size() > kShadowEntries && halvings_ < kMostHalvings) halve();
  }

  void end_round() {
    const std::uint64_t length = std::exchange(observed_, 0);
    // What the shadows hold after a rest is old: the first round does not count.
    if (!std::exchange(warm_, true)) return;
    const std::size_t best = contest_.best(ruling_, kDeviations);
    contest_.age(kKept);
    if (best != ruling_) {
      ruling_ = best;
      live_.tune(kCandidates[best]);
      quiet_ = 0;
      patience_ = 0;
    } else if (++quiet_ == kBurst) {
      quiet_ = 0;
      rest(length * kBurst);
    }
  }

  // Rests for longer each time, in bursts of that many sampled requests.
  void rest(std::uint64_t burst) {
    const std::uint64_t most = kMostRest >> halvings_;
    patience_ = std::min(2 * patience_ + 1, most);
    rest_ = (patience_ * burst) << halvings_;
    warm_ = rest_ == 0;
  }

  void halve() {
    ++halvings_;
    shadows_.filter([this](std::uint64_t hash) { return sampled(hash); });
    shadows_.resize(sample_of(capacity_));
  }

  const Residents& residents_;
  bool adapts_;
  Weight capacity_;
  std::uint64_t salt_;           // draws the sample
  int halvings_ = 0;             // of the sample
  std::size_t ruling_ = kFirst;  // candidate
  std::uint64_t observed_ = 0;   // sampled requests in this round
  int quiet_ = 0;                // rounds since the rule changed, or since the last rest
  std::uint64_t patience_ = 0;   // bursts that the last rest took
  std::uint64_t rest_ = 0;       // requests that the shadows will not see
  bool warm_ = true;             // the shadows hold what they would without rests
  Queues live_;
  Contest<kMany> contest_;
  Shadows<Queues, kMany> shadows_{capacity_, kCandidates};
};

using Auto = AutoWithTimes<std::numeric_limits<std::uint32_t>::max()>;

}  // namespace augury
