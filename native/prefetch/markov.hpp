// Markov chain of the first order: what came after this key, in its session.
// D. Joseph, D. Grunwald, "Prefetching using Markov predictors", ISCA 1997.
#pragma once

#include "core/slab.hpp"
#include "prefetch/predictor.hpp"
#include "prefetch/successors.hpp"

namespace augury {

class Markov final : public Predictor {
 public:
  static constexpr PredictorDescription kDescription{
      .name = "markov",
      .title = "Markov chain",
      .paper = "Joseph, Grunwald, Prefetching using Markov predictors, ISCA 1997",
  };

  explicit Markov(const PredictorSetup& setup) : depth_(setup.depth) {}

  void see(const Asked& asked, Guesses& guesses) override {
    ensure(asked.key);
    if (asked.repeated) return;
    if (const Slot before = asked.before[0]; before != kNone) after_[before].add(asked.key);
    after_[asked.key].each([&](Slot key, std::uint32_t evidence) { guesses.add(key, evidence); });
    // Further ahead, along the likeliest way only.
    Slot at = after_[asked.key].first();
    for (std::uint32_t step = 1; step < depth_ && known(at); ++step) {
      const Slot next = after_[at].first();
      if (!known(next) || next == asked.key) return;
      guesses.add(next, step * Successors<kMost>::kClasses + after_[at].evidence(0));
      at = next;
    }
  }

  void prefetch(const Asked& asked) const override {
    if (known(asked.key)) __builtin_prefetch(&after_[asked.key]);
    if (known(asked.before[0])) __builtin_prefetch(&after_[asked.before[0]], 1);
  }
  void forget(Slot key) override {
    if (key < size_) after_[key].clear();
  }
  void look(std::uint32_t depth) override { depth_ = depth; }
  [[nodiscard]] std::size_t bytes() const override { return after_.bytes(); }

 private:
  static constexpr std::size_t kMost = 4;

  [[nodiscard]] bool known(Slot key) const { return key < size_; }
  void ensure(Slot key) {
    after_.ensure(key);
    for (; size_ < after_.size(); ++size_) after_[size_].clear();
  }

  std::uint32_t depth_;
  std::size_t size_ = 0;
  Slab<Successors<kMost>> after_;  // by key
};

}  // namespace augury
