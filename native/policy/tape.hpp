// The requests that a policy has seen, for those who train a model for it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "core/types.hpp"

namespace augury {

// Off until start(), and full after so many requests: both cost one comparison a request.
class Tape {
 public:
  struct Taken {
    std::unique_ptr<std::uint64_t[]> numbers;  // see Request::number
    std::unique_ptr<Weight[]> weights;
    std::unique_ptr<std::uint32_t[]> times;  // see Request::time
    std::size_t size;
  };

  // Forgets what there is. Memory is taken now, and touched as requests come.
  void start(std::size_t limit) {
    auto numbers = std::make_unique_for_overwrite<std::uint64_t[]>(limit);
    auto weights = std::make_unique_for_overwrite<Weight[]>(limit);
    auto times = std::make_unique_for_overwrite<std::uint32_t[]>(limit);
    taken_ = {std::move(numbers), std::move(weights), std::move(times), 0};
    limit_ = limit;
  }

  void push(std::uint64_t number, Weight weight, std::uint32_t time) {
    if (taken_.size == limit_) [[likely]]
      return;
    taken_.numbers[taken_.size] = number;
    taken_.weights[taken_.size] = weight;
    taken_.times[taken_.size++] = time;
  }

  [[nodiscard]] std::size_t size() const { return taken_.size; }

  // Hands over what there is, and is off.
  Taken take() {
    limit_ = 0;
    return std::exchange(taken_, {nullptr, nullptr, nullptr, 0});
  }

 private:
  Taken taken_{nullptr, nullptr, nullptr, 0};
  std::size_t limit_ = 0;

  friend class TapePause;
};

// As long as this lives, the tape takes up nothing; nobody starts it or takes from it meanwhile.
class TapePause {
 public:
  explicit TapePause(Tape& tape)
      : tape_(tape), limit_(std::exchange(tape.limit_, tape.taken_.size)) {}
  TapePause(const TapePause&) = delete;
  TapePause& operator=(const TapePause&) = delete;
  ~TapePause() { tape_.limit_ = limit_; }

 private:
  Tape& tape_;
  std::size_t limit_;
};

}  // namespace augury
