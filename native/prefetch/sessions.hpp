// What each session asked for last.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/hash.hpp"
#include "core/slab.hpp"
#include "prefetch/predictor.hpp"

namespace augury {

// Bounded: sets of four, in which the one that has been silent for the longest gives way.
class Sessions {
 public:
  struct Session {
    std::uint64_t who = 0;
    std::uint64_t clock = 0;  // of its last request; 0: free
    std::array<Slot, kOrder> before{kNone, kNone, kNone};
    std::array<std::uint32_t, kOrder> prints{};  // of these keys: whether a number is still theirs
  };

  explicit Sessions(std::size_t most) {
    sets_ = std::bit_ceil(std::max<std::size_t>(most / kWays, 1));
    sessions_.reserve(sets_ * kWays);
    for (std::size_t i = 0; i < sets_ * kWays; ++i) sessions_[i] = {};
  }

  Session& of(std::uint64_t who) {
    Session* const set = &sessions_[(mix(who) >> 32 & (sets_ - 1)) * kWays];
    Session* oldest = set;
    for (std::size_t way = 0; way < kWays; ++way) {
      if (set[way].who == who && set[way].clock != 0) return set[way];
      if (set[way].clock < oldest->clock) oldest = &set[way];
    }
    *oldest = {.who = who};
    return *oldest;
  }

  [[nodiscard]] std::size_t bytes() const { return sessions_.bytes(); }

 private:
  static constexpr std::size_t kWays = 4;

  std::size_t sets_;
  Slab<Session> sessions_;
};

}  // namespace augury
