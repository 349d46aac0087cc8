// SIEVE: CLOCK whose hand leaves those it spares where they are, so new entries are sifted quickly.
// Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson, K. V. Rashmi, "SIEVE is simpler than LRU: an efficient
// turn-key eviction algorithm for web caches", NSDI 2024.
#pragma once

#include "policy/policy.hpp"
#include "policy/queue.hpp"

namespace augury {

class Sieve final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "sieve",
      .title = "SIEVE",
      .paper =
          "Zhang et al., SIEVE is simpler than LRU: an efficient turn-key eviction algorithm for "
          "web caches, NSDI 2024",
  };

  explicit Sieve(const Setup& setup) : residents_(setup.residents) {}

  void hit(Slot slot, const Request&) override { visited_[slot] = 1; }

  Slot evict() override {
    Slot slot = hand_ == kNone ? queue_.back() : hand_;
    while (visited_[slot] != 0) {
      visited_[slot] = 0;
      slot = queue_.towards_front(slot);
      if (slot == kNone) slot = queue_.back();
    }
    hand_ = queue_.towards_front(slot);
    queue_.unlink(slot);
    return slot;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    visited_.ensure(slot);
    visited_[slot] = 0;
    queue_.push_front(slot);
    next_victim_ = hand_ == kNone ? queue_.back() : hand_;
  }

  void remove(Slot slot) override {
    if (slot == hand_) hand_ = queue_.towards_front(slot);
    queue_.unlink(slot);
  }

  // The hand goes to the back.
  bool visit(const Visit& visit) const override {
    queue_.each_from_back([&](Slot slot) { visit(slot, visited_[slot]); });
    return true;
  }

  void validate() const override {
    if (queue_.recount() != residents_.size()) throw std::logic_error("sieve: miscounted");
    bool found = hand_ == kNone;
    for (Slot slot = queue_.front(); slot != kNone; slot = queue_.towards_back(slot)) {
      found |= slot == hand_;
      if (visited_[slot] > 1) throw std::logic_error("sieve: a mark is wrong");
    }
    if (!found) throw std::logic_error("sieve: the hand points at no resident");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + visited_.bytes(); }

 private:
  const Residents& residents_;
  Slab<Linked> nodes_;
  Slab<std::uint8_t> visited_;
  List<Linked> queue_{nodes_};  // youngest in front
  Slot hand_ = kNone;           // where to look next; kNone: at the back
};

}  // namespace augury
