// Who is in the cache: the hash and weight of every resident entry, by slot.
#pragma once

#include <stdexcept>

#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

// Owned by the engine, which alone changes it; read by policies. Entries set aside (see
// cache/probation.hpp) are none of the policy's business: they have a slot, a hash and a weight,
// but count neither in size() nor in total().
class Residents {
 public:
  [[nodiscard]] std::uint64_t hash(Slot slot) const { return hashes_[slot]; }
  [[nodiscard]] Weight weight(Slot slot) const { return unit_ ? 1 : weights_[slot]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // One above the highest slot ever in use.
  [[nodiscard]] Slot slots() const { return slots_; }
  [[nodiscard]] Weight total() const { return total_; }
  // Of those set aside.
  [[nodiscard]] std::size_t aside() const { return aside_; }
  [[nodiscard]] Weight weight_aside() const { return weight_aside_; }
  // Whether every entry there has ever been weighs 1.
  [[nodiscard]] bool unit() const { return unit_; }

  // Takes a free slot. Throws std::bad_alloc or std::length_error, and then nothing has changed.
  Slot add(std::uint64_t hash, Weight weight) {
    if (weight != 1 && unit_) start_weighing();
    const Slot slot = free_ != kNone ? free_ : slots_;
    if (slot >= kMost) throw std::length_error("a cache holds at most 2^32 - 2 entries");
    hashes_.ensure(slot);
    if (!unit_) weights_.ensure(slot);
    if (slot == free_) {
      free_ = static_cast<Slot>(hashes_[slot]);
    } else {
      ++slots_;
    }
    hashes_[slot] = hash;
    if (!unit_) weights_[slot] = weight;
    ++size_;
    total_ += weight;
    return slot;
  }

  // The policy's entry is set aside, or one set aside is the policy's from now on.
  void set_aside(Slot slot) {
    --size_;
    total_ -= weight(slot);
    ++aside_;
    weight_aside_ += weight(slot);
  }
  void take_back(Slot slot) {
    --aside_;
    weight_aside_ -= weight(slot);
    ++size_;
    total_ += weight(slot);
  }

  // Gives the slot of an entry that is not set aside back, to be the next one taken.
  void remove(Slot slot) {
    total_ -= weight(slot);
    hashes_[slot] = free_;
    free_ = slot;
    --size_;
  }

  void reweigh(Slot slot, Weight weight) {
    if (unit_) {
      if (weight == 1) return;
      start_weighing();
    }
    total_ += weight - weights_[slot];
    weights_[slot] = weight;
  }

  void reserve(std::size_t size) { hashes_.reserve(size); }
  [[nodiscard]] std::size_t bytes() const { return hashes_.bytes() + weights_.bytes(); }

 private:
  static constexpr Slot kMost = kNone - 1;

  // Most caches count entries, and then weights take no memory.
  void start_weighing() {
    weights_.reserve(hashes_.size());
    for (Slot slot = 0; slot < slots_; ++slot) weights_[slot] = 1;
    unit_ = false;
  }

  Slab<std::uint64_t> hashes_;  // of a free slot: the next free slot
  Slab<Weight> weights_;
  std::size_t size_ = 0;
  Weight total_ = 0;
  std::size_t aside_ = 0;
  Weight weight_aside_ = 0;
  Slot slots_ = 0;
  Slot free_ = kNone;
  bool unit_ = true;
};

}  // namespace augury
