// How often the keys of a trace are asked for, and how far apart.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "core/slab.hpp"
#include "core/types.hpp"
#include "sim/buckets.hpp"

namespace augury {

// Counts each key's requests, and the reuse distance of each request: the number of distinct keys
// asked for since the last request of the same key, that one included. An LRU cache of C entries
// hits exactly those requests whose distance is at most C. R. L. Mattson et al., "Evaluation
// techniques for storage hierarchies", IBM Systems Journal 9(2), 1970; with a Fenwick tree as F.
// Olken, 1981. O(log keys) time a request and about 12 bytes a key.
class Reuse {
 public:
  // Throws std::bad_alloc or std::length_error.
  void feed(std::span<const std::uint32_t> ids) {
    for (const std::uint32_t id : ids) ask(id);
  }

  [[nodiscard]] std::span<const std::uint32_t> frequencies() const {
    return {counts_.data(), keys_};
  }
  // By bucket of Buckets.
  [[nodiscard]] const std::array<std::uint64_t, Buckets::kCount>& distances() const {
    return distances_;
  }

 private:
  static constexpr std::uint32_t kWords = 8;  // of the bitmap, in a block of the tree
  static constexpr std::uint32_t kBlock = kWords * 64;
  static constexpr std::uint32_t kMostKeys = (std::uint32_t{1} << 31) - 2 * kBlock;

  void ask(std::uint32_t id) {
    if (id >= keys_) meet(id);
    if (now_ == places_) renumber();
    if (counts_[id] != 0) {
      ++distances_[Buckets::of(live_ - rank(last_[id]))];
      erase(last_[id]);
    } else {
      ++live_;
    }
    counts_[id] += counts_[id] != UINT32_MAX;
    last_[id] = now_;
    set(now_++);
  }

  void meet(std::uint32_t id) {
    counts_.ensure(id);
    last_.ensure(id);
    for (; keys_ <= id; ++keys_) counts_[keys_] = 0;
  }

  // Live places below this one.
  [[nodiscard]] std::uint32_t rank(std::uint32_t place) const {
    std::uint32_t below = 0;
    for (std::uint32_t block = place / kBlock; block > 0; block &= block - 1) below += tree_[block];
    const std::uint32_t word = place / 64;
    for (std::uint32_t w = word / kWords * kWords; w < word; ++w) {
      below += static_cast<std::uint32_t>(std::popcount(bits_[w]));
    }
    const std::uint64_t mask = (std::uint64_t{1} << (place % 64)) - 1;
    return below + static_cast<std::uint32_t>(std::popcount(bits_[word] & mask));
  }

  void set(std::uint32_t place) {
    bits_[place / 64] |= std::uint64_t{1} << (place % 64);
    add(place, 1);
  }
  void erase(std::uint32_t place) {
    bits_[place / 64] &= ~(std::uint64_t{1} << (place % 64));
    add(place, static_cast<std::uint32_t>(-1));
  }
  void add(std::uint32_t place, std::uint32_t change) {
    for (std::uint32_t block = place / kBlock + 1; block < blocks_; block += block & (0 - block)) {
      tree_[block] += change;
    }
  }

  // Moves the live places together, in their order, and makes room for as many again.
  void renumber() {
    if (live_ >= kMostKeys) throw std::length_error("reuse distances of at most 2^31 keys");
    for (std::uint32_t id = 0; id < keys_; ++id) {
      if (counts_[id] != 0) last_[id] = rank(last_[id]);
    }
    blocks_ = std::max<std::uint32_t>(16, live_ / kBlock * 2 + 2);
    places_ = blocks_ * kBlock;
    bits_.reserve(std::size_t{blocks_} * kWords);
    tree_.reserve(std::size_t{blocks_} + 1);
    for (std::uint32_t word = 0; word < blocks_ * kWords; ++word) bits_[word] = 0;
    for (std::uint32_t block = 0; block <= blocks_; ++block) tree_[block] = 0;
    for (std::uint32_t place = 0; place < live_; ++place) set(place);
    now_ = live_;
  }

  Slab<std::uint32_t> counts_;  // requests, by id
  Slab<std::uint32_t> last_;    // place of the last request, by id
  Slab<std::uint64_t> bits_;    // live places: the last request of its key
  Slab<std::uint32_t> tree_;    // Fenwick's, of the live places in each block
  std::uint32_t keys_ = 0;
  std::uint32_t live_ = 0;  // keys asked for so far
  std::uint32_t now_ = 0;   // the next request's place
  std::uint32_t places_ = 0;
  std::uint32_t blocks_ = 0;
  std::array<std::uint64_t, Buckets::kCount> distances_{};
};

}  // namespace augury
