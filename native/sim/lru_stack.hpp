// Keys in order of their latest requests, and how much lies above each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

// R. L. Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2),
// 1970; with a Fenwick tree as F. Olken, 1981. O(log keys) an operation.
class LruStack {
 public:
  [[nodiscard]] std::size_t bytes() const {
    return place_.bytes() + weight_.bytes() + slots_.bytes() + tree_.bytes();
  }

  // The weights of those asked for since this one was.
  [[nodiscard]] Weight above(Slot slot) const {
    Weight below = 0;  // itself included
    for (std::uint32_t at = place_[slot] + 1; at > 0; at &= at - 1) below += tree_[at];
    return total_ - below;
  }

  // Puts one that is not there on top. Throws std::bad_alloc or std::length_error.
  void push(Slot slot, Weight weight) {
    if (now_ == places_) renumber();
    place_.ensure(slot);
    weight_.ensure(slot);
    place_[slot] = now_;
    weight_[slot] = weight;
    slots_[now_] = slot;
    add(now_++, weight);
    total_ += weight;
    ++live_;
  }

  void remove(Slot slot) {
    slots_[place_[slot]] = kNone;
    add(place_[slot], 0 - weight_[slot]);
    total_ -= weight_[slot];
    --live_;
  }

 private:
  static constexpr std::uint32_t kFewest = 256;

  void add(std::uint32_t place, Weight change) {
    for (std::uint32_t at = place + 1; at <= places_; at += at & (0 - at)) tree_[at] += change;
  }

  // Moves the live places together, in their order, and makes room for as many again.
  void renumber() {
    if (live_ >= std::numeric_limits<std::uint32_t>::max() / 4) {
      throw std::length_error("stack distances of at most 2^30 keys");
    }
    std::uint32_t to = 0;
    for (std::uint32_t from = 0; from < now_; ++from) {
      if (slots_[from] != kNone) slots_[to++] = slots_[from];
    }
    now_ = to;
    places_ = std::max(kFewest, 2 * live_);
    slots_.reserve(places_);
    tree_.reserve(std::size_t{places_} + 1);
    std::fill_n(tree_.data(), places_ + 1, 0);
    for (std::uint32_t place = 0; place < now_; ++place) {
      place_[slots_[place]] = place;
      tree_[place + 1] = weight_[slots_[place]];
    }
    for (std::uint32_t at = 1; at <= places_; ++at) {
      const std::uint32_t parent = at + (at & (0 - at));
      if (parent <= places_) tree_[parent] += tree_[at];
    }
  }

  Slab<std::uint32_t> place_;  // by slot
  Slab<Weight> weight_;        // by slot
  Slab<Slot> slots_;           // by place; kNone where there is none any more
  Slab<Weight> tree_;          // Fenwick's, from 1, of the weights by place
  std::uint32_t live_ = 0;
  std::uint32_t now_ = 0;  // the next place
  std::uint32_t places_ = 0;
  Weight total_ = 0;
};

}  // namespace augury
