// Keys asked for at equal intervals: every minute, every morning.
// M. G. Elfeky, W. G. Aref, A. K. Elmagarmid, "Periodicity detection in time series databases",
// IEEE TKDE 17(7), 2005, on periods of symbols; here two like intervals announce a third.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/slab.hpp"
#include "prefetch/predictor.hpp"

namespace augury {

class Periodic final : public Predictor {
 public:
  static constexpr PredictorDescription kDescription{
      .name = "periodic",
      .title = "Equal intervals",
      .paper = "Elfeky et al., Periodicity detection in time series databases, TKDE 2005",
  };

  explicit Periodic(const PredictorSetup& setup)
      : most_(std::clamp<std::size_t>(setup.keys / 8, 64, 1 << 16)) {}

  void see(const Asked& asked, Guesses& guesses) override {
    if (asked.time == 0) return;
    ensure(asked.key);
    note(asked);
    for (int i = 0; i < kAtOnce && !alarms_.empty() && alarms_.front().at <= asked.time; ++i) {
      std::ranges::pop_heap(alarms_, later);
      const Alarm alarm = alarms_.back();
      alarms_.pop_back();
      const Rhythm& rhythm = rhythms_[alarm.key];
      // Asked for since, or long ago because nothing was asked for at all.
      if (rhythm.last != alarm.last || asked.time - alarm.at > rhythm.interval) continue;
      guesses.add(alarm.key, evidence(rhythm));
    }
  }

  void prefetch(const Asked& asked) const override {
    if (asked.key < size_) __builtin_prefetch(&rhythms_[asked.key], 1);
  }
  void forget(Slot key) override {
    if (key < size_) rhythms_[key] = {};
  }
  [[nodiscard]] std::size_t bytes() const override {
    return rhythms_.bytes() + alarms_.capacity() * sizeof(Alarm);
  }

 private:
  static constexpr std::uint32_t kShortest = 10;  // seconds; what is asked for more often stays
  static constexpr std::uint32_t kTolerance = 8;  // intervals are alike if an eighth apart
  static constexpr int kAtOnce = 4;

  struct Rhythm {
    std::uint32_t last = 0;      // seconds
    std::uint32_t interval = 0;  // to the time before
    std::uint32_t spread = 0;    // by how much the last two intervals differ
    std::uint32_t beats = 0;     // intervals that were like the one before
  };
  struct Alarm {
    std::uint32_t at;
    std::uint32_t last;  // of the rhythm then
    Slot key;
  };

  static bool later(const Alarm& a, const Alarm& b) { return a.at > b.at; }

  static std::uint32_t evidence(const Rhythm& rhythm) {
    const auto scale = std::min<std::uint32_t>(std::bit_width(rhythm.interval) / 2, 11);
    return std::min<std::uint32_t>(rhythm.beats, 8) * 12 + scale;
  }

  void ensure(Slot key) {
    rhythms_.ensure(key);
    for (; size_ < rhythms_.size(); ++size_) rhythms_[size_] = {};
  }

  void note(const Asked& asked) {
    Rhythm& rhythm = rhythms_[asked.key];
    // Several requests in a moment are one; time that goes back says nothing.
    if (rhythm.last != 0 && (asked.time < rhythm.last || asked.time - rhythm.last < kShortest)) {
      if (asked.time < rhythm.last) rhythm = {.last = asked.time};
      return;
    }
    const std::uint32_t interval = rhythm.last == 0 ? 0 : asked.time - rhythm.last;
    const std::uint32_t apart =
        interval > rhythm.interval ? interval - rhythm.interval : rhythm.interval - interval;
    const bool like = rhythm.interval != 0 && apart <= interval / kTolerance;
    rhythm = {.last = asked.time,
              .interval = interval,
              .spread = apart,
              .beats = like ? rhythm.beats + 1 : 0};
    if (!like || alarms_.size() >= most_) return;
    // Early enough for the next to be as much too early as the last was too late.
    const std::uint32_t lead = std::min(apart + 1, interval / 2);
    alarms_.push_back({asked.time + interval - lead, asked.time, asked.key});
    std::ranges::push_heap(alarms_, later);
  }

  std::size_t most_;
  std::size_t size_ = 0;
  Slab<Rhythm> rhythms_;       // by key
  std::vector<Alarm> alarms_;  // a heap, the next in front
};

}  // namespace augury
