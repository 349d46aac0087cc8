// LFU with dynamic ageing: evicts the entry whose number of hits, counted from an age that rises as
// entries leave, is the lowest. M. Arlitt, L. Cherkasova, J. Dilley, R. Friedrich, T. Jin,
// "Evaluating content management techniques for web proxy caches", ACM SIGMETRICS Performance
// Evaluation Review 27(4), 2000 (LFU-DA).
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "policy/policy.hpp"
#include "policy/queue.hpp"

namespace augury {

// The paper's key of an entry is its count plus the age, which is the key of who left last. Counts
// are limited, so all keys are within that limit of the age, and a ring of queues, one a key, has
// them in order. A hit only notes the new key; the entry moves to that queue when its turn comes.
class Lfu final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"age", 1, 0, 1, "0: counts do not age, so what was popular once stays for long"},
  };
  static constexpr Description kDescription{
      .name = "lfu",
      .title = "LFU with dynamic ageing",
      .paper =
          "Arlitt et al., Evaluating content management techniques for web proxy caches, ACM "
          "SIGMETRICS Performance Evaluation Review 27(4), 2000",
      .parameters = kParameters,
  };

  explicit Lfu(const Setup& setup)
      : residents_(setup.residents), ages_(setup.parameter(kParameters[0]) != 0) {}

  void hit(Slot slot, const Request&) override {
    Node& node = nodes_[slot];
    node.count += node.count < kMostCount;
    node.key = wrap(std::uint32_t{age_} + node.count);
  }

  Slot evict() override {
    while (true) {
      while (queues_[lowest_].empty()) lowest_ = wrap(lowest_ + 1u);
      const Slot slot = queues_[lowest_].pop_back();
      if (nodes_[slot].key == lowest_) {
        if (ages_) age_ = lowest_;
        return slot;
      }
      place(slot);
    }
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    nodes_[slot].count = 1;
    nodes_[slot].key = wrap(age_ + 1u);
    place(slot);
    if (above_age(lowest_) > 1) lowest_ = nodes_[slot].key;
    next_victim_ = queues_[lowest_].back();
  }

  void remove(Slot slot) override { queues_[nodes_[slot].place].unlink(slot); }

  bool visit(const Visit& visit) const override {
    // What was hit since it was placed has a higher key than its queue: it goes there when its turn
    // comes.
    std::array<std::vector<Slot>, kKeys> turns;
    for (std::uint32_t key = 0; key < kKeys; ++key) {
      queues_[wrap(age_ + key)].each_from_back(
          [&](Slot slot) { turns[above_age(nodes_[slot].key)].push_back(slot); });
    }
    for (std::uint32_t key = 0; key < kKeys; ++key) {
      for (const Slot slot : turns[key]) visit(slot, std::max(key, 1U) - 1);
    }
    return true;
  }

  void validate() const override {
    std::size_t count = 0;
    for (std::size_t place = 0; place < queues_.size(); ++place) {
      count += queues_[place].recount();
      for (Slot slot = queues_[place].front(); slot != kNone;
           slot = queues_[place].towards_back(slot)) {
        const Node& node = nodes_[slot];
        if (node.place != place) throw std::logic_error("lfu: in another queue");
        if (above_age(node.place) > above_age(node.key)) throw std::logic_error("lfu: too high");
        if (above_age(node.place) < above_age(lowest_)) throw std::logic_error("lfu: passed over");
      }
    }
    if (count != residents_.size()) throw std::logic_error("lfu: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + sizeof queues_; }

 private:
  struct Node {
    Links links;
    std::uint8_t count;  // requests, as far as they are counted
    std::uint8_t key;    // modulo the ring, as all that is compared with the age
    std::uint8_t place;  // the queue it is in: its key when it was put there
  };
  static constexpr std::uint32_t kKeys =
      64;  // counts that do not age are told apart up to here only
  static constexpr std::uint8_t kMostCount = kKeys - 1;
  using Ring = std::array<List<Node>, kKeys>;

  template <std::size_t... kKey>
  static Ring ring_of(Slab<Node>& nodes, std::index_sequence<kKey...>) {
    return {{(static_cast<void>(kKey), List<Node>(nodes))...}};
  }

  static std::uint8_t wrap(std::uint32_t key) { return static_cast<std::uint8_t>(key % kKeys); }
  [[nodiscard]] std::uint8_t above_age(std::uint8_t key) const { return wrap(key + kKeys - age_); }

  void place(Slot slot) {
    nodes_[slot].place = nodes_[slot].key;
    queues_[nodes_[slot].key].push_front(slot);
  }

  const Residents& residents_;
  bool ages_;
  std::uint8_t age_ = 0;     // key of who left last
  std::uint8_t lowest_ = 0;  // no queue from the age up to here has entries
  Slab<Node> nodes_;
  Ring queues_ = ring_of(nodes_, std::make_index_sequence<kKeys>{});  // by key; latest in front
};

}  // namespace augury
