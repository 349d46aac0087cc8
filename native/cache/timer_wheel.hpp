// Which entries expire when, without ever scanning the living.
// G. Varghese, T. Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "core/list.hpp"
#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

// Times are nanoseconds of a clock that never goes back. A level has 64 buckets; a bucket of the
// lowest level spans 2^20 ns (about a millisecond), of each higher level 64 times as much. An entry
// moves down a level as its deadline comes near, so at most kLevels times in its life.
class TimerWheel {
 public:
  static constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

  // No entry has a deadline, and none of the calls below is needed.
  [[nodiscard]] bool idle() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return nodes_.bytes(); }

  // kForever for a slot without a deadline. Slots never scheduled are known to have none.
  [[nodiscard]] std::int64_t deadline(Slot slot) const {
    return slot < known_ ? nodes_[slot].deadline : kForever;
  }

  // Sets or replaces the deadline; kForever takes it away. Throws std::bad_alloc, and then nothing
  // has changed.
  void schedule(Slot slot, std::int64_t deadline, std::int64_t now) {
    if (deadline == kForever) return cancel(slot);
    prepare(slot);
    cancel(slot);
    if (size_ == 0) now_ = now;
    link(slot, deadline);
    ++size_;
  }

  // Makes schedule(slot, …) unable to throw.
  void prepare(Slot slot) {
    nodes_.ensure(slot);
    for (; known_ <= slot; ++known_) nodes_[known_].deadline = kForever;
  }

  void cancel(Slot slot) {
    if (deadline(slot) == kForever) return;
    unlink(slot);
    nodes_[slot].deadline = kForever;
    --size_;
  }

  // Whether advance(now, …) could find anything due since it was last called.
  [[nodiscard]] bool due(std::int64_t now) const {
    return size_ != 0 && (now >> kTickBits) > (now_ >> kTickBits);
  }

  // Takes every entry whose deadline has passed off the wheel and calls expired(slot), which must
  // not touch the wheel. Without `exact`, entries that expired within the present tick (a
  // millisecond) may be left to the next call.
  template <class Expired>
  void advance(std::int64_t now, bool exact, Expired&& expired) {
    if (size_ == 0 || now < now_) return;
    const std::int64_t before = now_;
    now_ = now;
    for (int level = 0; level < kLevels; ++level) {
      const std::int64_t from = before >> shift(level);
      const std::int64_t to = now >> shift(level);
      if (from == to && !(exact && level == 0)) break;
      const std::int64_t last = std::min(to, from + kBuckets - 1);
      for (std::int64_t tick = from; tick <= last; ++tick) {
        sweep(level * kBuckets + static_cast<int>(tick & (kBuckets - 1)), now, expired);
      }
      if (from == to) break;
    }
  }

  // Throws std::logic_error unless every scheduled entry is in the bucket of its deadline.
  void validate() const {
    std::size_t found = 0;
    for (int bucket = 0; bucket < kLevels * kBuckets; ++bucket) {
      Slot before = kNone;
      for (Slot slot = heads_[bucket]; slot != kNone; slot = nodes_[slot].links.next) {
        const Node& node = nodes_[slot];
        if (node.bucket != bucket || node.links.prev != before || node.deadline == kForever) {
          throw std::logic_error("timer wheel: an entry is in a wrong bucket");
        }
        const std::int64_t tick = node.deadline >> shift(bucket / kBuckets);
        if (node.deadline > now_ && bucket / kBuckets < kLevels - 1 &&
            (tick & (kBuckets - 1)) != bucket % kBuckets) {
          throw std::logic_error("timer wheel: a bucket has a foreign deadline");
        }
        before = slot;
        if (++found > size_) throw std::logic_error("timer wheel: miscounted");
      }
    }
    if (found != size_) throw std::logic_error("timer wheel: miscounted");
  }

 private:
  static constexpr int kTickBits = 20;
  static constexpr int kLevelBits = 6;
  static constexpr int kBuckets = 1 << kLevelBits;
  static constexpr int kLevels = 6;  // the highest spans two years; later deadlines wait there
  static constexpr std::size_t kHeads = std::size_t{kLevels} * kBuckets;

  struct Node {
    std::int64_t deadline;
    Links links;
    std::int32_t bucket;
  };

  static constexpr int shift(int level) { return kTickBits + kLevelBits * level; }

  void link(Slot slot, std::int64_t deadline) {
    // A deadline in the past goes into the present bucket, which is the next to be swept.
    const std::int64_t shown = std::max(deadline, now_);
    int level = 0;
    while (level < kLevels - 1 && (shown >> shift(level)) - (now_ >> shift(level)) >= kBuckets) {
      ++level;
    }
    const std::int64_t farthest = (now_ >> shift(level)) + kBuckets - 1;
    const std::int64_t tick = std::min(shown >> shift(level), farthest);
    const int bucket = level * kBuckets + static_cast<int>(tick & (kBuckets - 1));
    const Slot head = heads_[bucket];
    nodes_[slot] = {deadline, {kNone, head}, bucket};
    if (head != kNone) nodes_[head].links.prev = slot;
    heads_[bucket] = slot;
  }

  void unlink(Slot slot) {
    const Node& node = nodes_[slot];
    (node.links.prev == kNone ? heads_[node.bucket] : nodes_[node.links.prev].links.next) =
        node.links.next;
    if (node.links.next != kNone) nodes_[node.links.next].links.prev = node.links.prev;
  }

  template <class Expired>
  void sweep(int bucket, std::int64_t now, Expired& expired) {
    // The list is cut off first: entries that are not due go back on the wheel, perhaps into this
    // very bucket.
    Slot slot = heads_[bucket];
    heads_[bucket] = kNone;
    while (slot != kNone) {
      const Slot next = nodes_[slot].links.next;
      const std::int64_t deadline = nodes_[slot].deadline;
      if (deadline <= now) {
        nodes_[slot].deadline = kForever;
        --size_;
        expired(slot);
      } else {
        link(slot, deadline);
      }
      slot = next;
    }
  }

  Slab<Node> nodes_;
  Slot known_ = 0;  // slots below have a valid node
  std::array<Slot, kHeads> heads_ = filled();
  std::size_t size_ = 0;
  std::int64_t now_ = 0;

  static constexpr std::array<Slot, kHeads> filled() {
    std::array<Slot, kHeads> heads{};
    heads.fill(kNone);
    return heads;
  }
};

}  // namespace augury
