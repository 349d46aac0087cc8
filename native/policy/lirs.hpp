// LIRS: keeps entries whose last two requests were close together, of whatever age, and lets others
// only pass through a small queue. S. Jiang, X. Zhang, "LIRS: an efficient low inter-reference
// recency set replacement policy to improve buffer cache performance", SIGMETRICS 2002.
#pragma once

#include <array>

#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/ghost.hpp"

namespace augury {

// The paper keeps one stack with entries that are kept ("LIR"), those that pass through ("HIR") and
// ghosts, and prunes it down to the oldest LIR. Here each has a stamp of its last request: it is in
// the paper's stack if that is later than the oldest LIR's, so nothing is to be pruned and each is
// in one list.
//
// kLastStamp: from there on stamps start anew (a test sets it low).
template <std::uint32_t kLastStamp>
class LirsWithStamps final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"hir", 0.05, 0, 1, "share of the capacity for entries that pass through"},
      Parameter{"ghost", 1, 0, 4, "ghosts remembered, as a share of the capacity"},
  };
  static constexpr Description kDescription{
      .name = "lirs",
      .title = "LIRS",
      .paper =
          "Jiang, Zhang, LIRS: an efficient low inter-reference recency set replacement policy "
          "to improve buffer cache performance, SIGMETRICS 2002",
      .parameters = kParameters,
  };

  explicit LirsWithStamps(const Setup& setup)
      : residents_(setup.residents),
        hir_share_(setup.parameter(kParameters[0])),
        ghost_share_(setup.parameter(kParameters[1])),
        ghosts_(0) {
    resize(setup.capacity);
  }

  void hit(Slot slot, const Request&) override {
    if (nodes_[slot].lir) [[likely]] {
      // First, while its line is at hand.
      nodes_[slot].stamp = next_stamp();
      kept_.move_to_front(slot);
    } else if (nodes_[slot].stamp > floor() && residents_.weight(slot) <= kept_limit_) {
      passing_.unlink(slot);
      keep(slot);
    } else {
      passing_.move_to_front(slot);
      nodes_[slot].stamp = next_stamp();
    }
  }

  void miss(const Request& request) override {
    while (!ghosts_.empty() && ghosts_.oldest() <= floor()) ghosts_.pop();
    returned_ = ghosts_.remove(request.hash);
  }

  Slot evict() override {
    if (passing_.empty()) return kept_.pop_back();
    const Slot slot = passing_.pop_back();
    if (nodes_[slot].stamp > floor()) {
      ghosts_.push(residents_.hash(slot), residents_.weight(slot), nodes_[slot].stamp);
    }
    return slot;
  }

  void insert(Slot slot, const Request& request) override {
    nodes_.ensure(slot);
    const bool room = kept_.weight() + request.weight <= kept_limit_;
    if (room || (returned_ && request.weight <= kept_limit_)) {
      keep(slot);
    } else {
      pass(slot, next_stamp());
    }
    returned_ = false;
    next_victim_ = passing_.back();
  }

  void remove(Slot slot) override { queue_of(slot).unlink(slot); }

  void reweighed(Slot slot, Weight old) override {
    queue_of(slot).reweighed(slot, old);
    settle();
  }

  void resize(Weight capacity) override {
    kept_limit_ = capacity - std::min(capacity, share_of(capacity, hir_share_));
    ghosts_.resize(share_of(capacity, ghost_share_, 0));
    settle();
  }

  bool visit(const Visit& visit) const override {
    passing_.each_from_back([&](Slot slot) { visit(slot, 0); });
    kept_.each_from_back([&](Slot slot) { visit(slot, 1); });
    return true;
  }

  void validate() const override {
    std::uint32_t before = kLastStamp + 1;
    const std::size_t kept = kept_.recount([&](Slot slot) {
      if (!nodes_[slot].lir) throw std::logic_error("lirs: kept, but not marked");
      if (nodes_[slot].stamp >= before) throw std::logic_error("lirs: kept out of order");
      before = nodes_[slot].stamp;
    });
    const std::size_t passing = passing_.recount([&](Slot slot) {
      if (nodes_[slot].lir) throw std::logic_error("lirs: passing, but marked");
      if (nodes_[slot].stamp > clock_) throw std::logic_error("lirs: a stamp from the future");
    });
    if (kept + passing != residents_.size()) throw std::logic_error("lirs: miscounted");
    if (kept_.weight() > kept_limit_) throw std::logic_error("lirs: keeps too much");
    ghosts_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + ghosts_.bytes(); }

 private:
  struct Node {
    Links links;
    std::uint32_t stamp : 31;  // 0: long ago
    std::uint32_t lir : 1;
  };
  static constexpr std::uint32_t kStampBits = (1u << 31) - 1;
  static_assert(kLastStamp <= kStampBits);

  Queue<Node>& queue_of(Slot slot) { return nodes_[slot].lir ? kept_ : passing_; }

  // The paper's stack reaches back to here.
  [[nodiscard]] std::uint32_t floor() const {
    return kept_.empty() ? clock_ : static_cast<std::uint32_t>(nodes_[kept_.back()].stamp);
  }

  void keep(Slot slot) {
    nodes_[slot].lir = true;
    kept_.push_front(slot);
    nodes_[slot].stamp = next_stamp();
    settle();
  }

  void pass(Slot slot, std::uint32_t stamp) {
    nodes_[slot].lir = false;
    nodes_[slot].stamp = stamp & kStampBits;
    passing_.push_front(slot);
  }

  // Lets pass the oldest that there is no room to keep.
  void settle() {
    while (kept_.weight() > kept_limit_) pass(kept_.pop_back(), 0);
  }

  std::uint32_t next_stamp() {
    if (clock_ == kLastStamp) [[unlikely]]
      restart();
    return ++clock_ & kStampBits;
  }

  // Numbers the kept entries anew, and takes all others to be long ago: harmless once in 2^31
  // requests.
  void restart() {
    clock_ = 0;
    for (Slot slot = kept_.back(); slot != kNone; slot = kept_.towards_front(slot)) {
      nodes_[slot].stamp = ++clock_ & kStampBits;
    }
    for (Slot slot = passing_.back(); slot != kNone; slot = passing_.towards_front(slot)) {
      nodes_[slot].stamp = 0;
    }
    ghosts_.clear();
  }

  const Residents& residents_;
  double hir_share_;
  double ghost_share_;
  Weight kept_limit_ = 0;
  std::uint32_t clock_ = 0;
  bool returned_ = false;  // the request that missed is of a ghost
  Slab<Node> nodes_;
  Queue<Node> kept_{residents_, nodes_};     // most recent in front
  Queue<Node> passing_{residents_, nodes_};  // Q of the paper: the next victim at the back
  Ghosts<std::uint32_t> ghosts_;             // with the stamp of their last request, in its order
};

using Lirs = LirsWithStamps<(1u << 31) - 1>;

}  // namespace augury
