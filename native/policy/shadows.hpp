// Caches without values that tell what several policies would have hit.
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
// miniature simulations", USENIX ATC 2017.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <utility>

#include "core/residents.hpp"
#include "core/slab.hpp"
#include "core/table.hpp"
#include "policy/policy.hpp"

namespace augury {

// A cache for each of `kCount` policies P, all of one capacity and asked for the same keys. They
// share one index, of the keys that any of them holds, so that a key is looked up once. A policy
// must not take residents.size() for the number of its own entries.
//
// Nothing here throws but validate(): what there is no memory for is not kept.
template <class P, std::size_t kCount>
class Shadows {
 public:
  using Mask = std::uint8_t;  // bit i: of policy i
  static_assert(kCount <= 8);

  // Builds each policy from (residents, capacity, setting).
  template <class Setting>
  Shadows(Weight capacity, const std::array<Setting, kCount>& settings)
      : capacity_(capacity), policies_(build(settings, std::make_index_sequence<kCount>())) {}

  // Keys that any of them holds.
  [[nodiscard]] std::size_t size() const { return residents_.size(); }

  // Returns who hits. The others hold the key afterwards.
  Mask request(const Request& request) noexcept {
    Slot slot = find(request.hash);
    if (slot != kNone && residents_.weight(slot) != request.weight) {
      drop(slot);
      slot = kNone;
    }
    if (slot == kNone) slot = add(request);
    if (slot == kNone) return 0;
    const Mask hits = held_[slot];
    for (std::size_t i = 0; i < kCount; ++i) {
      if (hits >> i & 1) {
        policies_[i].hit(slot, request);
      } else {
        admit(i, slot, request);
      }
    }
    if (held_[slot] == 0) forget(slot);
    return hits;
  }

  void remove(std::uint64_t hash) {
    const Slot slot = find(hash);
    if (slot != kNone) drop(slot);
  }

  // Drops the keys of which keeps(hash) is false.
  template <class Keeps>
  void filter(Keeps&& keeps) {
    for (Slot slot = 0; slot < residents_.slots(); ++slot) {
      // What a free slot has for a hash is not filed under it.
      const std::uint64_t hash = residents_.hash(slot);
      if (!keeps(hash) && find(hash) == slot) drop(slot);
    }
  }

  void resize(Weight capacity) {
    capacity_ = capacity;
    for (std::size_t i = 0; i < kCount; ++i) {
      policies_[i].resize(capacity);
      shrink(i, capacity);
    }
  }

  void validate() const {
    index_.validate([this](Slot slot) { return residents_.hash(slot); });
    if (index_.size() != residents_.size()) throw std::logic_error("shadows: miscounted");
    for (std::size_t i = 0; i < kCount; ++i) {
      if (weights_[i] > capacity_) throw std::logic_error("shadows: above the capacity");
      policies_[i].validate();
    }
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t bytes = residents_.bytes() + held_.bytes() + index_.bytes();
    for (const P& policy : policies_) bytes += policy.bytes();
    return bytes;
  }

 private:
  template <class Setting, std::size_t... i>
  std::array<P, kCount> build(const std::array<Setting, kCount>& settings,
                              std::index_sequence<i...>) {
    return {P(residents_, capacity_, settings[i])...};
  }

  [[nodiscard]] Slot find(std::uint64_t hash) const {
    return index_.find(hash, [&](Slot slot) { return residents_.hash(slot) == hash; });
  }

  // A slot for a key that nobody holds yet; kNone if there is no room.
  Slot add(const Request& request) {
    if (request.weight > capacity_) return kNone;
    Slot slot = kNone;
    try {
      index_.prepare([this](Slot each) { return residents_.hash(each); });
      slot = residents_.add(request.hash, request.weight);
      held_.ensure(slot);
    } catch (const std::exception&) {
      if (slot != kNone) residents_.remove(slot);
      return kNone;
    }
    held_[slot] = 0;
    index_.insert(request.hash, slot);
    return slot;
  }

  void admit(std::size_t i, Slot slot, const Request& request) {
    policies_[i].miss(request);
    shrink(i, capacity_ - request.weight);
    try {
      policies_[i].insert(slot, request);
    } catch (const std::exception&) {
      return;
    }
    held_[slot] = static_cast<Mask>(held_[slot] | 1u << i);
    weights_[i] += request.weight;
  }

  void shrink(std::size_t i, Weight target) {
    while (weights_[i] > target) {
      const Slot victim = policies_[i].evict();
      leave(i, victim);
      if (held_[victim] == 0) forget(victim);
    }
  }

  void leave(std::size_t i, Slot slot) {
    held_[slot] = static_cast<Mask>(held_[slot] & ~(1u << i));
    weights_[i] -= residents_.weight(slot);
  }

  void drop(Slot slot) {
    for (Mask held = held_[slot]; held != 0; held &= static_cast<Mask>(held - 1)) {
      const auto i = static_cast<std::size_t>(std::countr_zero(held));
      policies_[i].remove(slot);
      leave(i, slot);
    }
    forget(slot);
  }

  void forget(Slot slot) {
    index_.erase(residents_.hash(slot), slot);
    residents_.remove(slot);
  }

  Weight capacity_;
  Residents residents_;  // held by any
  Slab<Mask> held_;      // by slot: by whom
  Table index_;
  std::array<P, kCount> policies_;
  std::array<Weight, kCount> weights_{};
};

}  // namespace augury
