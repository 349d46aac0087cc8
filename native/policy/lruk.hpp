// LRU-K: evicts the entry whose K-th last request was the longest ago, first of all those that were
// not asked for K times. E. J. O'Neil, P. E. O'Neil, G. Weikum, "The LRU-K page replacement
// algorithm for database disk buffering", SIGMOD 1993.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/history.hpp"

namespace augury {

// Entries that were not asked for K times are in an LRU queue; the others are in a heap by the time
// of their K-th last request. A hit only raises that time: the heap learns of it when the entry has
// come to its top, so it costs nothing per hit.
//
// kLastTime: from there on times start anew (a test sets it low).
template <std::uint32_t kLastTime>
class LruKWithTimes final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"k", 2, 1, 4, "which of the last requests counts"},
      Parameter{"correlated", 0, 0, 1,
                "requests within which further ones count as one, as a share of the entries"},
      Parameter{"ghost", 1, 0, 4, "ghosts remembered, as a share of the entries"},
  };
  static constexpr Description kDescription{
      .name = "lruk",
      .title = "LRU-K",
      .paper =
          "O'Neil, O'Neil, Weikum, The LRU-K page replacement algorithm for database disk "
          "buffering, SIGMOD 1993",
      .parameters = kParameters,
  };

  explicit LruKWithTimes(const Setup& setup)
      : residents_(setup.residents),
        k_(static_cast<std::uint32_t>(setup.parameter(kParameters[0]))),
        correlated_share_(setup.parameter(kParameters[1])),
        ghost_share_(setup.parameter(kParameters[2])),
        stride_(k_ + (correlated_share_ > 0)) {}

  void hit(Slot slot, const Request&) override {
    tick();
    const bool was_young = is_young(slot);
    note(slot);
    if (!was_young) return;
    if (is_young(slot)) return young_.move_to_front(slot);
    young_.unlink(slot);
    push(slot);
  }

  void miss(const Request& request) override {
    tick();
    period_ = static_cast<std::uint32_t>(share_of(residents_.size(), correlated_share_, 0));
    if (k_ == 1) return;
    ghosts_.reserve(share_of(residents_.size(), ghost_share_, 0));
    returned_ = ghosts_.take(request.hash);
  }

  Slot evict() override {
    const bool from_young =
        heaped_ == 0 || (!young_.empty() && now_ - last(young_.back()) >= period_);
    const Slot slot = from_young ? young_.pop_back() : pop();
    ghosts_.push(residents_.hash(slot), last(slot));
    return slot;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    times_.ensure(std::size_t{slot} * stride_ + stride_);
    heap_.ensure(residents_.slots());
    std::uint32_t* const times = times_of(slot);
    std::fill_n(times, stride_, 0);
    times[0] = now_;
    if (stride_ != k_) times[k_] = now_;
    if (k_ > 1) times[1] = returned_;
    returned_ = 0;
    if (is_young(slot)) {
      young_.push_front(slot);
    } else {
      push(slot);
    }
    next_victim_ = young_.back();
  }

  void remove(Slot slot) override {
    if (is_young(slot)) return young_.unlink(slot);
    take(nodes_[slot].place);
  }

  bool visit(const Visit& visit) const override {
    young_.each_from_back([&](Slot slot) { visit(slot, 0); });
    std::vector<std::pair<std::uint32_t, Slot>> order;
    order.reserve(heaped_);
    for (std::uint32_t at = 0; at < heaped_; ++at) {
      order.emplace_back(key(heap_[at].slot), heap_[at].slot);
    }
    std::ranges::sort(order);
    for (const auto& [time, slot] : order) visit(slot, k_ - 1);
    return true;
  }

  void validate() const override {
    const std::size_t young = young_.recount();
    for (Slot slot = young_.front(); slot != kNone; slot = young_.towards_back(slot)) {
      if (!is_young(slot)) throw std::logic_error("lruk: not young");
    }
    for (std::uint32_t place = 0; place < heaped_; ++place) {
      const auto [time, slot] = heap_[place];
      if (nodes_[slot].place != place) throw std::logic_error("lruk: a place is wrong");
      if (time == 0 || time > key(slot) || key(slot) > now_) {
        throw std::logic_error("lruk: a time is wrong");
      }
      if (place != 0 && heap_[(place - 1) / kArity].time > time) {
        throw std::logic_error("lruk: no heap");
      }
    }
    if (young + heaped_ != residents_.size()) throw std::logic_error("lruk: miscounted");
    ghosts_.validate(now_);
  }
  [[nodiscard]] std::size_t bytes() const override {
    return nodes_.bytes() + times_.bytes() + heap_.bytes() + ghosts_.bytes();
  }

 private:
  union Node {
    Links links;          // in young_
    std::uint32_t place;  // in heap_
  };
  struct Item {
    std::uint32_t time;  // of the slot, or an earlier one
    Slot slot;
  };
  static constexpr std::uint32_t kArity = 4;

  // The last k times, latest first, 0 for those there were not; and if some count as one, that of
  // the very last request.
  std::uint32_t* times_of(Slot slot) { return &times_[std::size_t{slot} * stride_]; }
  [[nodiscard]] const std::uint32_t* times_of(Slot slot) const {
    return &times_[std::size_t{slot} * stride_];
  }
  [[nodiscard]] std::uint32_t key(Slot slot) const { return times_of(slot)[k_ - 1]; }
  [[nodiscard]] std::uint32_t last(Slot slot) const {
    return times_of(slot)[stride_ == k_ ? 0 : k_];
  }
  [[nodiscard]] bool is_young(Slot slot) const { return key(slot) == 0; }

  void note(Slot slot) {
    std::uint32_t* const times = times_of(slot);
    std::uint32_t burst = 0;  // how long the requests that count as one took
    if (stride_ != k_) {
      const std::uint32_t before = std::exchange(times[k_], now_);
      if (now_ - before <= period_) return;
      burst = before - times[0];
    }
    for (std::uint32_t i = k_ - 1; i > 0; --i) {
      times[i] = times[i - 1] == 0 ? 0 : times[i - 1] + burst;
    }
    times[0] = now_;
  }

  void tick() {
    if (now_ == kLastTime) restart();
    ++now_;
  }

  // Brings all times forward; what was long ago becomes equally long ago.
  void restart() {
    constexpr std::uint32_t kStep = kLastTime / 2;
    const auto earlier = [](std::uint32_t time) {
      return time > kStep ? time - kStep : std::min<std::uint32_t>(time, 1);
    };
    const auto bring_forward = [&](Slot slot) {
      std::uint32_t* const times = times_of(slot);
      std::transform(times, times + stride_, times, earlier);
    };
    for (Slot slot = young_.front(); slot != kNone; slot = young_.towards_back(slot)) {
      bring_forward(slot);
    }
    for (std::uint32_t place = 0; place < heaped_; ++place) {
      bring_forward(heap_[place].slot);
      heap_[place].time = earlier(heap_[place].time);
    }
    ghosts_.each_time(earlier);
    now_ -= kStep;
  }

  void push(Slot slot) { rise(heaped_++, {key(slot), slot}); }

  Slot pop() {
    while (heap_[0].time != key(heap_[0].slot)) sink(0, {key(heap_[0].slot), heap_[0].slot});
    const Slot slot = heap_[0].slot;
    take(0);
    return slot;
  }

  void take(std::uint32_t place) {
    const Item last = heap_[--heaped_];
    if (place == heaped_) return;
    const bool rises = last.time < heap_[place].time;
    rises ? rise(place, last) : sink(place, last);
  }

  void rise(std::uint32_t place, Item item) {
    while (place != 0 && heap_[(place - 1) / kArity].time > item.time) {
      put(place, heap_[(place - 1) / kArity]);
      place = (place - 1) / kArity;
    }
    put(place, item);
  }

  void sink(std::uint32_t place, Item item) {
    while (true) {
      const std::uint32_t first = place * kArity + 1;
      if (first >= heaped_) break;
      std::uint32_t least = first;
      for (std::uint32_t i = first + 1; i < std::min(first + kArity, heaped_); ++i) {
        if (heap_[i].time < heap_[least].time) least = i;
      }
      if (heap_[least].time >= item.time) break;
      put(place, heap_[least]);
      place = least;
    }
    put(place, item);
  }

  void put(std::uint32_t place, Item item) {
    heap_[place] = item;
    nodes_[item.slot].place = place;
  }

  const Residents& residents_;
  std::uint32_t k_;
  double correlated_share_;
  double ghost_share_;
  std::uint32_t stride_;        // times an entry
  std::uint32_t now_ = 0;       // requests so far
  std::uint32_t period_ = 0;    // within which requests count as one
  std::uint32_t returned_ = 0;  // when the key that missed was last asked for, if it is a ghost
  std::uint32_t heaped_ = 0;
  Slab<Node> nodes_;
  Slab<std::uint32_t> times_;  // by slot, stride_ each
  Slab<Item> heap_;            // least time first
  List<Node> young_{nodes_};   // not asked for k times; most recent in front
  History ghosts_;
};

using LruK = LruKWithTimes<std::numeric_limits<std::uint32_t>::max()>;

}  // namespace augury
