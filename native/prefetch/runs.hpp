// Keys that are integers, asked for in steps: one after the other, or every eighth.
// A. J. Smith, "Sequentiality and prefetching in database systems", TODS 1978; steps as in
// J. W. C. Fu, J. H. Patel, B. L. Janssens, "Stride directed prefetching in scalar processors",
// MICRO 1992.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/hash.hpp"
#include "prefetch/predictor.hpp"

namespace augury {

// Which steps there are is learned: a step is counted whenever one of the last few keys lies that
// far back, so that runs which several clients make at a time are seen. The commonest are tried.
class Runs final : public Predictor {
 public:
  static constexpr PredictorDescription kDescription{
      .name = "runs",
      .title = "Sequential and strided runs",
      .paper = "Smith, Sequentiality and prefetching in database systems, TODS 1978",
  };

  explicit Runs(const PredictorSetup& setup) : depth_(setup.depth) {
    steps_[0] = {.step = 1, .count = 1};
  }

  void see(const Asked& asked, Guesses& guesses) override {
    if (!asked.numeric || asked.repeated) return;
    count_steps(asked.number);
    for (std::size_t i = 0; i < kTried; ++i) {
      const Step& step = steps_[i];
      if (step.count == 0) break;
      std::uint32_t length = 0;
      while (length < kLongest && seen(asked.number - (length + 1) * step.step, asked.clock)) {
        ++length;
      }
      if (length == 0) continue;
      for (std::uint32_t ahead = 0; ahead < kAhead + depth_ - 1; ++ahead) {
        const std::uint64_t next = asked.number + (ahead + 1) * step.step;
        // A run ends where the integers do.
        if ((next > asked.number) != (step.step <= kFarthest)) break;
        guesses.add_number(next, evidence(i, length, ahead));
      }
    }
    recent_[place_of(asked.number)] = {asked.number, asked.clock};
  }

  void look(std::uint32_t depth) override { depth_ = depth; }
  [[nodiscard]] std::size_t bytes() const override { return sizeof *this; }

 private:
  static constexpr std::size_t kSteps = 16;  // counted
  static constexpr std::size_t kTried = 4;
  static constexpr std::uint32_t kLongest = 4;
  static constexpr std::uint32_t kAhead = 2;
  static constexpr std::uint64_t kLately = 4096;  // requests that a run may pause
  static constexpr std::size_t kBack = 4;
  static constexpr std::uint64_t kFarthest = std::uint64_t{1} << 20;
  static constexpr std::uint32_t kLarge = 4096;

  // 4 steps, 4 lengths, 5 places ahead: below 80.
  static std::uint32_t evidence(std::size_t step, std::uint32_t length, std::uint32_t ahead) {
    return (static_cast<std::uint32_t>(step) * kLongest + length - 1) * (kAhead + kDeepest - 1) +
           ahead;
  }

  struct Step {
    std::uint64_t step;  // modulo 2^64, so that there are steps back
    std::uint32_t count;
  };
  struct Recent {
    std::uint64_t number = 0;
    std::uint64_t clock = 0;
  };

  static std::size_t place_of(std::uint64_t number) { return mix(number) >> 52; }
  [[nodiscard]] bool seen(std::uint64_t number, std::uint64_t clock) const {
    const Recent& recent = recent_[place_of(number)];
    return recent.clock != 0 && recent.number == number && clock - recent.clock <= kLately;
  }

  void count_steps(std::uint64_t number) {
    for (std::size_t i = 0; i < kBack; ++i) {
      const std::uint64_t step = number - back_[i];
      if (step != 0 && step + kFarthest <= 2 * kFarthest && i < backs_) count(step);
    }
    back_[next_] = number;
    next_ = (next_ + 1) % kBack;
    backs_ = std::min(backs_ + 1, kBack);
  }

  // The commonest in front; a new one takes the place of the rarest when it has worn that down.
  void count(std::uint64_t step) {
    std::size_t at = 0;
    while (at < kSteps && (steps_[at].count == 0 || steps_[at].step != step)) ++at;
    if (at == kSteps) {
      at = kSteps - 1;
      if (steps_[at].count > 1) {
        --steps_[at].count;
        return;
      }
      while (at != 0 && steps_[at - 1].count == 0) --at;
      steps_[at] = {step, 0};
    }
    ++steps_[at].count;
    for (; at != 0 && steps_[at - 1].count < steps_[at].count; --at) {
      std::swap(steps_[at - 1], steps_[at]);
    }
    if (steps_[0].count >= kLarge) {
      for (Step& each : steps_) each.count /= 2;
    }
  }

  std::uint32_t depth_;
  std::array<Step, kSteps> steps_{};
  std::array<std::uint64_t, kBack> back_{};
  std::size_t backs_ = 0;
  std::size_t next_ = 0;
  std::array<Recent, 4096> recent_{};
};

}  // namespace augury
