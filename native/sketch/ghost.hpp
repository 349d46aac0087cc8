// Remembers keys that have left a cache: a bounded queue of hashes with weights, oldest first.
#pragma once

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include "core/hash.hpp"
#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

struct NoStamp {};

// A ring in order of age, and an open-addressing index (linear probing, backward-shift deletion)
// from hash to place in the ring, of equal sizes. 11 of 16 places are in use once the limit is
// reached, never more, so a ghost takes 17.5 bytes and 16/11 of its stamp; 6 more if weights are not
// all 1. A ghost removed from the middle leaves a hole in the ring; when the ring has come round,
// holes are squeezed out, which they have to be 5 of 16 by then: O(1) amortised.
//
// Only 32 bits of a hash are kept: of n ghosts, a key that is none of them is taken for one with
// probability n / 2^32. Nothing here throws: what there is no memory for is not remembered.
template <class Stamp = NoStamp>
class Ghosts {
 public:
  explicit Ghosts(Weight limit) : limit_(limit) {}

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Weight weight() const { return weight_; }
  [[nodiscard]] Weight limit() const { return limit_; }
  [[nodiscard]] const Stamp& oldest() const { return ring_[tail_].stamp; }
  [[nodiscard]] std::size_t bytes() const {
    return ring_.bytes() + index_.bytes() + weights_.bytes();
  }

  [[nodiscard]] bool contains(std::uint64_t hash) const {
    return size_ != 0 && index_[find(print_of(hash))].place != kNone;
  }

  // Adds the youngest, and forgets the oldest beyond the limit. A weight of 0 counts as 1, so that
  // the limit bounds the number as well.
  void push(std::uint64_t hash, Weight weight, Stamp stamp = {}) noexcept {
    const std::uint32_t print = print_of(hash);
    const std::uint32_t heft = heft_of(weight);
    if (heft > limit_) {
      remove(hash);
      return;
    }
    while (weight_ + heft > limit_) drop_oldest();
    if (!make_room() || (heft != 1 && !start_weighing())) return;
    std::uint32_t cell = find(print);
    if (index_[cell].place != kNone) {
      erase(cell, index_[cell].place);
      cell = find(print);
    }
    const std::uint32_t place = after(tail_, used_);
    ring_[place] = {print, stamp};
    if (weights_.size() != 0) weights_[place] = heft;
    index_[cell] = {print, place};
    ++used_;
    ++size_;
    weight_ += heft;
  }

  // Returns whether it was there.
  bool remove(std::uint64_t hash) {
    if (size_ == 0) return false;
    const std::uint32_t cell = find(print_of(hash));
    const std::uint32_t place = index_[cell].place;
    if (place == kNone) return false;
    erase(cell, place);
    shrink();
    return true;
  }

  // Forgets the oldest; there must be one.
  void pop() {
    drop_oldest();
    shrink();
  }

  void clear() {
    while (size_ != 0) drop_oldest();
    shrink();
  }

  void resize(Weight limit) noexcept {
    limit_ = limit;
    while (weight_ > limit_) drop_oldest();
    shrink();
  }

  void validate() const {
    std::size_t live = 0;
    Weight weight = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t place = after(tail_, i);
      const std::uint32_t print = ring_[place].print;
      if (print == kHole) {
        if (i == 0) throw std::logic_error("ghosts: a hole is the oldest");
        continue;
      }
      ++live;
      weight += weight_at(place);
      if (index_[find(print)].place != place) throw std::logic_error("ghosts: index is wrong");
    }
    std::size_t cells = 0;
    for (std::uint32_t i = 0; i < places_; ++i) cells += index_[i].place != kNone;
    if (live != size_ || cells != size_) throw std::logic_error("ghosts: miscounted");
    if (weight != weight_) throw std::logic_error("ghosts: misweighed");
    if (weight > limit_) throw std::logic_error("ghosts: above the limit");
    if (size_ > room()) throw std::logic_error("ghosts: too full");
  }

 private:
  static constexpr std::uint32_t kHole = 0;
  static constexpr std::uint32_t kMost = 1u << 30;

  struct Entry {
    std::uint32_t print;  // upper half of the hash, or kHole
    [[no_unique_address]] Stamp stamp;
  };
  struct Cell {
    std::uint32_t print;
    std::uint32_t place;  // in the ring; kNone: the cell is free
  };

  static std::uint32_t print_of(std::uint64_t hash) {
    return std::max(static_cast<std::uint32_t>(hash >> 32), kHole + 1);
  }
  static std::uint32_t heft_of(Weight weight) {
    constexpr Weight kHeaviest = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(std::clamp<Weight>(weight, 1, kHeaviest));
  }

  [[nodiscard]] std::uint32_t after(std::uint32_t place, std::uint32_t steps) const {
    const std::uint64_t sum = std::uint64_t{place} + steps;
    return static_cast<std::uint32_t>(sum < places_ ? sum : sum - places_);
  }
  [[nodiscard]] std::uint32_t weight_at(std::uint32_t place) const {
    return weights_.size() == 0 ? 1 : weights_[place];
  }

  // The cell of that print, or the free one where it belongs.
  [[nodiscard]] std::uint32_t find(std::uint32_t print) const {
    std::uint32_t cell = reduce(print, places_);
    while (index_[cell].place != kNone && index_[cell].print != print) cell = after(cell, 1);
    return cell;
  }

  void erase(std::uint32_t cell, std::uint32_t place) {
    weight_ -= weight_at(place);
    ring_[place].print = kHole;
    --size_;
    while (used_ != 0 && ring_[tail_].print == kHole) {
      tail_ = after(tail_, 1);
      --used_;
    }
    // Moves into the free cell whatever would not be found behind it, until the cluster ends.
    std::uint32_t next = cell;
    for (;;) {
      next = after(next, 1);
      if (index_[next].place == kNone) break;
      const std::uint32_t home = reduce(index_[next].print, places_);
      const std::uint32_t from_home = next >= home ? next - home : next + places_ - home;
      const std::uint32_t from_cell = next >= cell ? next - cell : next + places_ - cell;
      if (from_home < from_cell) continue;
      index_[cell] = index_[next];
      cell = next;
    }
    index_[cell].place = kNone;
  }

  void drop_oldest() { erase(find(ring_[tail_].print), tail_); }

  // How many ghosts go into the places, and how many places are needed for that many.
  [[nodiscard]] std::uint32_t room() const { return places_ / 16 * 11; }
  static std::uint32_t places_for(Weight size) {
    return static_cast<std::uint32_t>(std::min<Weight>(size, kMost) / 11 * 16 + 16);
  }

  // Gives back what is far too much.
  void shrink() {
    if (places_ > 64 && size_ < places_ / 4) rebuild(places_for(size_ + size_ / 4));
  }

  // Makes room for one more in the ring and in the index.
  bool make_room() {
    if (size_ == room()) {
      const Weight wanted = std::min<Weight>(limit_, size_ + size_ / 4 + 16);
      if (!rebuild(places_for(wanted)) || size_ == room()) return false;
    }
    if (used_ == places_) squeeze();
    return true;
  }

  void squeeze() {
    std::uint32_t live = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t from = after(tail_, i);
      if (ring_[from].print == kHole) continue;
      const std::uint32_t to = after(tail_, live++);
      if (from == to) continue;
      ring_[to] = ring_[from];
      if (weights_.size() != 0) weights_[to] = weights_[from];
      index_[find(ring_[to].print)].place = to;
    }
    used_ = live;
  }

  // Moves all to arrays of that many places; false and nothing changed if there is no memory.
  bool rebuild(std::uint32_t places) {
    Ghosts other(limit_);
    try {
      other.ring_.reserve(places);
      other.index_.reserve(places);
      if (weights_.size() != 0) other.weights_.reserve(places);
    } catch (const std::bad_alloc&) {
      return false;
    }
    other.places_ = places;
    for (std::uint32_t i = 0; i < places; ++i) other.index_[i].place = kNone;
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t from = after(tail_, i);
      const std::uint32_t print = ring_[from].print;
      if (print == kHole) continue;
      const std::uint32_t to = other.used_++;
      other.ring_[to] = ring_[from];
      if (weights_.size() != 0) other.weights_[to] = weights_[from];
      other.index_[other.find(print)] = {print, to};
    }
    ring_.swap(other.ring_);
    index_.swap(other.index_);
    weights_.swap(other.weights_);
    places_ = places;
    tail_ = 0;
    used_ = other.used_;
    return true;
  }

  bool start_weighing() {
    if (weights_.size() != 0) return true;
    try {
      weights_.reserve(places_);
    } catch (const std::bad_alloc&) {
      return false;
    }
    for (std::uint32_t i = 0; i < places_; ++i) weights_[i] = 1;
    return true;
  }

  Slab<Entry> ring_;
  Slab<Cell> index_;
  Slab<std::uint32_t> weights_;  // by place in the ring; empty while all are 1
  Weight limit_;
  Weight weight_ = 0;
  std::uint32_t places_ = 0;  // in ring_, and as many cells in index_
  std::uint32_t tail_ = 0;    // the oldest
  std::uint32_t used_ = 0;    // places from tail_ to the youngest, holes included
  std::uint32_t size_ = 0;
};

}  // namespace augury
