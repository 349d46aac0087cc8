// How many distinct keys there were, in 64 KiB.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numbers>
#include <span>
#include <stdexcept>

namespace augury {

// HyperLogLog (P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, AofA 2007) with the estimator of
// O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, which needs no
// correction of small counts. The standard error is kError.
class Distinct {
 public:
  static constexpr double kError = 1.04 / 256;

  // `hash` is well mixed.
  void add(std::uint64_t hash) {
    const auto rank = static_cast<std::uint8_t>(std::countl_zero(hash | kLowest) + 1);
    std::uint8_t& most = (*ranks_)[hash % kRegisters];
    most = std::max(most, rank);
  }

  // For counting keys in parts: a part's ranks, and with them as if it had seen that one's keys.
  [[nodiscard]] std::span<const std::uint8_t> ranks() const { return *ranks_; }
  void merge(std::span<const std::uint8_t> ranks) {
    if (ranks.size() != kRegisters) throw std::invalid_argument("these are not the ranks of keys");
    for (std::size_t at = 0; at < kRegisters; ++at) {
      (*ranks_)[at] = std::max((*ranks_)[at], std::min(ranks[at], std::uint8_t{kHighest}));
    }
  }

  [[nodiscard]] double estimate() const {
    std::array<double, kHighest + 1> count{};
    for (const std::uint8_t rank : *ranks_) ++count[rank];
    double z = kRegisters * tau(1 - count[kHighest] / kRegisters);
    for (std::size_t rank = kHighest - 1; rank > 0; --rank) z = (z + count[rank]) / 2;
    z += kRegisters * sigma(count[0] / kRegisters);
    return double{kRegisters} * kRegisters / (2 * std::numbers::ln2 * z);
  }

  [[nodiscard]] static constexpr std::size_t bytes() { return kRegisters; }

 private:
  static constexpr int kIndexBits = 16;
  static constexpr std::size_t kRegisters = std::size_t{1} << kIndexBits;
  static constexpr std::uint64_t kLowest = kRegisters >> 1;  // where the index begins
  static constexpr std::size_t kHighest = 64 - kIndexBits + 1;

  static double sigma(double x) {
    if (x == 1) return std::numeric_limits<double>::infinity();
    double power = 1;
    double sum = x;
    for (double before = -1; sum != before; power += power) {
      x *= x;
      before = sum;
      sum += x * power;
    }
    return sum;
  }
  static double tau(double x) {
    if (x == 0 || x == 1) return 0;
    double power = 1;
    double sum = 1 - x;
    for (double before = -1; sum != before;) {
      x = std::sqrt(x);
      before = sum;
      power /= 2;
      sum -= (1 - x) * (1 - x) * power;
    }
    return sum / 3;
  }

  // By the lower bits of hashes: the most leading zeros of one, and 1.
  std::unique_ptr<std::array<std::uint8_t, kRegisters>> ranks_ =
      std::make_unique<std::array<std::uint8_t, kRegisters>>();
};

}  // namespace augury
