// Mixing of 64-bit hashes.
#pragma once

#include <cstdint>

namespace augury {

__extension__ using Uint128 = unsigned __int128;

// Spreads every bit of `x` over all 64 (the multiply-fold of wyhash). Python hashes small integers
// to themselves, so nothing may use a Python hash before this.
constexpr std::uint64_t mix(std::uint64_t x) {
  const auto product = static_cast<Uint128>(x ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The hash that a live cache has for a key that is this integer of Python's.
constexpr std::uint64_t integer_hash(std::uint64_t number) {
  constexpr std::uint64_t kModulus = (std::uint64_t{1} << 61) - 1;
  return mix(number % kModulus);
}

// FNV-1a, a byte at a time; begins with kHashBasis, and wants mix() at the end.
inline constexpr std::uint64_t kHashBasis = 0xCBF29CE484222325u;
constexpr std::uint64_t hash_byte(std::uint64_t hash, unsigned char byte) {
  return (hash ^ byte) * 0x100000001B3u;
}

// Maps a hash to [0, n) by its upper bits, for any n (Lemire, "Fast random integer generation in an
// interval", 2019).
constexpr std::uint32_t reduce(std::uint32_t hash, std::uint32_t n) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(hash) * n) >> 32);
}

// Keys fall in groups by their hashes: what these differ by tells how much a sample of keys is off.
inline constexpr std::uint32_t kKeyGroups = 32;
constexpr std::uint32_t key_group(std::uint64_t hash) {
  return hash % kKeyGroups;
}

}  // namespace augury
