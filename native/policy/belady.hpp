// Belady's MIN: evicts whom nobody asks for again, or else who is asked for last: the fewest misses
// that are possible when all weigh the same. L. A. Belady, "A study of replacement algorithms for a
// virtual-storage computer", IBM Systems Journal 5(2), 1966.
//
// When they do not, the fewest misses are NP-hard to find. Then it evicts the largest product of
// weight and time until the next request, which is "Belady-Size" in D. S. Berger, N. Beckmann,
// M. Harchol-Balter, "Practical bounds on optimal caching with variable object sizes", SIGMETRICS
// 2018.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "core/heap.hpp"
#include "policy/policy.hpp"

namespace augury {

// A score says how good a victim an entry is. It never grows between two requests for the entry, so
// a score computed earlier is an upper bound. Those whose score is above a floor are in a heap by
// such a bound; all others, most, need no order, and so a hit costs a store and seldom more. The
// entry in front of the heap, once its bound is found exact, has the highest score of all. When the
// heap is used up, one pass over all entries finds the best anew and sets the floor below them.
//
// The heap may also have entries of slots that left, or several of one slot. They do no harm: what
// counts is that a slot above the floor has one.
class Belady final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "belady",
      .title = "Belady's MIN",
      .paper =
          "Belady, A study of replacement algorithms for a virtual-storage computer, IBM "
          "Systems Journal 5(2), 1966",
      .offline = true,
  };

  explicit Belady(const Setup& setup) : residents_(setup.residents) {}

  void hit(Slot slot, const Request& request) override {
    const std::int64_t due = next_[slot];
    now_ = due == Request::kNever ? now_ + 1 : std::max(now_ + 1, due);
    if (request.next != due) expect(slot, request.next);
  }

  void miss(const Request&) override { ++now_; }

  Slot evict() override {
    for (;;) {
      while (never_count_ != 0) {
        const Slot slot = never_[--never_count_];
        if (next_[slot] == Request::kNever) return leave(slot);
      }
      while (!never_more_ && !best_.empty()) {
        const auto [bound, slot] = best_.front();
        const double exact = score(slot);
        if (exact == bound) {
          best_.pop();
          return leave(slot);
        }
        if (exact > bound || exact < floor_) {
          best_.pop();  // another entry stands for the slot, or none needs to
        } else {
          best_.replace_front({exact, slot});
        }
      }
      look_through();
    }
  }

  void insert(Slot slot, const Request& request) override {
    next_.ensure(slot);
    best_.reserve(next_.size() / kShare + kLeast);
    never_.reserve(next_.size() / kShare + kLeast);
    for (; slots_ <= slot; ++slots_) next_[slots_] = kGone;  // some may be set aside
    next_[slot] = kGone;
    if (residents_.size() == 1) {
      weight_ = request.weight;
    } else if (weight_ != request.weight) {
      weigh();
    }
    expect(slot, request.next);
  }

  void remove(Slot slot) override { next_[slot] = kGone; }

  void reweighed(Slot slot, Weight) override {
    weigh();
    if (next_[slot] != Request::kNever) push(slot);
  }

  void validate() const override {
    best_.validate();
    std::vector<double> bounds(slots_, -1);
    for (const auto [bound, slot] : best_.entries()) bounds[slot] = std::max(bounds[slot], bound);
    for (std::size_t i = 0; i < never_count_; ++i) bounds[never_[i]] = kHighest;
    std::size_t count = 0;
    for (Slot slot = 0; slot < slots_; ++slot) {
      if (next_[slot] == kGone) continue;
      ++count;
      const double exact = score(slot);
      const bool may_lack = exact == kHighest ? never_more_ : exact <= floor_;
      if (bounds[slot] < exact && !may_lack) throw std::logic_error("belady: lost one");
    }
    if (count != residents_.size()) throw std::logic_error("belady: miscounted");
  }
  [[nodiscard]] std::size_t bytes() const override {
    return next_.bytes() + best_.bytes() + never_.bytes();
  }

 private:
  static constexpr std::int64_t kGone = -1;
  static constexpr std::size_t kShare = 8;  // of all entries, how many the heap has room for
  static constexpr std::size_t kLeast = 64;
  static constexpr double kHighest = std::numeric_limits<double>::infinity();

  struct Entry {
    double bound;
    Slot slot;
  };
  struct Higher {
    bool operator()(const Entry& a, const Entry& b) const { return a.bound > b.bound; }
  };

  // As long as all weigh the same, the time of the next request will do, and does not change.
  [[nodiscard]] double score(Slot slot) const {
    const std::int64_t next = next_[slot];
    if (next == Request::kNever) return kHighest;
    if (next == kGone) return -1;
    if (!weighed_) return static_cast<double>(next);
    const std::int64_t wait = std::max<std::int64_t>(next - now_, 0);
    return static_cast<double>(residents_.weight(slot)) * static_cast<double>(wait);
  }

  void expect(Slot slot, std::int64_t next) {
    if (next < 0) next = Request::kNever;  // as traces on disk say it
    next_[slot] = next;
    if (next != Request::kNever) return push(slot);
    remember_never(slot);
  }

  void remember_never(Slot slot) {
    if (never_count_ == never_.size()) {
      never_more_ = true;
    } else {
      never_[never_count_++] = slot;
    }
  }

  void push(Slot slot) {
    const double exact = score(slot);
    if (exact <= floor_) return;
    if (best_.full()) raise_floor();
    if (exact > floor_) best_.push({exact, slot});
  }

  // Drops the lower half of the heap.
  void raise_floor() {
    halve();
    best_.order();
  }

  void halve() {
    const std::span<Entry> entries = best_.entries();
    const std::size_t half = entries.size() / 2;
    std::nth_element(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(half),
                     entries.end(), Higher());
    floor_ = entries[half].bound;
    best_.truncate(half);
  }

  // Finds the best of all.
  void look_through() {
    best_.clear();
    never_count_ = 0;
    never_more_ = false;
    floor_ = -1;
    for (Slot slot = 0; slot < slots_; ++slot) {
      const double exact = score(slot);
      if (exact <= floor_) continue;
      if (exact == kHighest) {
        remember_never(slot);
        continue;
      }
      if (best_.full()) {
        halve();
        if (exact <= floor_) continue;
      }
      best_.append({exact, slot});
    }
    best_.order();
  }

  void weigh() {
    if (weighed_) return;
    weighed_ = true;
    best_.clear();
    floor_ = kHighest;
  }

  Slot leave(Slot slot) {
    next_[slot] = kGone;
    return slot;
  }

  const Residents& residents_;
  std::int64_t now_ = -1;    // index of the request; may lag until the next hit
  Weight weight_ = 0;        // of all, unless weighed_
  bool weighed_ = false;     // they differ
  Slot slots_ = 0;           // one above the highest seen
  Slab<std::int64_t> next_;  // by slot: the next request, kNever or kGone
  double floor_ = kHighest;  // no slot outside of best_ has a higher score
  Heap<Entry, Higher> best_;
  Slab<Slot> never_;  // some that are never asked for again
  std::size_t never_count_ = 0;
  bool never_more_ = false;  // there may be others
};

}  // namespace augury
