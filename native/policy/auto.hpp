// Tunes itself: shadow caches try several settings of its queues on a sample of the keys, and the
// one that would have hit most rules. The queues are those of two_stage.hpp, the shadows those of
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
// miniature simulations", USENIX ATC 2017.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/hash.hpp"
#include "policy/contest.hpp"
#include "policy/policy.hpp"
#include "policy/shadows.hpp"
#include "policy/two_stage.hpp"

namespace augury {

// All candidates are settings of the same queues, so a change of rule moves no entry: the queues
// grow into it as entries come and go. That motion costs misses: a candidate has to be ahead by
// more than chance explains, and by more hits than a share of the entries that would move.
//
// Shadows start with all keys, and halve their sample as long as they hold too many entries. So a
// small cache has whole shadows, and a large one is judged before it is full. Whole ones would cost
// more than the cache itself: as long as nothing changes they watch more and more seldom, until
// they see one request in 32. A change of the live cache's own miss ratio wakes them.
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
      .adaptive = true,
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
    ++misses_;
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

  [[nodiscard]] std::string_view ruling() const override { return kRulings[ruling_]; }

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
      Setting{.small = 0.9, .reach = 0.7, .ghosts = kAll, .promote = 1},   // nothing but recency
  };
  static constexpr std::array<std::string_view, kCandidates.size()> kRulings{
      "most workloads", "loops and scans", "what is new lately", "nothing but recency"};
  static constexpr std::size_t kMany = kCandidates.size();
  static constexpr std::size_t kFirst = 0;
  static constexpr double kDeviations = 2;  // of chance, that a change of rule takes
  static constexpr double kMotion = 0.4;    // misses for each entry that would have to move
  static constexpr double kKept = 0.9;      // what a request counts a round later
  static constexpr std::size_t kShadowEntries = 512;  // keys in the shadows before they are halved
  static constexpr int kMostHalvings = 4;
  static constexpr std::uint64_t kRound = 3;  // requests an entry of the shadows, to a decision
  static constexpr int kBurst = 8;            // rounds without a change of rule, to a rest
  static constexpr double kChange = 0.05;     // of the live cache's miss ratio, that ends a rest
  static constexpr std::uint64_t kMostRest = 31;  // bursts, of a whole shadow

  [[nodiscard]] bool sampled(std::uint64_t hash) const {
    return std::countl_zero(hash * salt_ | 1) >= halvings_;
  }
  [[nodiscard]] Weight sample_of(Weight capacity) const {
    return std::max<Weight>(capacity >> halvings_, 1);
  }

  // Whether the shadows see nothing of this request.
  bool rests() {
    ++requests_;
    if (rest_ == 0) return !adapts_;
    if (--rest_ == 0) look_up();
    return true;
  }

  void observe(const Request& request) {
    const auto hits = shadows_.request(request);
    if (warm_) contest_.note(hits);
    if (++observed_ > kRound * shadows_.size()) end_round();
    if (shadows_.size() > kShadowEntries && halvings_ < kMostHalvings) halve();
  }

  void end_round() {
    observed_ = 0;
    // What the shadows hold after a rest is old: the first round does not count.
    if (!std::exchange(warm_, true)) return;
    const std::size_t best =
        contest_.best(ruling_, kDeviations, [this](std::size_t i) { return motion(i); });
    contest_.age(kKept);
    if (best != ruling_) {
      ruling_ = best;
      live_.tune(kCandidates[best]);
      quiet_ = 0;
      patience_ = 0;
    } else if (++quiet_ == kBurst) {
      quiet_ = 0;
      rest();
    }
  }

  // How many entries of a shadow would have to leave one queue for the other: each may be missed.
  [[nodiscard]] double motion(std::size_t to) const {
    const double share = std::abs(kCandidates[to].small - kCandidates[ruling_].small);
    return kMotion * share * static_cast<double>(live_.size() >> halvings_);
  }

  // Rests for more bursts each time.
  void rest() {
    patience_ = std::min(2 * patience_ + 1, kMostRest >> halvings_);
    rests_ = patience_;
    burst_ = requests_;
    ratio_ = miss_ratio();
    rest_ = rests_ == 0 ? 0 : burst_;
    warm_ = rest_ == 0;
  }

  // After each burst of a rest: goes on with it unless what is requested has changed.
  void look_up() {
    const bool changed = std::abs(miss_ratio() - ratio_) > kChange;
    if (changed) {
      patience_ = 0;
      contest_.age(0);
    } else if (--rests_ != 0) {
      rest_ = burst_;
    }
  }

  // Since it was last asked for.
  double miss_ratio() {
    return static_cast<double>(std::exchange(misses_, 0)) /
           static_cast<double>(std::exchange(requests_, 0));
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
  std::uint64_t requests_ = 0;   // to the live cache, since miss_ratio() was taken
  std::uint64_t misses_ = 0;
  double ratio_ = 0;            // before this rest
  std::uint64_t patience_ = 0;  // bursts that the last rest took
  std::uint64_t rests_ = 0;     // bursts that this one takes yet
  std::uint64_t burst_ = 0;     // requests
  std::uint64_t rest_ = 0;      // requests to the end of this burst of rest
  bool warm_ = true;            // the shadows hold what they would without rests
  Queues live_;
  Contest<kMany> contest_;
  Shadows<Queues, kMany> shadows_{capacity_, kCandidates};
};

using Auto = AutoWithTimes<std::numeric_limits<std::uint32_t>::max()>;

}  // namespace augury
