// Remembers keys that have left a cache: a bounded queue of hashes with weights, oldest first.
#pragma once

#include <algorithm>
#include <bit>
#include <exception>
#include <stdexcept>

#include "core/slab.hpp"
#include "core/table.hpp"
#include "core/types.hpp"

namespace augury {

struct NoStamp {};

// A ring in order of age, and a table that leads from hashes into it: a look-up, which seldom finds
// anything, then reads one line and takes no branch that cannot be predicted. A ghost removed from
// the middle leaves a hole; when the ring has come round, holes are squeezed out.
//
// 11 of 16 places are ghosts once the limit is reached, never more. So a ghost takes 16.5 bytes
// and 16/11 of its stamp, 6 more if weights are not all 1; and 5 of 16 are holes when they are
// squeezed out, which makes that O(1) amortised.
//
// Only 31 bits of a hash are kept: of n ghosts, a key that is none of them is taken for one with
// probability n / 2^31. Nothing here throws: what there is no memory for is not remembered.
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

  [[nodiscard]] bool contains(std::uint64_t hash) const { return find(print_of(hash)) != kNone; }

  // Adds the youngest, and forgets the oldest beyond the limit. It must not be there yet: who
  // cannot be sure removes it first. A weight of 0 counts as 1, so that the limit bounds the number
  // as well.
  void push(std::uint64_t hash, Weight weight, Stamp stamp = {}) noexcept {
    const std::uint32_t code = code_of(weight);
    const Weight heft = weight_of(code);
    if (heft > limit_) return;
    while (weight_ + heft > limit_) erase(tail_);
    if (!make_room() || (heft != 1 && !start_weighing())) return;
    const std::uint32_t place = after(tail_, used_++);
    ring_[place] = {.print = print_of(hash) & kPrint, .hole = false, .stamp = stamp};
    if (weights_.size() != 0) weights_[place] = code;
    index_.insert(filed(print_of(hash)), place);
    ++size_;
    weight_ += heft;
    index_.prefetch(filed_at(tail_));  // the next to be forgotten
  }

  // Returns whether it was there.
  bool remove(std::uint64_t hash) {
    const std::uint32_t place = find(print_of(hash));
    if (place == kNone) return false;
    erase(place);
    shrink();
    return true;
  }

  // Forgets the oldest; there must be one.
  void pop() {
    erase(tail_);
    shrink();
  }

  void clear() {
    while (size_ != 0) erase(tail_);
    shrink();
  }

  void resize(Weight limit) noexcept {
    limit_ = limit;
    while (weight_ > limit_) erase(tail_);
    shrink();
  }

  void validate() const {
    std::size_t live = 0;
    Weight weight = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t place = after(tail_, i);
      if (ring_[place].hole) {
        if (i == 0) throw std::logic_error("ghosts: a hole is the oldest");
        continue;
      }
      ++live;
      weight += weight_at(place);
    }
    if (live != size_ || live != index_.size()) throw std::logic_error("ghosts: miscounted");
    index_.validate([this](std::uint32_t place) { return filed_at(place); });
    if (weight != weight_) throw std::logic_error("ghosts: misweighed");
    if (weight > limit_) throw std::logic_error("ghosts: above the limit");
    if (size_ > room() || used_ > places_) throw std::logic_error("ghosts: too full");
  }

 private:
  static constexpr std::uint32_t kMost = 1u << 30;
  using Index = ChunkedTable<AnyNumber>;
  static constexpr std::uint32_t kPrint = (1u << 31) - 1;
  static constexpr std::uint32_t kCoarse = 1u << 31;
  static constexpr std::uint32_t kDigits = 25;

  struct Entry {
    std::uint32_t print : 31;  // upper bits of the hash
    std::uint32_t hole : 1;    // removed
    [[no_unique_address]] Stamp stamp;
  };

  static std::uint32_t print_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 33);
  }
  // What the table files a print under: it looks at the upper half and at the lowest byte.
  static std::uint64_t filed(std::uint32_t print) {
    return std::uint64_t{print} << 33 | print % 256;
  }
  [[nodiscard]] std::uint64_t filed_at(std::uint32_t place) const {
    return filed(ring_[place].print);
  }

  // A weight in 32 bits. From 2^31 on it is rounded down to 25 bits times a power of two: were it
  // cut off instead, far more heavy ghosts than the limit means would fit.
  static std::uint32_t code_of(Weight weight) {
    if (weight < kCoarse) return static_cast<std::uint32_t>(std::max<Weight>(weight, 1));
    const auto shift = static_cast<std::uint32_t>(std::bit_width(weight)) - kDigits;
    return kCoarse | shift << kDigits | static_cast<std::uint32_t>(weight >> shift);
  }
  static Weight weight_of(std::uint32_t code) {
    if (code < kCoarse) return code;
    return Weight{code % (1u << kDigits)} << (code % kCoarse >> kDigits);
  }

  // How many ghosts go into the places, and how many places that many ghosts need.
  [[nodiscard]] std::uint32_t room() const { return places_ / 16 * 11; }
  static std::uint32_t places_for(Weight size) {
    return static_cast<std::uint32_t>(std::min<Weight>(size, kMost) / 11 * 16 + 16);
  }

  [[nodiscard]] std::uint32_t after(std::uint32_t place, std::uint32_t steps) const {
    const std::uint32_t sum = place + steps;  // below 2^32: there are at most 2^31 places
    return sum < places_ ? sum : sum - places_;
  }
  [[nodiscard]] Weight weight_at(std::uint32_t place) const {
    return weights_.size() == 0 ? 1 : weight_of(weights_[place]);
  }

  // A place of that print, or kNone.
  [[nodiscard]] std::uint32_t find(std::uint32_t print) const {
    return index_.find(filed(print),
                       [&](std::uint32_t place) { return ring_[place].print == print; });
  }

  void erase(std::uint32_t place) {
    index_.erase(filed_at(place), place);
    weight_ -= weight_at(place);
    ring_[place].hole = true;
    --size_;
    while (used_ != 0 && ring_[tail_].hole) {
      tail_ = after(tail_, 1);
      --used_;
    }
  }

  // Makes room for one more.
  bool make_room() {
    if (size_ == room()) {
      const Weight wanted = std::min<Weight>(limit_, size_ + size_ / 4 + 16);
      if (!rebuild(places_for(wanted)) || size_ == room()) return false;
    }
    if (used_ == places_) squeeze();
    return true;
  }

  // Gives back what is far too much.
  void shrink() {
    if (places_ > 64 && size_ < places_ / 4) rebuild(places_for(size_ + size_ / 4));
  }

  void squeeze() {
    std::uint32_t live = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t from = after(tail_, i);
      if (ring_[from].hole) continue;
      const std::uint32_t to = after(tail_, live++);
      ring_[to] = ring_[from];
      if (weights_.size() != 0) weights_[to] = weights_[from];
    }
    used_ = live;
    index_.clear();
    file_all();
  }

  // Moves all to arrays of that many places; false and nothing changed if there is no memory.
  bool rebuild(std::uint32_t places) {
    Slab<Entry> ring;
    Index index;
    Slab<std::uint32_t> weights;
    try {
      ring.reserve(places);
      index.reserve(std::size_t{places} / 16 * 11);
      if (weights_.size() != 0) weights.reserve(places);
    } catch (const std::exception&) {  // no memory, or more places than there may be
      return false;
    }
    std::uint32_t live = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t from = after(tail_, i);
      if (ring_[from].hole) continue;
      if (weights_.size() != 0) weights[live] = weights_[from];
      ring[live++] = ring_[from];
    }
    ring_.swap(ring);
    index_.swap(index);
    weights_.swap(weights);
    places_ = places;
    tail_ = 0;
    used_ = live;
    file_all();
    return true;
  }

  void file_all() {
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t place = after(tail_, i);
      index_.insert(filed_at(place), place);
    }
  }

  bool start_weighing() {
    if (weights_.size() != 0) return true;
    try {
      weights_.reserve(places_);
    } catch (const std::exception&) {
      return false;
    }
    for (std::uint32_t i = 0; i < places_; ++i) weights_[i] = 1;
    return true;
  }

  Slab<Entry> ring_;
  Index index_;                  // of the places that are no holes, by print
  Slab<std::uint32_t> weights_;  // by place, see code_of(); empty while all are 1
  Weight limit_;
  Weight weight_ = 0;
  std::uint32_t places_ = 0;
  std::uint32_t tail_ = 0;  // the oldest
  std::uint32_t used_ = 0;  // places from tail_ to the youngest, holes included
  std::uint32_t size_ = 0;
};

}  // namespace augury
