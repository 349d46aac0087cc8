// Reads of a sample of the keys of a cache, waiting for somebody to look at them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/sampler.hpp"

namespace augury {

// It takes reads in bursts: once full it wants none until it was emptied. So what it costs in a
// second is bounded however often the cache is read, and the reads of a burst follow one another as
// they did in the cache.
class ReadSample {
 public:
  // `share` of the keys. Throws std::bad_alloc. Memory is touched only as it fills.
  ReadSample(std::size_t capacity, double share)
      : capacity_(capacity), sampler_(share), reads_(make()) {}

  // Whose reads it wants at present.
  [[nodiscard]] Sampler wanted() const { return full() ? Sampler() : sampler_; }
  [[nodiscard]] bool full() const { return size_ == capacity_; }
  [[nodiscard]] std::size_t bytes() const { return capacity_ * sizeof(std::uint64_t); }

  // It must not be full.
  void add(std::uint64_t hash, bool hit) { reads_[size_++] = hash << 1 | (hit ? 1U : 0U); }

  // Of each read: the hash of its key but for the upper bit, and, in the lowest bit, whether it
  // hit. Throws std::bad_alloc, and then nothing has changed.
  struct Taken {
    std::unique_ptr<std::uint64_t[]> reads;
    std::size_t size;
  };
  Taken take() {
    auto empty = make();
    return {std::exchange(reads_, std::move(empty)), std::exchange(size_, 0)};
  }

 private:
  [[nodiscard]] std::unique_ptr<std::uint64_t[]> make() const {
    return std::make_unique_for_overwrite<std::uint64_t[]>(capacity_);
  }

  std::size_t capacity_;
  Sampler sampler_;
  std::unique_ptr<std::uint64_t[]> reads_;
  std::size_t size_ = 0;
};

}  // namespace augury
