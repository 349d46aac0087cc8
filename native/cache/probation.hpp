// Entries that were fetched before anyone asked for them, and whether that was worth it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "core/list.hpp"
#include "core/slab.hpp"
#include "core/types.hpp"
#include "sketch/ghost.hpp"

namespace augury {

// They wait in order of arrival, apart from the policy, which learns of an entry when it is asked
// for: as of a miss. So to the policy all is as it would be without them in a slightly smaller
// cache, and what they cost is the hits that the room they take would have had. These are counted:
// requests of what the policy evicted last, as much as is now waiting. Room is given up when they
// cost more than half of what they gain, and grows when they gain much more; and a guess has to be
// the more probable the more of them go unused.
class Probation {
 public:
  struct Counts {
    std::uint64_t fetched = 0;
    std::uint64_t used = 0;    // asked for while they waited
    std::uint64_t unused = 0;  // left without that
  };

  // `share` of the capacity at most; `precision` of the fetched should be used.
  Probation(Weight capacity, double share, double precision)
      : share_(share), precision_(precision), threshold_(precision), evicted_(1) {
    resize(capacity);
    room_ = most_ / kFirst;
  }

  [[nodiscard]] bool holds(Slot slot) const {
    return slot < places_.size() && places_[slot] != kNone;
  }
  [[nodiscard]] bool empty() const { return waits_.empty(); }
  [[nodiscard]] std::size_t size() const { return waits_.size(); }
  [[nodiscard]] Slot oldest() const { return nodes_[waits_.back()].slot; }
  // The request that the entry was stored by.
  [[nodiscard]] const Request& request(Slot slot) const { return nodes_[places_[slot]].request; }
  // How much may wait, how probable a guess should be, and for how many requests an entry waits.
  [[nodiscard]] Weight room() const { return std::max<Weight>(static_cast<Weight>(room_), 1); }
  [[nodiscard]] double threshold() const { return threshold_; }
  [[nodiscard]] std::uint64_t horizon() const {
    return static_cast<std::uint64_t>(std::clamp(stay_, 4.0, static_cast<double>(kLongest)));
  }
  // Whether the oldest has to go before anything of the policy's: there is less room than there
  // was, or nothing fetched since has pushed it out.
  [[nodiscard]] bool overdue(Weight waiting) const {
    return waiting > room() || clock_ - nodes_[waits_.back()].since > kLongest;
  }
  [[nodiscard]] const Counts& counts() const { return counts_; }

  // Throws std::bad_alloc, and then nothing has changed.
  void add(Slot slot, const Request& request) {
    const std::size_t before = places_.size();
    places_.ensure(slot);
    for (std::size_t i = before; i < places_.size(); ++i) places_[i] = kNone;
    const Slot place = free_ != kNone ? free_ : static_cast<Slot>(waits_.size());
    nodes_.ensure(place);
    if (place == free_) free_ = nodes_[place].links.next;
    nodes_[place] = {.links = {}, .slot = slot, .since = clock_, .request = request};
    places_[slot] = place;
    waits_.push_front(place);
    ++counts_.fetched;
  }

  // There was no room for what was fetched.
  void refused() {
    ++counts_.fetched;
    ++counts_.unused;
    ++unused_;
  }

  // Returns for how many requests it has waited.
  std::uint64_t take_used(Slot slot) {
    ++counts_.used;
    ++gain_;
    ++used_;
    return forget(slot);
  }

  void take_unused(Slot slot) {
    ++counts_.unused;
    ++unused_;
    stay_ += kInertia * (static_cast<double>(forget(slot)) - stay_);
  }

  // The policy has evicted an entry, while so much waits.
  void evicted(std::uint64_t hash, Weight weight, Weight waiting) {
    evicted_.remove(hash);
    // In steps, or it would be built anew with every few more that wait.
    const Weight step = std::max<Weight>(std::bit_floor(waiting) / 8, 1);
    evicted_.resize(waiting / step * step + step);
    if (waiting != 0) evicted_.push(hash, weight);
  }

  // A request of a key that is not there, or that was waiting.
  void missed(std::uint64_t hash, bool waited) {
    if (evicted_.remove(hash) && !waited) ++loss_;
  }

  // Another request.
  void tick() {
    if (++clock_ % kInterval == 0) adjust();
  }

  void resize(Weight capacity) {
    const auto all = static_cast<double>(capacity);
    most_ = std::clamp(std::max(all * share_, std::min(kLeast, all / 2)), 1.0, kHeaviest);
    room_ = std::min(room_, most_);
  }

  [[nodiscard]] std::size_t bytes() const {
    return places_.bytes() + nodes_.bytes() + evicted_.bytes();
  }

  void validate() const {
    for (Slot place = waits_.front(); place != kNone; place = waits_.towards_back(place)) {
      const Slot slot = nodes_[place].slot;
      if (!holds(slot) || places_[slot] != place) {
        throw std::logic_error("probation: an entry does not wait");
      }
    }
    if (waits_.recount() + counts_.used + counts_.unused != counts_.fetched) {
      throw std::logic_error("probation: miscounted");
    }
    evicted_.validate();
  }

 private:
  static constexpr double kFirst = 4;  // room at first, as a part of the most
  static constexpr double kLeast = 8;  // of very small caches half, up to so much
  static constexpr std::uint64_t kInterval = 500;
  static constexpr double kMemory = 0.9;       // of gain and loss, an interval
  static constexpr double kMemoryOfUse = 0.8;  // of what was used
  static constexpr double kEnough = 10;        // hits gained and lost, before room is changed
  static constexpr double kEvidence = 5;       // used or not, before they tell of the threshold
  static constexpr double kInertia = 0.02;
  static constexpr double kLowest = 0.2;
  static constexpr std::uint64_t kLongest = 1 << 20;  // requests that an entry waits
  static constexpr double kHeaviest = 9e18;           // below 2^63
  static constexpr double kHighest = 0.95;

  struct Node {
    Links links;
    Slot slot;
    std::uint64_t since;
    Request request;
  };

  std::uint64_t forget(Slot slot) {
    const Slot place = std::exchange(places_[slot], kNone);
    waits_.unlink(place);
    nodes_[place].links.next = std::exchange(free_, place);
    return clock_ - nodes_[place].since;
  }

  void adjust() {
    const double judged = used_ + unused_;
    const double used = (used_ + 2 * precision_) / (judged + 2);
    if (judged < kEvidence) {
      // What was too little to go by does not bar for ever what has become predictable since.
      threshold_ += 0.05 * (precision_ - threshold_);
    } else if (used < 1.1 * precision_) {
      threshold_ = std::min(threshold_ + 0.03, kHighest);
    } else if (used > 1.2 * precision_) {
      threshold_ = std::max(threshold_ - 0.015, kLowest);
    }
    used_ *= kMemoryOfUse;
    unused_ *= kMemoryOfUse;
    if (gain_ + loss_ > kEnough) {
      if (2 * loss_ > gain_) {
        room_ = std::max(most_ / 50, room_ * 0.7);
      } else if (8 * loss_ < gain_) {
        room_ = std::min(most_, room_ * 1.2);
      }
    }
    gain_ *= kMemory;
    loss_ *= kMemory;
  }

  double share_;
  double precision_;
  double threshold_;
  double most_ = 1;
  double room_ = 1;
  double stay_ = 64;  // requests that an unused entry waits, on average
  double gain_ = 0;
  double loss_ = 0;
  double used_ = 0;
  double unused_ = 0;
  std::uint64_t clock_ = 0;
  Counts counts_;
  Slab<Slot> places_;         // by slot: its place among the nodes, or kNone
  Slab<Node> nodes_;          // as many as have ever waited at a time
  Slot free_ = kNone;         // the first free node; links.next leads on
  List<Node> waits_{nodes_};  // of places, the latest in front
  Ghosts<> evicted_;          // by the policy, of late
};

}  // namespace augury
