// How often guesses of each class of each predictor have been right.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "prefetch/key_table.hpp"
#include "prefetch/predictor.hpp"

namespace augury {

// Guesses are measured whether they are followed or not, so a predictor is trusted once it has been
// right and loses nothing but trust while it is wrong. A guess is right if its key is asked for
// within `horizon` requests, but not within `delay`, before it could have been fetched. As many as
// there is room for wait to be judged; while there is none, others are not measured, which makes it
// a sample.
class Calibration {
 public:
  Calibration(std::size_t predictors, std::uint64_t horizon)
      : horizon_(horizon), classes_(predictors * kClasses), waiting_(kWaiting) {}

  void horizon(std::uint64_t requests) { horizon_ = requests; }
  void delay(std::uint64_t requests) { delay_ = requests; }

  // The probability that such a guess is right.
  [[nodiscard]] float probability(const Guess& guess) const {
    const Class& its = classes_[guess.predictor * kClasses + guess.evidence];
    return (its.right + kPrior * kPriorWeight) / (its.judged + kPriorWeight);
  }

  [[nodiscard]] bool has_room() const { return used_ < kWaiting; }

  // Measures a guess made now. There must be room.
  void watch(const Guess& guess, std::uint64_t hash, std::uint64_t now) {
    waiting_[(first_ + used_++) % kWaiting] = {
        now, hash, guess.key,
        static_cast<std::uint16_t>(guess.predictor * kClasses + guess.evidence), false};
  }

  // Judges the guesses whose time has come.
  void judge(const KeyTable& keys, std::uint64_t now) {
    for (; fetched_ != used_; ++fetched_) {
      Waiting& guess = waiting_[(first_ + fetched_) % kWaiting];
      if (guess.made + delay_ >= now) break;
      guess.late = delay_ != 0 && asked(keys, guess);
    }
    // No more at a time than two requests may add, or a horizon that shrinks would judge all at
    // once.
    for (std::size_t left = kMostJudged;
         left != 0 && used_ != 0 && waiting_[first_].made + delay_ + horizon_ < now;
         --left, --used_, --fetched_) {
      const Waiting& guess = waiting_[first_];
      Class& its = classes_[guess.its_class];
      its.judged = its.judged * kMemory + 1;
      its.right = its.right * kMemory + (!guess.late && asked(keys, guess) ? 1 : 0);
      first_ = (first_ + 1) % kWaiting;
    }
  }

  [[nodiscard]] std::size_t bytes() const {
    return classes_.capacity() * sizeof(Class) + waiting_.capacity() * sizeof(Waiting);
  }

 private:
  static constexpr std::size_t kClasses = 256;
  static constexpr std::size_t kWaiting = 8192;
  static constexpr std::size_t kMostJudged = 96;
  static constexpr float kMemory = 0.998F;  // of so many judgements as 1 / (1 - kMemory)
  static constexpr float kPrior = 0.2F;
  static constexpr float kPriorWeight = 2;

  struct Class {
    float right = 0;
    float judged = 0;
  };
  struct Waiting {
    std::uint64_t made;
    std::uint64_t hash;
    Slot key;  // kNone: to be found by its hash
    std::uint16_t its_class;
    bool late;  // it was asked for before it could have been fetched
  };

  static bool asked(const KeyTable& keys, const Waiting& guess) {
    // A key whose number is another's by now may have come back under a third.
    const bool kept = guess.key != kNone && keys.hash(guess.key) == guess.hash;
    const Slot key = kept ? guess.key : keys.find(guess.hash);
    return key != kNone && keys.last(key) > guess.made;
  }

  std::uint64_t horizon_;
  std::uint64_t delay_ = 0;
  std::vector<Class> classes_;
  std::vector<Waiting> waiting_;  // a ring
  std::size_t first_ = 0;
  std::size_t used_ = 0;
  std::size_t fetched_ = 0;  // of these, the oldest, whose fetch would have ended
};

}  // namespace augury
