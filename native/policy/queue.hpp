// What policies build their queues from: a list of residents that knows its weight.
#pragma once

#include <algorithm>

#include "core/list.hpp"
#include "core/residents.hpp"

namespace augury {

struct Linked {
  Links links;
};

template <class Node = Linked>
class Queue {
 public:
  Queue(const Residents& residents, Slab<Node>& nodes) : residents_(residents), list_(nodes) {}

  [[nodiscard]] Slot front() const { return list_.front(); }
  [[nodiscard]] Slot back() const { return list_.back(); }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  [[nodiscard]] std::size_t size() const { return list_.size(); }
  [[nodiscard]] Weight weight() const { return weight_; }
  [[nodiscard]] Slot towards_front(Slot slot) const { return list_.towards_front(slot); }
  [[nodiscard]] Slot towards_back(Slot slot) const { return list_.towards_back(slot); }

  void push_front(Slot slot) {
    list_.push_front(slot);
    weight_ += residents_.weight(slot);
  }
  void unlink(Slot slot) {
    list_.unlink(slot);
    weight_ -= residents_.weight(slot);
  }
  Slot pop_back() {
    const Slot slot = list_.back();
    unlink(slot);
    return slot;
  }
  void move_to_front(Slot slot) { list_.move_to_front(slot); }
  // One of its entries has got another weight.
  void reweighed(Slot slot, Weight old) { weight_ += residents_.weight(slot) - old; }

  // Calls visit(slot) for each from the back.
  template <class Visit>
  void each_from_back(Visit&& visit) const {
    list_.each_from_back(visit);
  }

  // Counts the entries and calls visit(slot) for each from the front; throws std::logic_error if
  // the links or the weight are wrong. For validate().
  template <class Visit>
  std::size_t recount(Visit&& visit) const {
    const std::size_t count = list_.recount();
    Weight weight = 0;
    for (Slot slot = list_.front(); slot != kNone; slot = list_.towards_back(slot)) {
      weight += residents_.weight(slot);
      visit(slot);
    }
    if (weight != weight_) throw std::logic_error("queue: misweighed");
    return count;
  }

 private:
  const Residents& residents_;
  List<Node> list_;
  Weight weight_ = 0;
};

// A share of the capacity, in its unit, but at least `least`.
inline Weight share_of(Weight capacity, double share, Weight least = 1) {
  constexpr double kMost = 0x1p63;
  return std::max(least,
                  static_cast<Weight>(std::min(static_cast<double>(capacity) * share, kMost)));
}

}  // namespace augury
