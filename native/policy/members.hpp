// The residents in no order, to draw some of them at random.
#pragma once

#include <span>
#include <stdexcept>

#include "core/random.hpp"
#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

class Members {
 public:
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return slots_.bytes() + places_.bytes(); }

  [[nodiscard]] std::span<const Slot> slots() const { return {slots_.data(), size_}; }

  // Each as likely as another; there must be one.
  Slot draw(Random& random) const { return slots_[random.below(size_)]; }

  // Throws std::bad_alloc, and then nothing has changed.
  void add(Slot slot) {
    slots_.ensure(size_);
    places_.ensure(slot);
    slots_[size_] = slot;
    places_[slot] = size_++;
  }

  // The last member takes its place.
  void remove(Slot slot) {
    const Slot last = slots_[--size_];
    slots_[places_[slot]] = last;
    places_[last] = places_[slot];
  }

  void validate() const {
    for (std::uint32_t place = 0; place < size_; ++place) {
      if (places_[slots_[place]] != place) throw std::logic_error("members: a place is wrong");
    }
  }

 private:
  Slab<Slot> slots_;            // in no order
  Slab<std::uint32_t> places_;  // by slot: its index in slots_
  std::uint32_t size_ = 0;
};

}  // namespace augury
