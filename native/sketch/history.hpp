// Remembers when keys that have left a cache were last asked for, in 8 bytes a key.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <utility>

#include "core/hash.hpp"
#include "core/slab.hpp"

namespace augury {

// A table of lines of eight places. A key has one line, where it takes the place of the key whose
// time is the oldest. So, unlike Ghosts, it forgets about in order of age, not exactly, and takes
// no account of weights.
//
// Only 32 bits of a hash are kept: a key that is not there is taken for one that is with
// probability 2^-29. Nothing here throws: what there is no memory for is not remembered.
class History {
 public:
  [[nodiscard]] std::size_t places() const { return lines_.size() * kWays; }
  [[nodiscard]] std::size_t bytes() const { return lines_.bytes(); }

  // Makes it large enough for that many keys; grows in steps, so that it costs O(1) amortised.
  void reserve(std::size_t keys) noexcept {
    if (keys <= places()) return;
    Slab<Line> lines;
    try {
      lines.reserve(std::max(keys, places() + places() / 8) / kWays + 1);
    } catch (const std::bad_alloc&) {
      return;
    }
    for (std::size_t i = 0; i < lines.size(); ++i) lines[i] = {};
    lines_.swap(lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (std::size_t way = 0; way < kWays; ++way) {
        if (lines[i].times[way] != 0) put(lines[i].prints[way], lines[i].times[way]);
      }
    }
  }

  // Asks memory for what push() or take() of that key will need.
  void prefetch(std::uint64_t hash) const {
    if (lines_.size() != 0) __builtin_prefetch(&lines_[reduce(print_of(hash), lines())], 1);
  }

  // Adds a key that is not there; time > 0.
  void push(std::uint64_t hash, std::uint32_t time) { put(print_of(hash), time); }

  // Returns the key's time and forgets it; 0 if it is not there.
  std::uint32_t take(std::uint64_t hash) {
    if (lines_.size() == 0) return 0;
    const std::uint32_t print = print_of(hash);
    Line& line = line_of(print);
    std::uint32_t found = 0;  // bit i: place i; no branch that cannot be predicted
    for (std::size_t i = 0; i < kWays; ++i) {
      found |= static_cast<std::uint32_t>(line.prints[i] == print && line.times[i] != 0) << i;
    }
    return found == 0 ? 0 : std::exchange(line.times[std::countr_zero(found)], 0);
  }

  // Sets each time to change(time).
  template <class Change>
  void each_time(Change&& change) {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      for (std::uint32_t& time : lines_[i].times) {
        if (time != 0) time = change(time);
      }
    }
  }

  void validate(std::uint32_t latest) const {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      for (std::size_t way = 0; way < kWays; ++way) {
        const std::uint32_t time = lines_[i].times[way];
        if (time > latest) throw std::logic_error("history: a time from the future");
        if (time != 0 && reduce(lines_[i].prints[way], lines()) != i) {
          throw std::logic_error("history: in another line");
        }
      }
    }
  }

 private:
  static constexpr std::size_t kWays = 8;

  struct Line {
    std::uint32_t prints[kWays] = {};  // upper halves of the hashes
    std::uint32_t times[kWays] = {};   // 0: empty
  };

  static std::uint32_t print_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32);
  }
  [[nodiscard]] std::uint32_t lines() const { return static_cast<std::uint32_t>(lines_.size()); }
  Line& line_of(std::uint32_t print) { return lines_[reduce(print, lines())]; }

  void put(std::uint32_t print, std::uint32_t time) {
    if (lines_.size() == 0) return;
    Line& line = line_of(print);
    std::uint64_t oldest = std::uint64_t{line.times[0]} * kWays;  // its time, and which it is
    for (std::size_t i = 1; i < kWays; ++i) {
      oldest = std::min(oldest, std::uint64_t{line.times[i]} * kWays + i);
    }
    line.prints[oldest % kWays] = print;
    line.times[oldest % kWays] = time;
  }

  Slab<Line> lines_;
};

}  // namespace augury
