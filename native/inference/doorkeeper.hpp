// Tells rows that may have been seen before from those that have not, by a glance at each.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/hash.hpp"

namespace augury {

// A Bloom filter of two generations over a print of a few words of each row (the doorkeeper of
// G. Einziger, R. Friedman, B. Manes, "TinyLFU", ACM TOS 2017). Rows that agree in these words are
// taken for one: then more is looked up than needed, but never less.
class Doorkeeper {
 public:
  // Remembers the last `rows` rows, and up to as many before them.
  explicit Doorkeeper(std::size_t rows)
      : most_(std::max<std::size_t>(rows, 1)),
        words_(std::bit_ceil(std::max<std::size_t>(most_ * kBits, 64)) / 64),
        young_(words_),
        old_(words_) {}

  static std::uint64_t print_of(const unsigned char* row, std::size_t size) {
    std::uint64_t print = size;
    if (size <= kGlance * sizeof print) {
      for (std::size_t at = 0; at < size; at += sizeof print) {
        std::uint64_t word = 0;
        std::memcpy(&word, row + at, std::min(sizeof word, size - at));
        print = mix(print ^ word);
      }
      return print;
    }
    std::array<std::uint64_t, kGlance> words;
    for (std::size_t i = 0; i < kGlance; ++i) {
      std::memcpy(&words[i], row + i * (size - sizeof print) / (kGlance - 1), sizeof print);
    }
    for (std::size_t i = 0; i < kGlance; i += 2) {
      print += mix(words[i] + i) ^ std::rotl(mix(words[i + 1] ^ print), 29);
    }
    return mix(print);
  }

  [[nodiscard]] bool knows(std::uint64_t print) const {
    return has(young_, print) || has(old_, print);
  }

  void remember(std::uint64_t print) {
    if (has(young_, print)) return;
    if (++count_ > most_) {
      old_.swap(young_);
      std::ranges::fill(young_, 0);
      count_ = 1;
    }
    for (const std::uint64_t bit : bits_of(print)) young_[bit / 64] |= std::uint64_t{1} << bit % 64;
  }

  [[nodiscard]] std::size_t bytes() const { return 2 * words_ * sizeof(std::uint64_t); }

 private:
  static constexpr std::size_t kGlance = 16;  // words
  static constexpr std::size_t kBits = 16;    // a row; with three of them set, one in 250 is taken
                                              // for one that was seen
  [[nodiscard]] std::array<std::uint64_t, 3> bits_of(std::uint64_t print) const {
    const std::uint64_t mask = words_ * 64 - 1;
    return {print & mask, (print >> 21) & mask, (print >> 42 | print << 22) & mask};
  }
  [[nodiscard]] bool has(const std::vector<std::uint64_t>& in, std::uint64_t print) const {
    const auto bits = bits_of(print);
    return std::ranges::all_of(
        bits, [&](std::uint64_t bit) { return (in[bit / 64] >> bit % 64 & 1) != 0; });
  }

  std::size_t most_;
  std::size_t words_;
  std::size_t count_ = 0;
  std::vector<std::uint64_t> young_;
  std::vector<std::uint64_t> old_;
};

}  // namespace augury
