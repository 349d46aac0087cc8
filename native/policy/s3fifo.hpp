// S3-FIFO: new entries pass through a small queue, and only those asked for again there, or soon
// after they left, get into the main queue, a CLOCK. J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V.
// Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
#pragma once

#include <array>

#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/ghost.hpp"

namespace augury {

class S3Fifo final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"small", 0.1, 0, 1, "share of the capacity for the small queue"},
      Parameter{"ghost", 0.9, 0, 4, "ghosts remembered, as a share of the capacity"},
      Parameter{"promote", 2, 1, 3, "hits in the small queue that lead to the main queue"},
  };
  static constexpr Description kDescription{
      .name = "s3fifo",
      .title = "S3-FIFO",
      .paper = "Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023",
      .parameters = kParameters,
  };

  explicit S3Fifo(const Setup& setup)
      : residents_(setup.residents),
        small_share_(setup.parameter(kParameters[0])),
        ghost_share_(setup.parameter(kParameters[1])),
        promote_(static_cast<std::uint8_t>(setup.parameter(kParameters[2]))),
        ghosts_(0) {
    resize(setup.capacity);
  }

  void hit(Slot slot, const Request&) override { hits_[slot] += hits_[slot] < kMostHits; }

  void miss(const Request& request) override { returned_ = ghosts_.remove(request.hash); }

  Slot evict() override {
    full_ = true;
    if (main_.weight() <= main_limit_ || main_.empty()) {
      while (!small_.empty()) {
        const Slot slot = small_.pop_back();
        if (hits_[slot] < promote_) {
          ghosts_.push(residents_.hash(slot), residents_.weight(slot));
          return slot;
        }
        push_main(slot);
      }
    }
    Slot slot = main_.back();
    while (hits_[slot] != 0) {
      --hits_[slot];
      main_.move_to_front(slot);
      slot = main_.back();
    }
    main_.unlink(slot);
    return slot;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    hits_.ensure(slot);
    in_main_.ensure(slot);
    // Until the cache has been full once, what the small queue has no room for goes to the main
    // one.
    if (returned_ || (!full_ && small_.weight() >= small_limit_)) {
      push_main(slot);
    } else {
      hits_[slot] = 0;
      in_main_[slot] = false;
      small_.push_front(slot);
    }
    returned_ = false;
    next_victim_ = main_.weight() > main_limit_ ? main_.back() : small_.back();
  }

  void remove(Slot slot) override { queue_of(slot).unlink(slot); }
  void reweighed(Slot slot, Weight old) override { queue_of(slot).reweighed(slot, old); }

  void resize(Weight capacity) override {
    small_limit_ = share_of(capacity, small_share_);
    main_limit_ = capacity - std::min(capacity, small_limit_);
    ghosts_.resize(share_of(capacity, ghost_share_, 0));
    full_ = false;
  }

  // In this order the first ones fill the small queue again, and the others the main one.
  bool visit(const Visit& visit) const override {
    for (const Queue<>* queue : {&small_, &main_}) {
      queue->each_from_back([&](Slot slot) { visit(slot, hits_[slot]); });
    }
    return true;
  }

  void validate() const override {
    const auto in = [this](bool main) {
      return [this, main](Slot slot) {
        if (in_main_[slot] != main) throw std::logic_error("s3fifo: in the other queue");
        if (hits_[slot] > kMostHits) throw std::logic_error("s3fifo: counted too many hits");
      };
    };
    if (small_.recount(in(false)) + main_.recount(in(true)) != residents_.size()) {
      throw std::logic_error("s3fifo: miscounted");
    }
    ghosts_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override {
    return nodes_.bytes() + hits_.bytes() + in_main_.bytes() + ghosts_.bytes();
  }

 private:
  static constexpr std::uint8_t kMostHits = 3;

  Queue<>& queue_of(Slot slot) { return in_main_[slot] ? main_ : small_; }

  void push_main(Slot slot) {
    hits_[slot] = 0;
    in_main_[slot] = true;
    main_.push_front(slot);
  }

  const Residents& residents_;
  double small_share_;
  double ghost_share_;
  std::uint8_t promote_;
  Weight small_limit_ = 0;
  Weight main_limit_ = 0;
  bool full_ = false;      // something was evicted at this capacity
  bool returned_ = false;  // the request that missed is of a ghost
  Slab<Linked> nodes_;
  Slab<std::uint8_t> hits_;
  Slab<bool> in_main_;
  Queue<> small_{residents_, nodes_};  // youngest in front, as in main_
  Queue<> main_{residents_, nodes_};
  Ghosts<> ghosts_;
};

}  // namespace augury
