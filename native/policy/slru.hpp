// SLRU: LRU in segments. A hit moves an entry one segment up, an overfull segment pushes its oldest
// one down, and the lowest one evicts. R. Karedla, J. S. Love, B. G. Wherry, "Caching strategies to
// improve disk system performance", IEEE Computer 27(3), 1994.
#pragma once

#include <array>

#include "policy/policy.hpp"
#include "policy/queue.hpp"

namespace augury {

// With two segments a hit moves an entry to the front of the list, wherever it was, and only the
// border between the segments may move too. If all weigh the same that can wait until the border
// matters, at the next call that is no hit: the upper segment is the first so many of the list,
// whatever the hits in between were. So hits do not tell the segments apart, which no processor
// can predict.
class Slru final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"segments", 2, 2, 8, "how many segments"},
      Parameter{"protected", 0.67, 0, 1, "share of the capacity for all but the lowest segment"},
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
    if (top_ == 1 && unit_) {
      if (slot == front_[0]) front_[0] = list_.towards_back(slot);
      if (level == 0) {
        level_[slot] = 1;
        ++weight_[1];
        --weight_[0];
      }
      list_.move_to_front(slot);
      front_[1] = slot;
      return;
    }
    if (level == top_) {
      if (slot == front_[top_]) return;
      list_.move_to_front(slot);
      front_[top_] = slot;
      return;
    }
    unlink(slot);
    push(slot, level + 1u);
    settle(level + 1u);
  }

  Slot evict() override {
    settle(top_);
    full_ = true;
    const Slot slot = list_.back();
    unlink(slot);
    return slot;
  }

  void insert(Slot slot, const Request& request) override {
    nodes_.ensure(slot);
    level_.ensure(slot);
    settle(top_);
    unit_ = residents_.unit();
    push(slot, full_ ? 0 : lowest_with_room(request.weight));
    next_victim_ = list_.back();
  }

  void remove(Slot slot) override {
    settle(top_);
    unlink(slot);
  }

  void reweighed(Slot slot, Weight old) override {
    const Weight more = residents_.weight(slot) - old;
    weight_[level_[slot]] += more;
    // First what hits have left to do, at the old weight.
    while (weight_[top_] - (level_[slot] == top_ ? more : 0) > limit_) lower_the_last(top_);
    settle(level_[slot]);
    unit_ = residents_.unit();
  }

  void resize(Weight capacity) override {
    settle(top_);
    limit_ = share_of(capacity, protected_share_ / top_, 0);
    lowest_limit_ = share_of(capacity, 1 - protected_share_, 0);
    full_ = false;
    settle(top_);
  }

  bool visit(const Visit& visit) const override {
    list_.each_from_back([&](Slot slot) { visit(slot, 0); });
    return true;
  }

  void validate() const override {
    std::array<Slot, kMost> front = none();
    std::array<Weight, kMost> weight{};
    std::size_t above = top_;
    for (Slot slot = list_.front(); slot != kNone; slot = list_.towards_back(slot)) {
      const std::size_t level = level_[slot];
      if (level > above) throw std::logic_error("slru: segments out of order");
      above = level;
      if (front[level] == kNone) front[level] = slot;
      weight[level] += residents_.weight(slot);
    }
    if (front != front_) throw std::logic_error("slru: a segment begins elsewhere");
    if (weight != weight_) throw std::logic_error("slru: misweighed");
    for (std::size_t level = 1; level <= top_; ++level) {
      const bool may_wait = top_ == 1 && unit_;
      if (weight[level] > limit_ && !may_wait)
        throw std::logic_error("slru: a segment is too full");
    }
    if (list_.recount() != residents_.size()) throw std::logic_error("slru: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + level_.bytes(); }

 private:
  static constexpr std::size_t kMost = 8;

  static constexpr std::array<Slot, kMost> none() {
    std::array<Slot, kMost> slots{};
    slots.fill(kNone);
    return slots;
  }

  // The first slot of that segment and those below it.
  [[nodiscard]] Slot front_from(std::size_t level) const {
    while (level > 0 && front_[level] == kNone) --level;
    return front_[level];
  }

  void push(Slot slot, std::size_t level) {
    level_[slot] = static_cast<std::uint8_t>(level);
    list_.insert_before(slot, front_from(level));
    front_[level] = slot;
    weight_[level] += residents_.weight(slot);
  }

  void unlink(Slot slot) {
    const std::size_t level = level_[slot];
    if (front_[level] == slot) {
      const Slot next = list_.towards_back(slot);
      front_[level] = next != kNone && level_[next] == level ? next : kNone;
    }
    list_.unlink(slot);
    weight_[level] -= residents_.weight(slot);
  }

  [[nodiscard]] std::size_t lowest_with_room(Weight weight) const {
    if (weight_[0] + weight <= lowest_limit_) return 0;
    for (std::size_t level = 1; level <= top_; ++level) {
      if (weight_[level] + weight <= limit_) return level;
    }
    return 0;
  }

  // Pushes down what is too much in that segment and those above the lowest.
  void settle(std::size_t level) {
    for (; level > 0; --level) {
      while (weight_[level] > limit_) lower_the_last(level);
    }
  }

  // The last of a segment is next to the first of the one below: only the border moves.
  void lower_the_last(std::size_t level) {
    const Slot below = front_from(level - 1);
    const Slot slot = below == kNone ? list_.back() : list_.towards_front(below);
    if (front_[level] == slot) front_[level] = kNone;
    front_[level - 1] = slot;
    level_[slot] = static_cast<std::uint8_t>(level - 1);
    weight_[level] -= residents_.weight(slot);
    weight_[level - 1] += residents_.weight(slot);
  }

  const Residents& residents_;
  std::uint8_t top_;
  double protected_share_;
  Weight limit_ = 0;  // of each segment but the lowest, which has what the others leave
  Weight lowest_limit_ =
      0;               // beyond which new entries fill the others, until the cache has been full
  bool unit_ = true;   // all that it was told of weigh 1
  bool full_ = false;  // something was evicted at this capacity
  Slab<Linked> nodes_;
  Slab<std::uint8_t> level_;
  List<Linked> list_{nodes_};               // the segments, highest first; most recent in front
  std::array<Slot, kMost> front_ = none();  // of each segment; kNone: it is empty
  std::array<Weight, kMost> weight_{};      // of each segment
};

}  // namespace augury
