// ARC: an LRU queue of entries asked for once and one of those asked for again. Ghosts of both tell
// which of them should have been larger. N. Megiddo, D. S. Modha, "ARC: a self-tuning, low overhead
// replacement cache", FAST 2003.
#pragma once

#include "core/bytes.hpp"
#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/ghost.hpp"

namespace augury {

class Arc final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "arc",
      .title = "ARC",
      .paper = "Megiddo, Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003",
  };

  explicit Arc(const Setup& setup)
      : residents_(setup.residents),
        capacity_(setup.capacity),
        once_ghosts_(capacity_),
        again_ghosts_(capacity_) {}

  void hit(Slot slot, const Request&) override {
    if (is_again_[slot]) return again_.move_to_front(slot);
    once_.unlink(slot);
    is_again_[slot] = true;
    again_.push_front(slot);
  }

  void miss(const Request& request) override {
    const auto once = static_cast<double>(once_ghosts_.weight());
    const auto again = static_cast<double>(again_ghosts_.weight());
    const auto weight = static_cast<double>(request.weight);
    returned_ = kNowhere;
    if (once_ghosts_.remove(request.hash)) {
      returned_ = kOnce;
      const double step = weight * std::max(again / once, 1.0);
      target_ = std::min(target_ + step, static_cast<double>(capacity_));
    } else if (again_ghosts_.remove(request.hash)) {
      returned_ = kAgain;
      const double step = weight * std::max(once / again, 1.0);
      target_ = std::max(target_ - step, 0.0);
    }
  }

  Slot evict() override {
    if (is_above()) return leave(once_, once_ghosts_);
    return leave(again_, again_ghosts_);
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    is_again_.ensure(slot);
    is_again_[slot] = returned_ != kNowhere;
    queue_of(slot).push_front(slot);
    returned_ = kNowhere;
    trim();
    next_victim_ = is_above() ? once_.back() : again_.back();
  }

  void remove(Slot slot) override { queue_of(slot).unlink(slot); }

  void reweighed(Slot slot, Weight old) override {
    queue_of(slot).reweighed(slot, old);
    trim();
  }

  void resize(Weight capacity) override {
    target_ *= static_cast<double>(capacity) / static_cast<double>(capacity_);
    capacity_ = capacity;
    once_ghosts_.resize(capacity);
    again_ghosts_.resize(capacity);
    trim();
  }

  bool visit(const Visit& visit) const override {
    once_.each_from_back([&](Slot slot) { visit(slot, 0); });
    again_.each_from_back([&](Slot slot) { visit(slot, 1); });
    return true;
  }

  [[nodiscard]] std::string memory() const override {
    std::string bytes;
    append(bytes, target_ / static_cast<double>(capacity_));
    return bytes;
  }
  void resume(std::string_view memory) override {
    double share = 0;
    if (consume(memory, share) && share >= 0 && share <= 1) {
      target_ = share * static_cast<double>(capacity_);
    }
  }

  void validate() const override {
    const auto in = [this](bool again) {
      return [this, again](Slot slot) {
        if (is_again_[slot] != again) throw std::logic_error("arc: in the other queue");
      };
    };
    if (once_.recount(in(false)) + again_.recount(in(true)) != residents_.size()) {
      throw std::logic_error("arc: miscounted");
    }
    if (!(target_ >= 0 && target_ <= static_cast<double>(capacity_) * (1 + 1e-9))) {
      throw std::logic_error("arc: the target is out of bounds");
    }
    if (weight_once() > capacity_ || weight_once() + weight_again() > 2 * capacity_) {
      throw std::logic_error("arc: too many ghosts");
    }
    once_ghosts_.validate();
    again_ghosts_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override {
    return nodes_.bytes() + is_again_.bytes() + once_ghosts_.bytes() + again_ghosts_.bytes();
  }

 private:
  enum Ghostly { kNowhere, kOnce, kAgain };

  // Whether once_ is larger than it should be.
  [[nodiscard]] bool is_above() const {
    const auto once = static_cast<double>(once_.weight());
    const bool above = once > target_ || (once == target_ && returned_ == kAgain);
    return !once_.empty() && (above || again_.empty());
  }

  Queue<>& queue_of(Slot slot) { return is_again_[slot] ? again_ : once_; }

  Slot leave(Queue<>& queue, Ghosts<>& ghosts) {
    const Slot slot = queue.pop_back();
    ghosts.push(residents_.hash(slot), residents_.weight(slot));
    trim();
    return slot;
  }

  // The bounds of the paper: at most one capacity of entries and ghosts asked for once, and two
  // capacities of all.
  void trim() {
    while (!once_ghosts_.empty() && weight_once() > capacity_) once_ghosts_.pop();
    while (!again_ghosts_.empty() && weight_once() + weight_again() > 2 * capacity_) {
      again_ghosts_.pop();
    }
  }
  [[nodiscard]] Weight weight_once() const { return once_.weight() + once_ghosts_.weight(); }
  [[nodiscard]] Weight weight_again() const { return again_.weight() + again_ghosts_.weight(); }

  const Residents& residents_;
  Weight capacity_;
  double target_ = 0;            // p of the paper: the weight that once_ should have
  Ghostly returned_ = kNowhere;  // whose ghost the request that missed is
  Slab<Linked> nodes_;
  Slab<bool> is_again_;
  Queue<> once_{residents_, nodes_};   // T1 of the paper; most recent in front
  Queue<> again_{residents_, nodes_};  // T2
  Ghosts<> once_ghosts_;               // B1
  Ghosts<> again_ghosts_;              // B2
};

}  // namespace augury
