// The queues that `auto` tunes: those of S3-FIFO, with ghosts that are judged by how long they were
// away.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/bytes.hpp"
#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/history.hpp"

namespace augury {

struct TwoStageSetting {
  std::string_view name;  // what it is good for
  double small;           // share of the capacity for the small queue
  double reach;           // how long a key may take to return, as a share of the main queue's age
  double ghosts;          // and in new keys for each entry of the cache
  std::uint8_t promote;   // hits in the small queue that lead to the main queue
};

// The first one to start with.
inline constexpr double kAnyGhost = 1e9;  // as long as it is remembered
inline constexpr std::array kTwoStageSettings{
    TwoStageSetting{"most workloads", 0.1, 0.7, kAnyGhost, 2},
    TwoStageSetting{"loops and scans", 0.01, 0.7, kAnyGhost, 2},
    TwoStageSetting{"what is new lately", 0.25, 1.4, kAnyGhost, 2},
    TwoStageSetting{"nothing but recency", 0.9, 0.7, kAnyGhost, 1},
};

// New entries pass through a small FIFO queue; those asked for again there get into the main queue,
// a CLOCK, and so do keys that return soon enough after they came. S3-FIFO takes any ghost for soon
// enough, however long the main queue keeps its entries. Here that is compared: if the oldest main
// entry was put in front t ago, a key has to return within a multiple of t, or what leaves for it
// would be asked for sooner. (LIRS compares the same two times. There they are counted in
// requests, here in new keys, so that a hit writes one byte.)
//
// kLastTime: from there on times start anew (a test sets it low).
template <std::uint32_t kLastTime = std::numeric_limits<std::uint32_t>::max()>
class TwoStage final : public Policy {
 public:
  using Setting = TwoStageSetting;

  TwoStage(const Residents& residents, Weight capacity, const Setting& setting)
      : residents_(residents), setting_(setting) {
    resize(capacity);
  }

  [[nodiscard]] std::size_t size() const { return small_.size() + main_.size(); }

  // The share of the entries that would have to leave one queue for the other.
  static double motion(const Setting& from, const Setting& to) {
    return std::abs(from.small - to.small);
  }

  // Another setting holds from now on: the queues grow and shrink as entries leave, so nothing is
  // moved.
  void tune(const Setting& setting) {
    setting_ = setting;
    measure();
  }

  void hit(Slot slot, const Request&) override {
    states_[slot].hits += states_[slot].hits < kMostHits;
  }

  void miss(const Request& request) override {
    ghosts_.reserve(kGhosts * size());
    if (!small_.empty()) ghosts_.prefetch(residents_.hash(small_.back()));  // likely to leave
    const std::uint32_t came = ghosts_.take(request.hash);
    returned_ = came != 0 && now_ - came <= reach();
    if (!returned_) tick();
  }

  void prefetch(std::uint64_t hash) const override { ghosts_.prefetch(hash); }

  Slot evict() override {
    const Slot slot = propose();
    leave(slot);
    return slot;
  }

  // Takes out whom evict() would return. It leaves, or is spared, or is removed from residents.
  Slot propose() {
    full_ = true;
    if (main_.weight() <= main_limit_ || main_.empty()) {
      while (!small_.empty()) {
        const Slot slot = small_.pop_back();
        if (states_[slot].hits < setting_.promote) return slot;
        push_main(slot);
      }
    }
    Slot slot = main_.back();
    while (states_[slot].hits != 0) {
      --states_[slot].hits;
      nodes_[slot].time = now_;
      main_.move_to_front(slot);
      slot = main_.back();
    }
    main_.unlink(slot);
    return slot;
  }

  // Of one taken out: it is no resident any more.
  void leave(Slot slot) {
    if (states_[slot].in_main) return;
    // One that was out while times started anew has kept the old one.
    const std::uint32_t time = nodes_[slot].time;
    ghosts_.push(residents_.hash(slot), time > now_ ? time - kStep : time);
  }

  // Of one taken out: it stays after all.
  void spare(Slot slot) { push_main(slot); }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    states_.ensure(slot);
    // Until the cache has been full once, what the small queue has no room for goes to the main
    // one.
    if (returned_ || (!full_ && small_.weight() >= small_limit_)) {
      push_main(slot);
    } else {
      states_[slot] = {.hits = 0, .in_main = 0};
      nodes_[slot].time = now_;
      small_.push_front(slot);
    }
    returned_ = false;
  }

  void remove(Slot slot) override { queue_of(slot).unlink(slot); }
  void reweighed(Slot slot, Weight old) override { queue_of(slot).reweighed(slot, old); }

  void resize(Weight capacity) override {
    capacity_ = capacity;
    full_ = false;
    measure();
  }

  // In this order the first ones fill the small queue again, and the others the main one.
  bool visit(const Visit& visit) const override {
    for (const Queue<Node>* queue : {&small_, &main_}) {
      queue->each_from_back([&](Slot slot) { visit(slot, states_[slot].hits); });
    }
    return true;
  }

  [[nodiscard]] std::string memory() const override {
    std::string bytes;
    if (!main_.empty()) append(bytes, age());
    return bytes;
  }

  // All were inserted one after the other, those of the small queue first. They came at other times
  // than that: the youngest lately, and the main ones since what was then the main queue's age.
  void resume(std::string_view memory) override {
    std::uint32_t age = 0;
    if (!consume(memory, age)) age = static_cast<std::uint32_t>(size());
    now_ = std::max(now_, std::min(age, kLastTime / 2) + 1);
    const auto ago = [this](std::uint64_t ticks) {
      return now_ - static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, now_ - 1));
    };
    std::uint64_t younger = small_.size();
    small_.each_from_back([&](Slot slot) { nodes_[slot].time = ago(--younger); });
    younger = main_.size();
    main_.each_from_back(
        [&](Slot slot) { nodes_[slot].time = ago(age * younger-- / main_.size()); });
  }

  void validate() const override {
    const auto in = [this](unsigned main) {
      return [this, main](Slot slot) {
        if (states_[slot].in_main != main) throw std::logic_error("two-stage: in the other queue");
        if (states_[slot].hits > kMostHits) throw std::logic_error("two-stage: too many hits");
        if (nodes_[slot].time > now_) throw std::logic_error("two-stage: a time from the future");
      };
    };
    small_.recount(in(0));
    main_.recount(in(1));
    ghosts_.validate(now_);
  }
  [[nodiscard]] std::size_t bytes() const override {
    return nodes_.bytes() + states_.bytes() + ghosts_.bytes();
  }

 private:
  static constexpr std::uint8_t kMostHits = 3;
  static constexpr std::size_t kGhosts = 3;              // remembered for each entry
  static constexpr std::uint32_t kStep = kLastTime / 2;  // by which times are brought forward

  struct Node {
    Links links;
    std::uint32_t time;  // in the small queue: it came; in the main queue: it was last put in front
  };
  struct State {
    std::uint8_t hits : 2;
    std::uint8_t in_main : 1;
  };

  Queue<Node>& queue_of(Slot slot) { return states_[slot].in_main ? main_ : small_; }
  // Within how many new keys a key has to return.
  [[nodiscard]] double reach() const {
    const double most = setting_.ghosts * static_cast<double>(size());
    return main_.empty() ? most : std::min(most, setting_.reach * age());
  }
  // How long ago the oldest main entry was put in front, in new keys; there must be one.
  [[nodiscard]] std::uint32_t age() const { return now_ - nodes_[main_.back()].time; }

  void push_main(Slot slot) {
    states_[slot] = {.hits = 0, .in_main = 1};
    nodes_[slot].time = now_;
    main_.push_front(slot);
  }

  void measure() {
    small_limit_ = share_of(capacity_, setting_.small);
    main_limit_ = capacity_ - std::min(capacity_, small_limit_);
  }

  void tick() {
    if (now_ == kLastTime) [[unlikely]]
      restart();
    ++now_;
  }

  // Brings all times forward; what was long ago becomes equally long ago.
  void restart() {
    const auto earlier = [](std::uint32_t time) {
      return time > kStep ? time - kStep : std::min<std::uint32_t>(time, 1);
    };
    for (const Queue<Node>* queue : {&small_, &main_}) {
      for (Slot slot = queue->front(); slot != kNone; slot = queue->towards_back(slot)) {
        nodes_[slot].time = earlier(nodes_[slot].time);
      }
    }
    ghosts_.each_time(earlier);
    now_ -= kStep;
  }

  const Residents& residents_;
  Setting setting_;
  Weight capacity_ = 0;
  Weight small_limit_ = 0;
  Weight main_limit_ = 0;
  std::uint32_t now_ = 1;  // new keys so far, and one
  bool full_ = false;      // something was evicted at this capacity
  bool returned_ = false;  // the request that missed is of a ghost, and soon enough
  Slab<Node> nodes_;
  Slab<State> states_;
  Queue<Node> small_{residents_, nodes_};  // youngest in front, as in main_
  Queue<Node> main_{residents_, nodes_};
  History ghosts_;  // with the time they came
};

}  // namespace augury
