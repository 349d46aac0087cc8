// A timer wheel and a sorted multimap of the same deadlines. Shared by the test and the fuzz
// target.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "cache/timer_wheel.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {

class TimerExercise {
 public:
  static constexpr std::int64_t kTick = std::int64_t{1} << 20;

  void schedule(Slot slot, std::int64_t deadline, std::int64_t now) {
    wheel_.schedule(slot, deadline, now);
    forget(slot);
    if (deadline != TimerWheel::kForever) {
      if (of_.empty()) latest_ = now;
      of_[slot] = {by_deadline_.emplace(deadline, slot), std::max(deadline, latest_)};
    }
    CHECK(wheel_.deadline(slot) == deadline);
  }

  void cancel(Slot slot) {
    wheel_.cancel(slot);
    forget(slot);
    CHECK(wheel_.deadline(slot) == TimerWheel::kForever);
  }

  void advance(std::int64_t now, bool exact) {
    const bool later = now >= latest_;
    const bool due = wheel_.due(now);
    std::size_t expired = 0;
    wheel_.advance(now, exact, [&](Slot slot) {
      const auto found = of_.find(slot);
      CHECK(found != of_.end());                 // it was scheduled, and expires once
      CHECK(found->second.entry->first <= now);  // its time has come
      CHECK(wheel_.deadline(slot) == TimerWheel::kForever);
      forget(slot);
      ++expired;
    });
    CHECK(due || exact || expired == 0 || !later);
    if (!later) return;
    latest_ = now;
    // Nothing is left that should have gone: at most what expired in the present tick, unless
    // exact.
    for (auto at = by_deadline_.begin(); at != by_deadline_.end() && at->first <= now; ++at) {
      CHECK(!exact && of_.at(at->second).since / kTick == now / kTick);
    }
  }

  void compare() const {
    wheel_.validate();
    CHECK(wheel_.size() == of_.size());
    CHECK(wheel_.idle() == of_.empty());
    for (const auto& [slot, at] : of_) CHECK(wheel_.deadline(slot) == at.entry->first);
  }

 private:
  void forget(Slot slot) {
    const auto found = of_.find(slot);
    if (found == of_.end()) return;
    by_deadline_.erase(found->second.entry);
    of_.erase(found);
  }

  struct Timer {
    std::multimap<std::int64_t, Slot>::iterator entry;
    std::int64_t since;  // when it is known to be due: a deadline may have been past at once
  };

  TimerWheel wheel_;
  std::multimap<std::int64_t, Slot> by_deadline_;
  std::unordered_map<Slot, Timer> of_;
  std::int64_t latest_ = 0;
};

}  // namespace augury::tests
