// How often keys were asked for, roughly: a count-min sketch of 4-bit counters that are halved now
// and then. G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch
// and its applications", J. Algorithms 55(1), 2005; in blocks as in B. Manes' Caffeine.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <new>
#include <stdexcept>

#include "core/slab.hpp"

namespace augury {

// The four counters of a key are in one block of 64 bytes. Only those are raised that have to be
// for the estimate to rise ("conservative update"), so an estimate is too high less often; it is
// never too low but for the counters' limit.
//
// 16 counters for each expected key, as a power of two: 8 to 16 bytes a key. Nothing here throws:
// without memory to grow, estimates get worse.
class CountMin {
 public:
  static constexpr std::uint32_t kMost = 15;  // a counter's limit

  [[nodiscard]] std::size_t bytes() const { return blocks_.bytes(); }
  // How many keys it was made for.
  [[nodiscard]] std::size_t keys() const { return blocks_.size() * kKeys; }

  // Makes it large enough for that many keys and keeps all estimates.
  void reserve(std::size_t keys) noexcept {
    while (this->keys() < keys) {
      const std::size_t before = blocks_.size();
      try {
        blocks_.reserve(std::max<std::size_t>(2 * before, 1));
      } catch (const std::bad_alloc&) {
        return;
      }
      // A key's block is that of before, or its copy.
      for (std::size_t i = before; i < blocks_.size(); ++i) {
        blocks_[i] = before == 0 ? Block{} : blocks_[i - before];
      }
    }
  }

  // From 0 to kMost.
  [[nodiscard]] std::uint32_t estimate(std::uint64_t hash) const {
    if (blocks_.size() == 0) return 0;
    const Block& block = blocks_[home(hash)];
    std::uint32_t least = kMost;
    for (std::uint32_t row = 0; row < kRows; ++row) {
      const Counter at = counter(hash, row);
      least = std::min(least, value(block.words[at.word], at.shift));
    }
    return least;
  }

  // Counts a key, that many times.
  void add(std::uint64_t hash, std::uint32_t times = 1) {
    if (blocks_.size() == 0) return;
    Block& block = blocks_[home(hash)];
    const std::uint32_t raised = std::min(estimate(hash) + times, kMost);
    for (std::uint32_t row = 0; row < kRows; ++row) {
      const Counter at = counter(hash, row);
      // No branch: it could not be predicted.
      const std::uint32_t before = value(block.words[at.word], at.shift);
      const std::uint64_t more = std::max(raised, before) - before;
      block.words[at.word] += more << at.shift;
    }
  }

  // Halves every counter, rounding down.
  void halve() {
    constexpr std::uint64_t kLowerBits = 0x7777777777777777u;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      for (std::uint64_t& word : blocks_[i].words) word = (word >> 1) & kLowerBits;
    }
  }

  void validate() const {
    if (!std::has_single_bit(blocks_.size()) && blocks_.size() != 0) {
      throw std::logic_error("count-min: not a power of two");
    }
  }

 private:
  static constexpr std::size_t kKeys = 8;  // a block is made for
  static constexpr std::uint32_t kRows = 4;

  struct Block {
    std::uint64_t words[8];  // two a row, of 16 counters each
  };
  struct Counter {
    std::uint32_t word;
    std::uint32_t shift;
  };

  [[nodiscard]] std::size_t home(std::uint64_t hash) const {
    return (hash >> 20) & (blocks_.size() - 1);
  }
  // Five of the 20 bits that home() leaves.
  static Counter counter(std::uint64_t hash, std::uint32_t row) {
    const auto bits = static_cast<std::uint32_t>(hash >> (5 * row));
    return {.word = 2 * row + (bits & 1), .shift = 4 * (bits >> 1 & 15)};
  }
  static std::uint32_t value(std::uint64_t word, std::uint32_t shift) {
    return static_cast<std::uint32_t>(word >> shift) & 15;
  }

  Slab<Block> blocks_;
};

}  // namespace augury
