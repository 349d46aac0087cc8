// Capacity and the order of calls to a policy. The live cache and the simulator both run this.
#pragma once

#include "core/residents.hpp"
#include "policy/policy.hpp"

namespace augury {

// P is a concrete policy in the simulator, whose calls the compiler then inlines, and Policy in the
// live cache.
template <class P>
class Engine {
 public:
  explicit Engine(Weight capacity) : capacity_(capacity) {}

  [[nodiscard]] const Residents& residents() const { return residents_; }
  [[nodiscard]] Weight capacity() const { return capacity_; }
  void reserve(std::size_t size) { residents_.reserve(size); }

  void hit(P& policy, Slot slot, const Request& request) { policy.hit(slot, request); }

  // Stores a key that is not resident; calls dropped(slot) for each entry evicted to make room,
  // while its slot is still valid. Returns kNone for a request heavier than the whole capacity.
  template <class Dropped>
  Slot admit(P& policy, const Request& request, Dropped&& dropped) {
    if (request.weight > capacity_) return kNone;
    policy.miss(request);
    shrink(policy, capacity_ - request.weight, dropped);
    const Slot slot = residents_.add(request.hash, request.weight);
    try {
      policy.insert(slot, request);
    } catch (...) {
      residents_.remove(slot);
      throw;
    }
    return slot;
  }

  void remove(P& policy, Slot slot) {
    policy.remove(slot);
    residents_.remove(slot);
  }

  // Changes the weight of a resident, to at most the capacity, and evicts until all fit again: the
  // reweighed entry itself may be among those dropped.
  template <class Dropped>
  void reweigh(P& policy, Slot slot, Weight weight, Dropped&& dropped) {
    const Weight old = residents_.weight(slot);
    if (old == weight) return;
    residents_.reweigh(slot, weight);
    policy.reweighed(slot, old);
    shrink(policy, capacity_, dropped);
  }

  template <class Dropped>
  void resize(P& policy, Weight capacity, Dropped&& dropped) {
    capacity_ = capacity;
    policy.resize(capacity);
    shrink(policy, capacity, dropped);
  }

  // There must be a resident.
  template <class Dropped>
  void evict_one(P& policy, Dropped&& dropped) {
    const Slot victim = policy.evict();
    dropped(victim);
    residents_.remove(victim);
  }

 private:
  template <class Dropped>
  void shrink(P& policy, Weight target, Dropped& dropped) {
    while (residents_.total() > target) evict_one(policy, dropped);
  }

  Residents residents_;
  Weight capacity_;
};

}  // namespace augury
