// SLRU: LRU in segments. A hit moves an entry one segment up, an overfull segment pushes its oldest
// one down, and the lowest one evicts. R. Karedla, J. S. Love, B. G. Wherry, "Caching strategies to
// improve disk system performance", IEEE Computer 27(3), 1994.
#pragma once

#include <array>

#include "policy/policy.hpp"
#include "policy/queue.hpp"

namespace augury {

class Slru final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"segments", 4, 2, 8, "how many segments; the paper has 2"},
      Parameter{"protected", 0.75, 0, 1, "share of the capacity for all but the lowest segment"},
  };
  static constexpr Description kDescription{
      .name = "slru",
      .title = "SLRU",
      .paper =
          "Karedla, Love, Wherry, Caching strategies to improve disk system performance, IEEE "
          "Computer 27(3), 1994",
      .parameters = kParameters,
  };

  explicit Slru(const Setup& setup)
      : residents_(setup.residents),
        top_(static_cast<std::uint8_t>(setup.parameter(kParameters[0]) - 1)),
        protected_share_(setup.parameter(kParameters[1])) {
    resize(setup.capacity);
  }

  void hit(Slot slot, const Request&) override {
    const std::uint8_t level = level_[slot];
    if (level == top_) return segments_[level].move_to_front(slot);
    segments_[level].unlink(slot);
    push(slot, level + 1u);
    settle(level + 1u);
  }

  Slot evict() override {
    full_ = true;
    std::size_t level = 0;
    while (segments_[level].empty()) ++level;
    return segments_[level].pop_back();
  }

  void insert(Slot slot, const Request& request) override {
    nodes_.ensure(slot);
    level_.ensure(slot);
    push(slot, full_ ? 0 : lowest_with_room(request.weight));
  }

  void remove(Slot slot) override { segments_[level_[slot]].unlink(slot); }

  void reweighed(Slot slot, Weight old) override {
    segments_[level_[slot]].reweighed(slot, old);
    settle(level_[slot]);
  }

  void resize(Weight capacity) override {
    limit_ = share_of(capacity, protected_share_ / top_, 0);
    lowest_limit_ = share_of(capacity, 1 - protected_share_, 0);
    full_ = false;
    settle(top_);
  }

  void validate() const override {
    std::size_t count = 0;
    for (std::size_t level = 0; level < kMost; ++level) {
      count += segments_[level].recount([&](Slot slot) {
        if (level_[slot] != level) throw std::logic_error("slru: in another segment");
      });
      if (level > top_ && !segments_[level].empty()) throw std::logic_error("slru: above the top");
      if (level > 0 && segments_[level].weight() > limit_) {
        throw std::logic_error("slru: a segment is too full");
      }
    }
    if (count != residents_.size()) throw std::logic_error("slru: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + level_.bytes(); }

 private:
  static constexpr std::size_t kMost = 8;

  void push(Slot slot, std::size_t level) {
    level_[slot] = static_cast<std::uint8_t>(level);
    segments_[level].push_front(slot);
  }

  [[nodiscard]] std::size_t lowest_with_room(Weight weight) const {
    if (segments_[0].weight() + weight <= lowest_limit_) return 0;
    for (std::size_t level = 1; level <= top_; ++level) {
      if (segments_[level].weight() + weight <= limit_) return level;
    }
    return 0;
  }

  // Pushes down what is too much in that segment and those below.
  void settle(std::size_t level) {
    for (; level > 0; --level) {
      while (segments_[level].weight() > limit_) push(segments_[level].pop_back(), level - 1);
    }
  }

  const Residents& residents_;
  std::uint8_t top_;
  double protected_share_;
  Weight limit_ = 0;  // of each segment but the lowest, which has what the others leave
  Weight lowest_limit_ =
      0;               // beyond which new entries fill the others, until the cache has been full
  bool full_ = false;  // something was evicted at this capacity
  Slab<Linked> nodes_;
  Slab<std::uint8_t> level_;
  std::array<Queue<>, kMost> segments_{{
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
  }};  // lowest first; most recent in front
};

}  // namespace augury
