// An intrusive doubly linked list of slots.
#pragma once

#include <stdexcept>

#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

struct Links {
  Slot prev = kNone;  // towards the front
  Slot next = kNone;  // towards the back
};

// Keeps its links in the member `links` of the nodes of a slab, which several lists may share as
// long as each slot is in at most one of them.
template <class Node>
class List {
 public:
  explicit List(Slab<Node>& nodes) : nodes_(nodes) {}
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  [[nodiscard]] Slot front() const { return front_; }
  [[nodiscard]] Slot back() const { return back_; }
  [[nodiscard]] bool empty() const { return front_ == kNone; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Slot towards_front(Slot slot) const { return nodes_[slot].links.prev; }
  [[nodiscard]] Slot towards_back(Slot slot) const { return nodes_[slot].links.next; }

  void push_front(Slot slot) {
    nodes_[slot].links = {kNone, front_};
    (front_ == kNone ? back_ : nodes_[front_].links.prev) = slot;
    front_ = slot;
    ++size_;
  }

  void push_back(Slot slot) {
    nodes_[slot].links = {back_, kNone};
    (back_ == kNone ? front_ : nodes_[back_].links.next) = slot;
    back_ = slot;
    ++size_;
  }

  // `place` is in the list, or kNone for the back.
  void insert_before(Slot slot, Slot place) {
    if (place == kNone) return push_back(slot);
    if (place == front_) return push_front(slot);
    const Slot before = nodes_[place].links.prev;
    nodes_[slot].links = {before, place};
    nodes_[before].links.next = slot;
    nodes_[place].links.prev = slot;
    ++size_;
  }

  void unlink(Slot slot) {
    const Links links = nodes_[slot].links;
    (links.prev == kNone ? front_ : nodes_[links.prev].links.next) = links.next;
    (links.next == kNone ? back_ : nodes_[links.next].links.prev) = links.prev;
    --size_;
  }

  Slot pop_back() {
    const Slot slot = back_;
    unlink(slot);
    return slot;
  }

  void move_to_front(Slot slot) {
    if (slot == front_) return;
    Node* const nodes = &nodes_[0];
    const Links links = nodes[slot].links;
    nodes[links.prev].links.next = links.next;  // there is one: it is not in front
    (links.next == kNone ? back_ : nodes[links.next].links.prev) = links.prev;
    nodes[slot].links = {kNone, front_};
    nodes[front_].links.prev = slot;
    front_ = slot;
  }

  // Calls visit(slot) for each from the back.
  template <class Visit>
  void each_from_back(Visit&& visit) const {
    for (Slot slot = back_; slot != kNone; slot = nodes_[slot].links.prev) visit(slot);
  }

  // Counts the entries, following both directions of every link; throws std::logic_error if a link
  // is broken. For validate().
  [[nodiscard]] std::size_t recount() const {
    std::size_t count = 0;
    Slot before = kNone;
    for (Slot slot = front_; slot != kNone; slot = nodes_[slot].links.next) {
      if (nodes_[slot].links.prev != before) throw std::logic_error("list: broken back link");
      before = slot;
      if (++count > size_) throw std::logic_error("list: more entries than counted");
    }
    if (before != back_ || count != size_) throw std::logic_error("list: miscounted");
    return count;
  }

 private:
  Slab<Node>& nodes_;
  Slot front_ = kNone;
  Slot back_ = kNone;
  std::size_t size_ = 0;
};

}  // namespace augury
