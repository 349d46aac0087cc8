// 2Q: new entries pass through a FIFO queue; who is asked for again after leaving it gets into an
// LRU queue. T. Johnson, D. Shasha, "2Q: a low overhead high performance buffer management
// replacement algorithm", VLDB 1994 (the full version).
#pragma once

#include <array>

#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/ghost.hpp"

namespace augury {

class TwoQ final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"kin", 0.25, 0, 1, "share of the capacity for new entries"},
      Parameter{"kout", 0.5, 0, 4, "ghosts remembered, as a share of the capacity"},
  };
  static constexpr Description kDescription{
      .name = "2q",
      .title = "2Q",
      .paper =
          "Johnson, Shasha, 2Q: a low overhead high performance buffer management replacement "
          "algorithm, VLDB 1994",
      .parameters = kParameters,
  };

  explicit TwoQ(const Setup& setup)
      : residents_(setup.residents),
        in_share_(setup.parameter(kParameters[0])),
        out_share_(setup.parameter(kParameters[1])),
        out_(0) {
    resize(setup.capacity);
  }

  void hit(Slot slot, const Request&) override {
    if (is_hot_[slot]) hot_.move_to_front(slot);
  }

  void miss(const Request& request) override { returned_ = out_.remove(request.hash); }

  Slot evict() override {
    if (in_.weight() <= in_limit_ && !hot_.empty()) return hot_.pop_back();
    const Slot slot = in_.pop_back();
    out_.push(residents_.hash(slot), residents_.weight(slot));
    return slot;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    is_hot_.ensure(slot);
    is_hot_[slot] = returned_;
    queue_of(slot).push_front(slot);
    returned_ = false;
    next_victim_ = in_.weight() > in_limit_ ? in_.back() : hot_.back();
  }

  void remove(Slot slot) override { queue_of(slot).unlink(slot); }
  void reweighed(Slot slot, Weight old) override { queue_of(slot).reweighed(slot, old); }

  void resize(Weight capacity) override {
    in_limit_ = share_of(capacity, in_share_);
    out_.resize(share_of(capacity, out_share_, 0));
  }

  bool visit(const Visit& visit) const override {
    in_.each_from_back([&](Slot slot) { visit(slot, 0); });
    hot_.each_from_back([&](Slot slot) { visit(slot, 0); });
    return true;
  }

  void validate() const override {
    const auto in = [this](bool hot) {
      return [this, hot](Slot slot) {
        if (is_hot_[slot] != hot) throw std::logic_error("2q: in the other queue");
      };
    };
    if (in_.recount(in(false)) + hot_.recount(in(true)) != residents_.size()) {
      throw std::logic_error("2q: miscounted");
    }
    out_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override {
    return nodes_.bytes() + is_hot_.bytes() + out_.bytes();
  }

 private:
  Queue<>& queue_of(Slot slot) { return is_hot_[slot] ? hot_ : in_; }

  const Residents& residents_;
  double in_share_;
  double out_share_;
  Weight in_limit_ = 0;
  bool returned_ = false;  // the request that missed is of a ghost
  Slab<Linked> nodes_;
  Slab<bool> is_hot_;
  Queue<> in_{residents_, nodes_};   // A1in of the paper: youngest in front
  Queue<> hot_{residents_, nodes_};  // Am: most recent in front
  Ghosts<> out_;                     // A1out: those that left A1in
};

}  // namespace augury
