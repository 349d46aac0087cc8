// Capacity and the order of calls to a policy. The live cache and the simulator both run this.
#pragma once

#include <exception>
#include <memory>

#include "cache/probation.hpp"
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
  // Of all entries, and what they weigh together.
  [[nodiscard]] std::size_t size() const { return residents_.size() + residents_.aside(); }
  [[nodiscard]] Weight weight() const { return residents_.total() + residents_.weight_aside(); }
  void reserve(std::size_t size) { residents_.reserve(size); }

  // From now on entries may be stored that nobody has asked for yet. nullptr until then.
  void use_probation(std::unique_ptr<Probation> probation) { probation_ = std::move(probation); }
  [[nodiscard]] Probation* probation() const { return probation_.get(); }

  void hit(P& policy, Slot slot, const Request& request) {
    if (waits(slot)) [[unlikely]] {
      hand_over(policy, slot, request);
    } else {
      policy.hit(slot, request);
    }
  }

  // Stores a key that is not resident; calls dropped(slot) for each entry evicted to make room,
  // while its slot is still valid. Returns kNone for a request heavier than the whole capacity.
  template <class Dropped>
  Slot admit(P& policy, const Request& request, Dropped&& dropped) {
    if (request.weight > capacity_) return kNone;
    if (probation_ != nullptr) [[unlikely]]
      probation_->missed(request.hash, false);
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

  // Stores a key that is not resident and that nobody has asked for yet. Returns kNone if it takes
  // more room than there is for such. use_probation() has been called.
  template <class Dropped>
  Slot admit_ahead(P& policy, const Request& request, Dropped&& dropped) {
    const Weight room = std::min(probation_->room(), capacity_);
    if (request.weight > room) {
      probation_->refused();
      return kNone;
    }
    while (residents_.weight_aside() + request.weight > room) evict_unused(dropped);
    shrink(policy, capacity_ - request.weight, dropped);
    const Slot slot = residents_.add(request.hash, request.weight);
    try {
      probation_->add(slot, request);
    } catch (...) {
      residents_.remove(slot);
      throw;
    }
    residents_.set_aside(slot);
    return slot;
  }

  void remove(P& policy, Slot slot) {
    if (waits(slot)) {
      take_unused(slot);
    } else {
      policy.remove(slot);
    }
    residents_.remove(slot);
  }

  // Changes the weight of a resident, to at most the capacity, and evicts until all fit again: the
  // reweighed entry itself may be among those dropped.
  template <class Dropped>
  void reweigh(P& policy, Slot slot, Weight weight, Dropped&& dropped) {
    const Weight old = residents_.weight(slot);
    if (old == weight) return;
    if (waits(slot)) {  // without the memory to hand it over
      dropped(slot);
      remove(policy, slot);
      return;
    }
    residents_.reweigh(slot, weight);
    policy.reweighed(slot, old);
    shrink(policy, capacity_, dropped);
  }

  template <class Dropped>
  void resize(P& policy, Weight capacity, Dropped&& dropped) {
    capacity_ = capacity;
    policy.resize(capacity);
    if (probation_ != nullptr) probation_->resize(capacity);
    shrink(policy, capacity, dropped);
  }

  // There must be a resident.
  template <class Dropped>
  void evict_one(P& policy, Dropped&& dropped) {
    if (residents_.aside() != 0) [[unlikely]] {
      if (residents_.size() == 0 || probation_->overdue(residents_.weight_aside())) {
        evict_unused(dropped);
        return;
      }
    }
    const Slot victim = policy.evict();
    if (probation_ != nullptr) [[unlikely]] {
      probation_->evicted(residents_.hash(victim), residents_.weight(victim),
                          residents_.weight_aside());
    }
    dropped(victim);
    residents_.remove(victim);
  }

  void validate() const {
    if ((probation_ == nullptr ? 0 : probation_->size()) != residents_.aside()) {
      throw std::logic_error("engine: miscounted what was fetched ahead");
    }
    if (probation_ != nullptr) probation_->validate();
  }

 private:
  [[nodiscard]] bool waits(Slot slot) const {
    return residents_.aside() != 0 && probation_->holds(slot);
  }

  // An entry that was fetched ahead is asked for. Without memory for it the policy does not learn
  // of that.
  void hand_over(P& policy, Slot slot, const Request& request) {
    Request whole = probation_->request(slot);
    if (request.time != 0) whole.time = request.time;
    whole.next = request.next;
    probation_->missed(whole.hash, true);
    bool taken_back = false;
    try {
      policy.miss(whole);
      residents_.take_back(slot);
      taken_back = true;
      policy.insert(slot, whole);
    } catch (const std::exception&) {  // no memory, or more entries than there may be
      if (taken_back) residents_.set_aside(slot);
      return;
    }
    probation_->take_used(slot);
  }

  void take_unused(Slot slot) {
    probation_->take_unused(slot);
    residents_.take_back(slot);
  }

  template <class Dropped>
  void evict_unused(Dropped& dropped) {
    const Slot victim = probation_->oldest();
    dropped(victim);
    take_unused(victim);
    residents_.remove(victim);
  }

  template <class Dropped>
  void shrink(P& policy, Weight target, Dropped& dropped) {
    while (weight() > target) evict_one(policy, dropped);
  }

  Residents residents_;
  Weight capacity_;
  std::unique_ptr<Probation> probation_;
};

}  // namespace augury
