// A cache without values that tells what a policy would have hit.
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
// miniature simulations", USENIX ATC 2017.
#pragma once

#include <exception>
#include <stdexcept>
#include <utility>

#include "core/table.hpp"
#include "policy/policy.hpp"

namespace augury {

// Plays the requests for a sample of the keys at as small a capacity. Nothing here throws: what
// there is no memory for is not kept.
template <class P>
class Shadow {
 public:
  template <class... Arguments>
  explicit Shadow(Weight capacity, Arguments&&... arguments)
      : capacity_(capacity), policy_(residents_, capacity, std::forward<Arguments>(arguments)...) {}

  [[nodiscard]] std::size_t size() const { return residents_.size(); }

  // Returns whether it is a hit; if not, the key is resident afterwards.
  bool request(const Request& request) noexcept {
    const Slot slot = find(request.hash);
    if (slot != kNone) {
      policy_.hit(slot, request);
      reweigh(slot, request.weight);
      return true;
    }
    if (request.weight <= capacity_) admit(request);
    return false;
  }

  void remove(std::uint64_t hash) {
    const Slot slot = find(hash);
    if (slot != kNone) drop(slot);
  }

  // Keeps only the keys for which keeps(hash), at another capacity.
  template <class Keeps>
  void resample(Weight capacity, Keeps&& keeps) {
    const Slot slots = residents_.slots();
    for (Slot slot = 0; slot < slots; ++slot) {
      const std::uint64_t hash = residents_.hash(slot);
      if (find(hash) == slot && !keeps(hash)) drop(slot);
    }
    resize(capacity);
  }

  void resize(Weight capacity) {
    capacity_ = capacity;
    policy_.resize(capacity);
    shrink(capacity);
  }

  void validate() const {
    if (index_.size() != residents_.size()) throw std::logic_error("shadow: miscounted");
    index_.validate([this](Slot slot) { return residents_.hash(slot); });
    if (residents_.total() > capacity_) throw std::logic_error("shadow: above the capacity");
    policy_.validate();
  }
  [[nodiscard]] std::size_t bytes() const {
    return residents_.bytes() + policy_.bytes() + index_.bytes();
  }

 private:
  [[nodiscard]] Slot find(std::uint64_t hash) const {
    return index_.find(hash, [&](Slot slot) { return residents_.hash(slot) == hash; });
  }

  void admit(const Request& request) {
    policy_.miss(request);
    shrink(capacity_ - request.weight);
    Slot slot = kNone;
    try {
      index_.prepare([this](Slot each) { return residents_.hash(each); });
      slot = residents_.add(request.hash, request.weight);
      policy_.insert(slot, request);
    } catch (const std::exception&) {
      if (slot != kNone) residents_.remove(slot);
      return;
    }
    index_.insert(request.hash, slot);
  }

  void reweigh(Slot slot, Weight weight) {
    const Weight old = residents_.weight(slot);
    if (weight == old) return;
    if (weight > capacity_) return drop(slot);
    try {
      residents_.reweigh(slot, weight);
    } catch (const std::exception&) {
      return;
    }
    policy_.reweighed(slot, old);
    shrink(capacity_);
  }

  void drop(Slot slot) {
    policy_.remove(slot);
    forget(slot);
  }

  void shrink(Weight target) {
    while (residents_.total() > target) forget(policy_.evict());
  }

  void forget(Slot slot) {
    index_.erase(residents_.hash(slot), slot);
    residents_.remove(slot);
  }

  Residents residents_;
  Weight capacity_;
  P policy_;
  ChunkedTable<PowersOfTwo> index_;
};

}  // namespace augury
