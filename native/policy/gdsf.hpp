// GDSF, Greedy-Dual-Size-Frequency: evicts the fewest requests, times what it costs to have the
// entry again, per weight, counted on top of what was least when the entry was last asked for, so
// that former favourites age. L. Cherkasova, "Improving WWW proxies performance with
// Greedy-Dual-Size-Frequency caching policy", HP Laboratories report HPL-98-69R1, 1998. When all
// cost and weigh the same it is LFU with dynamic aging.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "core/heap.hpp"
#include "policy/policy.hpp"

namespace augury {

// A priority only grows with hits, so the heap may lag behind: whoever is in front is either up to
// date, and then the victim, or goes down to where it belongs by now. Hits do not touch the heap.
//
// The heap may also have entries of slots that left, or several of one slot: each is at most as
// good as its slot, so they only cost room, and when that is used up the heap is built anew.
//
// kLastStamp: from there on stamps start anew (a test sets it low).
template <std::uint32_t kLastStamp>
class GdsfWithStamps final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "gdsf",
      .title = "GDSF",
      .paper =
          "Cherkasova, Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching "
          "policy, HP Laboratories report HPL-98-69R1, 1998",
  };

  explicit GdsfWithStamps(const Setup& setup) : residents_(setup.residents) {}

  void hit(Slot slot, const Request&) override {
    Node& node = nodes_[slot];
    node.requests += node.requests != kMostRequests;
    node.base = base_;
    node.stamp = next_stamp();
  }

  // Those that make room for an entry do not raise its own priority.
  void miss(const Request&) override { missed_base_ = base_; }

  Slot evict() override {
    for (;;) {
      const Entry front = heap_.front();
      const Node& node = nodes_[front.slot];
      if (node.requests == 0) {
        heap_.pop();
      } else if (node.stamp != front.stamp) {
        heap_.replace_front(entry_of(front.slot));
      } else {
        heap_.pop();
        base_ = std::max(base_, priority(front.slot));  // less if it has become heavier
        remove(front.slot);
        return front.slot;
      }
    }
  }

  void insert(Slot slot, const Request& request) override {
    nodes_.ensure(slot);
    heap_.reserve(nodes_.size() + nodes_.size() / 16 + 64);
    for (; slots_ <= slot; ++slots_) nodes_[slots_].requests = 0;  // some may be set aside
    nodes_[slot] = {.base = missed_base_, .requests = 1, .stamp = 0, .cost = request.cost};
    nodes_[slot].stamp = next_stamp();
    push(slot);
    next_victim_ = heap_.front().slot;
  }

  void remove(Slot slot) override { nodes_[slot].requests = 0; }

  // A heavier entry has got a lower priority than the heap says.
  void reweighed(Slot slot, Weight) override { push(slot); }

  bool visit(const Visit& visit) const override {
    std::vector<std::pair<double, Slot>> order;
    order.reserve(residents_.size());
    for (Slot slot = 0; slot < slots_; ++slot) {
      if (nodes_[slot].requests != 0) order.emplace_back(priority(slot), slot);
    }
    std::ranges::sort(order);
    for (const auto& [priority, slot] : order) visit(slot, nodes_[slot].requests - 1);
    return true;
  }

  void validate() const override {
    heap_.validate();
    constexpr double kHighest = std::numeric_limits<double>::infinity();
    std::vector<double> least(slots_, kHighest);
    for (const Entry& entry : heap_.entries()) {
      least[entry.slot] = std::min(least[entry.slot], entry.priority);
    }
    std::size_t count = 0;
    for (Slot slot = 0; slot < slots_; ++slot) {
      if (nodes_[slot].requests == 0) continue;
      ++count;
      if (least[slot] > priority(slot)) throw std::logic_error("gdsf: lost one");
      if (nodes_[slot].stamp > clock_) throw std::logic_error("gdsf: a stamp from the future");
      if (nodes_[slot].base > base_) throw std::logic_error("gdsf: based on the future");
    }
    if (count != residents_.size()) throw std::logic_error("gdsf: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + heap_.bytes(); }

 private:
  static constexpr std::uint32_t kMostRequests = std::numeric_limits<std::uint32_t>::max();

  struct Node {
    double base;             // base_ when it was last asked for
    std::uint32_t requests;  // 0: not resident
    std::uint32_t stamp;     // of the last request
    float cost;
  };
  struct Entry {
    double priority;
    std::uint32_t stamp;
    Slot slot;
  };
  // Of two equals, the one not asked for longer.
  struct Lower {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.priority < b.priority || (a.priority == b.priority && a.stamp < b.stamp);
    }
  };

  [[nodiscard]] double priority(Slot slot) const {
    const Node& node = nodes_[slot];
    return node.base + node.requests * static_cast<double>(node.cost) /
                           static_cast<double>(residents_.weight(slot));
  }
  [[nodiscard]] Entry entry_of(Slot slot) const {
    return {.priority = priority(slot), .stamp = nodes_[slot].stamp, .slot = slot};
  }

  void push(Slot slot) {
    if (heap_.full()) return rebuild();
    heap_.push(entry_of(slot));
  }

  void rebuild() {
    append_all();
    heap_.order();
  }

  void append_all() {
    heap_.clear();
    for (Slot slot = 0; slot < slots_; ++slot) {
      if (nodes_[slot].requests != 0) heap_.append(entry_of(slot));
    }
  }

  std::uint32_t next_stamp() {
    if (clock_ == kLastStamp) [[unlikely]] {
      restart_clock();
    }
    return ++clock_;
  }

  // Numbers the stamps 1, 2, 3 ... in their order.
  [[gnu::noinline]] void restart_clock() {
    append_all();
    const auto earlier = [](const Entry& a, const Entry& b) { return a.stamp < b.stamp; };
    std::sort(heap_.entries().begin(), heap_.entries().end(), earlier);
    clock_ = 0;
    for (Entry& entry : heap_.entries()) entry.stamp = nodes_[entry.slot].stamp = ++clock_;
    heap_.order();
  }

  const Residents& residents_;
  double base_ = 0;         // L of the paper: the highest priority of a victim
  double missed_base_ = 0;  // base_ before room was made
  std::uint32_t clock_ = 0;
  Slot slots_ = 0;  // one above the highest seen
  Slab<Node> nodes_;
  Heap<Entry, Lower> heap_;
};

using Gdsf = GdsfWithStamps<std::numeric_limits<std::uint32_t>::max() - 1>;

}  // namespace augury
