// LRU: evicts the entry that was not asked for the longest.
// R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger, "Evaluation techniques for storage
// hierarchies", IBM Systems Journal 9(2), 1970.
#pragma once

#include "core/list.hpp"
#include "policy/policy.hpp"

namespace augury {

class Lru final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "lru",
      .title = "LRU",
      .paper =
          "Mattson et al., Evaluation techniques for storage hierarchies, IBM Systems Journal "
          "9(2), 1970",
  };

  explicit Lru(const Setup& setup) : residents_(setup.residents) {}

  void hit(Slot slot, const Request&) override { queue_.move_to_front(slot); }
  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    queue_.push_front(slot);
    next_victim_ = queue_.back();
  }
  Slot evict() override { return queue_.pop_back(); }
  void remove(Slot slot) override { queue_.unlink(slot); }

  bool visit(const Visit& visit) const override {
    queue_.each_from_back([&](Slot slot) { visit(slot, 0); });
    return true;
  }

  void validate() const override {
    if (queue_.recount() != residents_.size()) throw std::logic_error("lru: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes(); }

 private:
  struct Node {
    Links links;
  };

  const Residents& residents_;
  Slab<Node> nodes_;
  List<Node> queue_{nodes_};  // most recent in front
};

}  // namespace augury
