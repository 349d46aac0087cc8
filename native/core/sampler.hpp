// Chooses a share of all keys by their hashes: of a chosen key every request is taken.
#pragma once

#include <algorithm>
#include <cstdint>

namespace augury {

class Sampler {
 public:
  Sampler() = default;  // takes nothing

  // `share` is from 0 to 1, and 1 takes every key.
  explicit Sampler(double share) : limit_(static_cast<std::uint64_t>(share * kWhole)) {}

  // The product, because tables and sketches place keys by the upper bits of their hashes: keys
  // chosen by these bits would all crowd into one corner of them.
  [[nodiscard]] bool takes(std::uint64_t hash) const {
    return (hash * 0x9E3779B97F4A7C15u) >> 1 < limit_;
  }

  // Takes what either takes: the smaller of two samples lies within the larger one.
  [[nodiscard]] Sampler wider(Sampler other) const {
    other.limit_ = std::max(limit_, other.limit_);
    return other;
  }

 private:
  static constexpr double kWhole = 9223372036854775808.0;  // 2**63

  std::uint64_t limit_ = 0;
};

}  // namespace augury
