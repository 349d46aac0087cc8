// CLOCK: FIFO, but an entry that was asked for since it was last looked at is spared.
// F. J. Corbato, "A paging experiment with the Multics system", MIT Project MAC Report M-384, 1968.
#pragma once

#include <array>

#include "policy/policy.hpp"
#include "policy/queue.hpp"

namespace augury {

class Clock final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"count", 1, 1, 255, "how many hits are counted, each sparing the entry once"},
  };
  static constexpr Description kDescription{
      .name = "clock",
      .title = "CLOCK",
      .paper =
          "Corbato, A paging experiment with the Multics system, MIT Project MAC Report M-384, "
          "1968",
      .parameters = kParameters,
  };

  explicit Clock(const Setup& setup)
      : residents_(setup.residents),
        most_(static_cast<std::uint8_t>(setup.parameter(kParameters[0]))) {}

  void hit(Slot slot, const Request&) override { hits_[slot] += hits_[slot] < most_; }

  Slot evict() override {
    Slot slot = queue_.back();
    while (hits_[slot] != 0) {
      --hits_[slot];
      queue_.move_to_front(slot);
      slot = queue_.back();
    }
    queue_.unlink(slot);
    return slot;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    hits_.ensure(slot);
    hits_[slot] = 0;
    queue_.push_front(slot);
    next_victim_ = queue_.back();
  }

  void remove(Slot slot) override { queue_.unlink(slot); }

  bool visit(const Visit& visit) const override {
    queue_.each_from_back([&](Slot slot) { visit(slot, hits_[slot]); });
    return true;
  }

  void validate() const override {
    if (queue_.recount() != residents_.size()) throw std::logic_error("clock: miscounted");
    for (Slot slot = queue_.front(); slot != kNone; slot = queue_.towards_back(slot)) {
      if (hits_[slot] > most_) throw std::logic_error("clock: counted too many hits");
    }
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + hits_.bytes(); }

 private:
  const Residents& residents_;
  std::uint8_t most_;
  Slab<Linked> nodes_;
  Slab<std::uint8_t> hits_;     // since last looked at
  List<Linked> queue_{nodes_};  // the hand is at its back; whom it spares goes to the front
};

}  // namespace augury
