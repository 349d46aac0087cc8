// FIFO: evicts the oldest entry, whatever was asked for since.
// L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
// Journal 5(2), 1966.
#pragma once

#include "core/list.hpp"
#include "policy/policy.hpp"

namespace augury {

class Fifo final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "fifo",
      .title = "FIFO",
      .paper =
          "Belady, A study of replacement algorithms for a virtual-storage computer, IBM "
          "Systems Journal 5(2), 1966",
  };

  explicit Fifo(const Setup& setup) : residents_(setup.residents) {}

  void hit(Slot, const Request&) override {}
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
    if (queue_.recount() != residents_.size()) throw std::logic_error("fifo: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes(); }

 private:
  struct Node {
    Links links;
  };

  const Residents& residents_;
  Slab<Node> nodes_;
  List<Node> queue_{nodes_};  // youngest in front
};

}  // namespace augury
