// Which keys followed something, and how often: the part that Markov chains and contexts share.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/types.hpp"
#include "prefetch/predictor.hpp"

namespace augury {

// The most frequent followers in little room: a new one wears down the rarest until it may take its
// place (the Misra-Gries summary, 1982), and all counts are halved when they get large, so that old
// habits are forgotten.
template <std::size_t kMost>
class Successors {
 public:
  void clear() { *this = {}; }
  [[nodiscard]] bool empty() const { return total_ == 0; }

  void add(Slot key) {
    if (total_ >= kLarge) halve();
    ++total_;
    for (std::size_t i = 0; i < kMost; ++i) {
      if (counts_[i] != 0 && keys_[i] == key) {
        ++counts_[i];
        rise(i);
        return;
      }
    }
    std::uint16_t& last = counts_[kMost - 1];
    if (last > 1) {
      --last;
      return;
    }
    std::size_t at = kMost - 1;
    while (at != 0 && counts_[at - 1] == 0) --at;
    keys_[at] = key;
    counts_[at] = 1;
  }

  // The most frequent follower, or kNone.
  [[nodiscard]] Slot first() const { return counts_[0] == 0 ? kNone : keys_[0]; }
  // Classes of the share of a follower and of how often it was seen: below kClasses.
  [[nodiscard]] std::uint32_t evidence(std::size_t which) const {
    const std::uint32_t share =
        std::min<std::uint32_t>(counts_[which] * 8U / std::max<std::uint32_t>(total_, 1), 7);
    const auto often = std::min<std::uint32_t>(std::bit_width(std::uint32_t{total_}), 6) - 1;
    return share * 6 + often;
  }
  static constexpr std::uint32_t kClasses = 8 * 6;

  // Calls visit(key, evidence) for each, the most frequent first.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t i = 0; i < kMost && counts_[i] != 0; ++i) visit(keys_[i], evidence(i));
  }

 private:
  static constexpr std::uint16_t kLarge = 256;

  void rise(std::size_t i) {
    for (; i != 0 && counts_[i - 1] < counts_[i]; --i) {
      std::swap(counts_[i - 1], counts_[i]);
      std::swap(keys_[i - 1], keys_[i]);
    }
  }
  void halve() {
    total_ /= 2;
    for (std::uint16_t& count : counts_) count /= 2;
  }

  std::array<Slot, kMost> keys_{};
  std::array<std::uint16_t, kMost> counts_{};
  std::uint16_t total_ = 0;
};

}  // namespace augury
