// Random: evicts any entry, each as likely as another.
// L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
// Journal 5(2), 1966.
#pragma once

#include "core/random.hpp"
#include "policy/policy.hpp"

namespace augury {

class RandomPolicy final : public Policy {
 public:
  static constexpr Description kDescription{
      .name = "random",
      .title = "Random",
      .paper =
          "Belady, A study of replacement algorithms for a virtual-storage computer, IBM "
          "Systems Journal 5(2), 1966",
  };

  explicit RandomPolicy(const Setup& setup) : residents_(setup.residents), random_(setup.seed) {}

  void hit(Slot, const Request&) override {}

  Slot evict() override {
    const Slot slot = members_[random_.below(count_)];
    remove(slot);
    return slot;
  }

  void insert(Slot slot, const Request&) override {
    members_.ensure(count_);
    place_.ensure(slot);
    members_[count_] = slot;
    place_[slot] = count_++;
    next_victim_ = members_[random_.ahead(kAhead).below(count_)];
  }

  // The last member takes its place.
  void remove(Slot slot) override {
    const Slot last = members_[--count_];
    members_[place_[slot]] = last;
    place_[last] = place_[slot];
  }

  void validate() const override {
    if (count_ != residents_.size()) throw std::logic_error("random: miscounted");
    for (std::uint32_t i = 0; i < count_; ++i) {
      if (place_[members_[i]] != i) throw std::logic_error("random: a place is wrong");
    }
  }
  [[nodiscard]] std::size_t bytes() const override { return members_.bytes() + place_.bytes(); }

 private:
  // Evictions between fetching a victim's lines and using them: what is drawn at random is in no
  // near cache.
  static constexpr std::uint64_t kAhead = 2;

  const Residents& residents_;
  Random random_;
  Slab<Slot> members_;         // in no order
  Slab<std::uint32_t> place_;  // by slot: its index in members_
  std::uint32_t count_ = 0;
};

}  // namespace augury
