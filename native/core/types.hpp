// The words that every other native file uses.
#pragma once

#include <cstdint>
#include <limits>

namespace augury {

// Names an entry. Slots are dense: a cache of n entries uses slots below a small multiple of n, so
// per-entry state lives in plain arrays indexed by slot.
using Slot = std::uint32_t;
inline constexpr Slot kNone = std::numeric_limits<Slot>::max();

// What capacity is counted in: 1 an entry, or whatever unit the weigher returns.
using Weight = std::uint64_t;

// One request as a policy sees it.
struct Request {
  std::uint64_t hash = 0;  // of the key, well mixed; equal keys have equal hashes
  Weight weight = 1;
  // The key as a number that is near to those of keys that are like it; of a miss only, and in a
  // live cache only for policies that read it.
  std::uint64_t number = 0;
  std::uint64_t size = 0;  // bytes, or 0: unknown
  float cost = 1;          // what it takes to have it again, in milliseconds; of a miss only
  // Seconds since 1970, modulo 2^32, or 0: unknown; as `number`, of hits, too.
  std::uint32_t time = 0;
  // Index of the next request for the same key, counted as requests are; only the simulator knows.
  std::int64_t next = kNever;

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
};

}  // namespace augury
