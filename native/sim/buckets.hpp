// Buckets for distances of any magnitude.
#pragma once

#include <bit>
#include <cstdint>

namespace augury {

// Distances from 1: 1, 2 ... 16 each by itself, then sixteen buckets for each doubling.
struct Buckets {
  static constexpr std::uint32_t kExact = 16;
  static constexpr std::uint32_t kCount = kExact * 60;

  // The largest distance in a bucket.
  static constexpr std::uint64_t highest(std::uint32_t bucket) {
    if (bucket < kExact) return bucket + 1;
    const std::uint32_t doubling = bucket / kExact - 1;
    return (std::uint64_t{kExact + bucket % kExact + 1} << doubling);
  }

  // `distance` is from 1 to 2^63.
  static constexpr std::uint32_t of(std::uint64_t distance) {
    const std::uint64_t below = distance - 1;
    if (below < kExact) return static_cast<std::uint32_t>(below);
    const auto doubling = static_cast<std::uint32_t>(std::bit_width(below) - 5);
    return (doubling + 1) * kExact + static_cast<std::uint32_t>((below >> doubling) % kExact);
  }
};
static_assert(Buckets::of(std::uint64_t{1} << 63) == Buckets::kCount - 1);
static_assert(Buckets::highest(Buckets::kCount - 1) == std::uint64_t{1} << 63);

}  // namespace augury
