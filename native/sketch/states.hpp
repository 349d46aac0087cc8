// Remembers some state of many keys in bounded memory, resident or not.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/bytes.hpp"
#include "core/hash.hpp"
#include "core/slab.hpp"

namespace augury {

// A table of lines of eight places. A key has one line, where it takes the place of the one that
// was not asked for the longest. So it forgets about in order of age, like History, which is the
// same for a single time.
//
// State has `last`, a time of 32 bits that may wrap.
// Only 32 bits of a hash are kept: a key that is not there is taken for one that is with
// probability 2^-29. Nothing here throws: what there is no memory for is not remembered.
template <class State>
  requires std::is_trivially_copyable_v<State>
class States {
 public:
  // Grows, with the keys it is given, up to `most` keys or an eighth more.
  explicit States(std::size_t most) : most_(most) {}

  [[nodiscard]] std::size_t bytes() const { return lines_.bytes(); }
  void limit(std::size_t most) { most_ = most; }

  // The state of a key, or nullptr.
  [[nodiscard]] const State* find(std::uint64_t hash) const {
    if (lines_.size() == 0) return nullptr;
    const std::uint32_t print = print_of(hash);
    const Line& line = lines_[line_of(print)];
    const std::uint32_t found = line.matches(print);
    return found == 0 ? nullptr : &line.states[std::countr_zero(found)];
  }
  // Asks memory for what find() of that key needs first.
  void prefetch(std::uint64_t hash) const {
    if (lines_.size() != 0) __builtin_prefetch(&lines_[line_of(print_of(hash))]);
  }
  State* find(std::uint64_t hash) {
    return const_cast<State*>(static_cast<const States*>(this)->find(hash));
  }

  // Remembers a key that is not there. Valid until the next call; nullptr without memory.
  State* add(std::uint64_t hash, const State& state, std::uint32_t now) noexcept {
    if (used_ >= places() / 2 && places() < most_) grow(now);
    if (lines_.size() == 0) return nullptr;
    return put(print_of(hash), state, now);
  }

  void clear() {
    for (std::size_t i = 0; i < lines_.size(); ++i) lines_[i] = {};
    used_ = 0;
  }

  // Those asked for within the last `horizon` requests, as bytes.
  void save(std::string& bytes, std::uint32_t now, std::uint32_t horizon) const {
    const std::size_t start = bytes.size();
    std::uint64_t count = 0;
    append(bytes, count);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      for (std::size_t way = 0; way < kWays; ++way) {
        const State& state = lines_[i].states[way];
        if (lines_[i].prints[way] == 0 || now - state.last > horizon) continue;
        append(bytes, lines_[i].prints[way]);
        append(bytes, state);
        ++count;
      }
    }
    bytes.replace(start, sizeof count, reinterpret_cast<const char*>(&count), sizeof count);
  }

  // Remembers what was saved instead of what it did, and takes it off the front; false, and it
  // remembers nothing, if there is less than that.
  [[nodiscard]] bool restore(std::string_view& bytes, std::uint32_t now) {
    clear();
    std::uint64_t count = 0;
    if (!consume(bytes, count)) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint32_t print = 0;
      State state;
      if (!consume(bytes, print) || !consume(bytes, state) || print == 0) {
        clear();
        return false;
      }
      // Damaged bytes may have a print twice.
      const std::uint64_t hash = std::uint64_t{print} << 32;
      if (find(hash) == nullptr) add(hash, state, now);
    }
    return true;
  }

  void validate() const {
    std::size_t used = 0;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      for (const std::uint32_t print : lines_[i].prints) {
        used += print != 0;
        if (print != 0 && line_of(print) != i) {
          throw std::logic_error("states: in another line");
        }
      }
    }
    if (used != used_) throw std::logic_error("states: miscounted");
  }

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kFirst = 1024;  // places

  struct Line {
    std::array<std::uint32_t, kWays> prints{};  // upper halves of the hashes; 0: empty
    std::array<State, kWays> states{};

    // Bit i is set where prints[i] is this one; no branch that cannot be predicted.
    [[nodiscard]] std::uint32_t matches(std::uint32_t print) const {
#ifdef __SSE2__
      const auto* four = reinterpret_cast<const __m128i*>(prints.data());
      const __m128i sought = _mm_set1_epi32(static_cast<int>(print));
      const __m128i low = _mm_cmpeq_epi32(_mm_loadu_si128(four), sought);
      const __m128i high = _mm_cmpeq_epi32(_mm_loadu_si128(four + 1), sought);
      const __m128i both = _mm_packs_epi32(low, high);
      return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(both, both))) & 0xFF;
#else
      std::uint32_t found = 0;
      for (std::uint32_t way = 0; way < kWays; ++way) {
        found |= static_cast<std::uint32_t>(prints[way] == print) << way;
      }
      return found;
#endif
    }
  };

  // Never 0, which marks an empty place.
  static std::uint32_t print_of(std::uint64_t hash) {
    return std::max(static_cast<std::uint32_t>(hash >> 32), 1U);
  }
  [[nodiscard]] std::size_t line_of(std::uint32_t print) const {
    return reduce(print, static_cast<std::uint32_t>(lines_.size()));
  }
  [[nodiscard]] std::size_t places() const { return lines_.size() * kWays; }

  State* put(std::uint32_t print, const State& state, std::uint32_t now) noexcept {
    Line& line = lines_[line_of(print)];
    std::size_t oldest = 0;
    for (std::size_t way = 0; way < kWays; ++way) {
      if (line.prints[way] == 0) {
        oldest = way;
        break;
      }
      if (now - line.states[way].last > now - line.states[oldest].last) oldest = way;
    }
    used_ += line.prints[oldest] == 0;
    line.prints[oldest] = print;
    line.states[oldest] = state;
    return &line.states[oldest];
  }

  // By an eighth at least, however little `most` has grown: else each key might copy all others.
  void grow(std::uint32_t now) noexcept {
    Slab<Line> lines;
    try {
      const std::size_t wanted = std::min(std::max(2 * places(), kFirst), most_);
      lines.reserve(std::max(wanted, places() + places() / 8) / kWays + 1);
    } catch (const std::bad_alloc&) {
      return;
    }
    for (std::size_t i = 0; i < lines.size(); ++i) lines[i] = {};
    lines_.swap(lines);
    used_ = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (std::size_t way = 0; way < kWays; ++way) {
        if (lines[i].prints[way] != 0) put(lines[i].prints[way], lines[i].states[way], now);
      }
    }
  }

  std::size_t most_;
  std::size_t used_ = 0;
  Slab<Line> lines_;
};

}  // namespace augury
