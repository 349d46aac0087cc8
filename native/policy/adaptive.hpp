// Tunes itself: shadow caches try several settings of its queues on a sample of the keys, and the
// one that would have hit most rules.
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
// miniature simulations", USENIX ATC 2017.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/hash.hpp"
#include "policy/contest.hpp"
#include "policy/policy.hpp"
#include "policy/shadows.hpp"

namespace augury {

// All candidates are settings of the same queues, so a change of rule moves no entry: the queues
// grow into it as entries come and go. That motion costs misses: a candidate has to be ahead by
// more than chance explains, and by more hits than a share of the entries that would move.
//
// Shadows start with all keys, and halve their sample as long as they hold too many entries. So a
// small cache has whole shadows, and a large one is judged before it is full. Whole ones would cost
// more than the cache itself: as long as nothing changes they watch more and more seldom. A change
// of the live cache's own miss ratio wakes them.
//
// Queues is a policy with settings: see TwoStage.
template <class Queues, std::size_t kCandidates>
class Adaptive : public Policy {
 public:
  Slot evict() override { return live_.evict(); }
  void insert(Slot slot, const Request& request) override {
    live_.insert(slot, request);
    next_victim_ = live_.next_victim();
  }

  void prefetch(std::uint64_t hash) const override { live_.prefetch(hash); }

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

  [[nodiscard]] std::string_view ruling() const override { return settings_[ruling_].name; }

  [[nodiscard]] std::vector<Candidate> candidates() const override {
    return candidates_of(kCandidates);
  }

  bool visit(const Visit& visit) const override { return live_.visit(visit); }

  [[nodiscard]] std::string memory() const override {
    std::string bytes;
    append(bytes, static_cast<std::uint8_t>(ruling_));
    return bytes + live_.memory();
  }
  void resume(std::string_view memory) override {
    std::uint8_t candidate = 0;
    if (consume(memory, candidate) && adapts_ && candidate < kCandidates) begin(candidate);
    live_.resume(memory);
    requests_ = misses_ = 0;
  }

  void validate() const override {
    if (live_.size() != residents_.size()) throw std::logic_error("adaptive: miscounted");
    live_.validate();
    shadows_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override { return live_.bytes() + shadows_.bytes(); }

 protected:
  using Setting = typename Queues::Setting;
  using Settings = std::array<Setting, kCandidates>;

  // The first setting rules at first; it goes on if !adapts. `most_rest`: bursts that whole shadows
  // rest for after each one of watching; smaller samples rest for fewer, but at least one.
  Adaptive(const Setup& setup, bool adapts, std::uint64_t most_rest, const Settings& settings)
      : residents_(setup.residents),
        settings_(settings),
        adapts_(adapts),
        most_rest_(most_rest),
        capacity_(setup.capacity),
        salt_(mix(setup.seed) | 1),
        live_(setup.residents, setup.capacity, settings[0]) {}

  // As Policy::hit and miss; `number` is the key's.
  void hit_of(Slot slot, const Request& request, std::uint64_t number) {
    live_.hit(slot, request);
    if (rests()) return;
    const std::uint64_t hash = residents_.hash(slot);
    if (!sampled(hash)) return;
    observe({.hash = hash, .weight = residents_.weight(slot), .number = number});
  }
  void miss_of(const Request& request) {
    live_.miss(request);
    ++misses_;
    if (rests()) return;
    if (sampled(request.hash)) observe(request);
  }

  // The first so many of them.
  [[nodiscard]] std::vector<Candidate> candidates_of(std::size_t count) const {
    std::vector<Candidate> told;
    if (contest_.noted() == 0) return told;
    for (std::size_t i = 0; i < count; ++i) {
      told.push_back({settings_[i].name, contest_.hits(i) / contest_.noted()});
    }
    return told;
  }

  [[nodiscard]] const Queues& live() const { return live_; }
  [[nodiscard]] std::size_t ruler() const { return ruling_; }

  // A candidate decides otherwise than before, and rules. The shadows watch at once, so that a bad
  // one does not rule for as long as they would rest. Their record stays: a whole new one takes
  // long in a large cache, and until then nothing would speak against a bad model.
  void begin(std::size_t candidate) {
    if (rest_ != 0) {
      rest_ = 0;
      requests_ = misses_ = 0;
    }
    rule(candidate);
  }

 private:
  static constexpr double kDeviations = 2;  // of chance, that a change of rule takes
  static constexpr double kMotion = 0.4;    // misses for each entry that would have to move
  static constexpr double kKept = 0.9;      // what a request counts a round later
  static constexpr std::size_t kShadowEntries = 512;  // keys in the shadows before they are halved
  static constexpr int kMostHalvings = 6;
  static constexpr std::uint64_t kRound = 3;  // requests an entry of the shadows, to a decision
  static constexpr int kBurst = 8;            // rounds without a change of rule, to a rest
  static constexpr double kChange = 0.05;     // of the live cache's miss ratio, that ends a rest

  [[nodiscard]] bool sampled(std::uint64_t hash) const {
    return std::countl_zero(hash * salt_ | 1) >= halvings_;
  }
  [[nodiscard]] Weight sample_of(Weight capacity) const {
    return std::max<Weight>(capacity >> halvings_, 1);
  }

  void rule(std::size_t candidate) {
    ruling_ = candidate;
    live_.tune(settings_[candidate]);
    quiet_ = 0;
    patience_ = 0;
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
      rule(best);
    } else if (++quiet_ == kBurst) {
      quiet_ = 0;
      rest();
    }
  }

  // How many entries of a shadow would have to move: each may be missed.
  [[nodiscard]] double motion(std::size_t to) const {
    const double share = Queues::motion(settings_[ruling_], settings_[to]);
    return kMotion * share * static_cast<double>(live_.size() >> halvings_);
  }

  // Rests for more bursts each time.
  void rest() {
    patience_ = std::min(2 * patience_ + 1, std::max<std::uint64_t>(most_rest_ >> halvings_, 1));
    rests_ = patience_;
    burst_ = requests_;
    ratio_ = miss_ratio();
    rest_ = burst_;
    warm_ = false;
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
  Settings settings_;
  bool adapts_;
  std::uint64_t most_rest_;
  Weight capacity_;
  std::uint64_t salt_;          // draws the sample
  int halvings_ = 0;            // of the sample
  std::size_t ruling_ = 0;      // candidate
  std::uint64_t observed_ = 0;  // sampled requests in this round
  int quiet_ = 0;               // rounds since the rule changed, or since the last rest
  std::uint64_t requests_ = 0;  // to the live cache, since miss_ratio() was taken
  std::uint64_t misses_ = 0;
  double ratio_ = 0;            // before this rest
  std::uint64_t patience_ = 0;  // bursts that the last rest took
  std::uint64_t rests_ = 0;     // bursts that this one takes yet
  std::uint64_t burst_ = 0;     // requests
  std::uint64_t rest_ = 0;      // requests to the end of this burst of rest
  bool warm_ = true;            // the shadows hold what they would without rests
  Queues live_;
  Contest<kCandidates> contest_;
  Shadows<Queues, kCandidates> shadows_{capacity_, settings_};
};

}  // namespace augury
