// W-TinyLFU: new entries pass through a window; who leaves it gets into the main part, which is
// segmented, only if it was asked for more often than who would leave in its place. A hill climber
// sets the window's share by the hit ratio. G. Einziger, R. Friedman, B. Manes, "TinyLFU: a highly
// efficient cache admission policy", ACM Transactions on Storage 13(4), 2017; G. Einziger, O.
// Eytan, R. Friedman, B. Manes, "Adaptive software cache management", Middleware 2018.
#pragma once

#include <array>
#include <cmath>

#include "core/bytes.hpp"
#include "core/random.hpp"
#include "policy/policy.hpp"
#include "policy/queue.hpp"
#include "sketch/count_min.hpp"

namespace augury {

// It differs from Caffeine so that a hit writes one node and nothing else. Each part is a CLOCK and
// not an LRU queue, so that entries move when their turn comes; and a resident counts its hits
// itself, the sketch gets them when it leaves. And it differs in four numbers, each better on the
// traces of docs/policies.md: the window starts at 20% of the capacity, not 1%, and is made larger
// first; the climber's step is 3%, not 6%; and counts are halved half as often.
//
// Of weighted entries the candidate has to be worth more than all those together that would leave
// in its place (G. Einziger, O. Eytan, R. Friedman, B. Manes, "Lightweight robust size aware cache
// management", ACM Transactions on Storage 18(3), 2022).
class WTinyLfu final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"window", 0.2, 0, 1, "share of the capacity for the window, at first"},
      Parameter{"protected", 0.8, 0, 1, "share of the main part for those asked for again there"},
      Parameter{"adapt", 1, 0, 1, "0: the window keeps its share"},
  };
  static constexpr Description kDescription{
      .name = "wtinylfu",
      .title = "W-TinyLFU",
      .paper =
          "Einziger, Eytan, Friedman, Manes, Adaptive software cache management, Middleware 2018",
      .parameters = kParameters,
  };

  explicit WTinyLfu(const Setup& setup)
      : residents_(setup.residents),
        window_share_(setup.parameter(kParameters[0])),
        protected_share_(setup.parameter(kParameters[1])),
        adapts_(setup.parameter(kParameters[2]) != 0),
        random_(setup.seed) {
    resize(setup.capacity);
  }

  void hit(Slot slot, const Request&) override {
    ++hits_;
    Node& node = nodes_[slot];
    node.hits += node.hits < kMostHits;
    node.asked = true;
  }

  void miss(const Request& request) override {
    ++misses_;
    // The sketch does not shrink with the cache; to halve it takes time in proportion to its size.
    const std::size_t entries = std::max({residents_.size(), sketch_.keys() / 64, std::size_t{1}});
    if (hits_ + misses_ >= kSample * entries) end_sample();
    sketch_.reserve(residents_.size() + 1);
    sketch_.add(request.hash);
    incoming_ = request.weight;
    owed_ = 0;
  }

  Slot evict() override {
    const bool overfull = parts_[kWindow].weight() + incoming_ > window_limit_;
    if (owed_ == 0 && overfull && !parts_[kWindow].empty()) {
      const Slot candidate = oldest_unasked(kWindow);
      promote();
      if (!deserves(candidate)) return leave(kWindow);
      owed_ = residents_.weight(candidate);
      parts_[kWindow].unlink(candidate);
      push(candidate, kProbation);
    }
    promote();
    for (const Part part : {kProbation, kProtected}) {
      if (!parts_[part].empty()) return leave(part);
    }
    return leave(kWindow);
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    nodes_[slot].hits = 0;
    push(slot, kWindow);
    incoming_ = 0;
    owed_ = 0;
    drain();
    next_victim_ = parts_[kWindow].back();
  }

  void remove(Slot slot) override { parts_[nodes_[slot].part].unlink(slot); }

  void reweighed(Slot slot, Weight old) override {
    parts_[nodes_[slot].part].reweighed(slot, old);
    demote();
  }

  void resize(Weight capacity) override {
    capacity_ = capacity;
    step_ = kStep * static_cast<double>(capacity);
    hits_ = misses_ = 0;
    set_window(share_of(capacity, window_share_));
  }

  bool visit(const Visit& visit) const override {
    for (const Part part : {kProbation, kProtected, kWindow}) {
      parts_[part].each_from_back(
          [&](Slot slot) { visit(slot, std::max(frequency(slot), 1U) - 1); });
    }
    return true;
  }

  [[nodiscard]] std::string memory() const override {
    const auto capacity = static_cast<double>(capacity_);
    std::string bytes;
    append(bytes,
           Climb{static_cast<double>(window_limit_) / capacity, step_ / capacity, ratio_before_});
    return bytes;
  }
  void resume(std::string_view memory) override {
    hits_ = misses_ = 0;
    Climb climb{};
    if (!adapts_ || !consume(memory, climb)) return;
    if (!(climb.window >= 0 && climb.window <= 1 && std::abs(climb.step) <= 1)) return;
    step_ = climb.step * static_cast<double>(capacity_);
    ratio_before_ = climb.ratio;
    set_window(share_of(capacity_, climb.window));
  }

  void validate() const override {
    std::size_t count = 0;
    for (const Part part : {kWindow, kProbation, kProtected}) {
      count += parts_[part].recount([&](Slot slot) {
        if (nodes_[slot].part != part) throw std::logic_error("wtinylfu: in another part");
        if (nodes_[slot].hits > kMostHits) throw std::logic_error("wtinylfu: too many hits");
      });
    }
    if (count != residents_.size()) throw std::logic_error("wtinylfu: miscounted");
    if (parts_[kProtected].weight() > protected_limit_) {
      throw std::logic_error("wtinylfu: protects too much");
    }
    if (window_limit_ < 1 || window_limit_ > capacity_) {
      throw std::logic_error("wtinylfu: the window is out of bounds");
    }
    sketch_.validate();
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + sketch_.bytes(); }

 private:
  enum Part : std::uint8_t { kWindow, kProbation, kProtected };
  struct Node {
    Links links;
    std::uint8_t hits;  // since it came, halved as the sketch is
    Part part;
    bool asked;  // since it came into its part or was last looked at
  };

  struct Climb {
    double window;  // share of the capacity
    double step;    // likewise
    double ratio;   // see ratio_before_
  };

  static constexpr std::uint8_t kMostHits = CountMin::kMost;
  static constexpr std::uint64_t kSample = 10;  // requests an entry, between looks at the hit ratio
  static constexpr std::uint64_t kAgeing = 2;   // samples between two halvings of all counts
  static constexpr double kStep = 0.03125;      // of the capacity, the climber's first
  static constexpr double kDecay = 0.98;        // of the step
  static constexpr double kRestart = 0.05;      // a change of the hit ratio that starts it anew

  void push(Slot slot, Part part) {
    nodes_[slot].part = part;
    nodes_[slot].asked = false;
    parts_[part].push_front(slot);
  }

  Slot leave(Part part) {
    const Slot slot = oldest_unasked(part);
    parts_[part].unlink(slot);
    const Weight weight = residents_.weight(slot);
    owed_ -= std::min(owed_, weight);
    if (nodes_[slot].hits != 0) sketch_.add(residents_.hash(slot), nodes_[slot].hits);
    return slot;
  }

  [[nodiscard]] std::uint32_t frequency(Slot slot) const {
    return sketch_.estimate(residents_.hash(slot)) + nodes_[slot].hits;
  }

  // Spares those asked for since they were last looked at.
  Slot oldest_unasked(Part part) {
    Slot slot = parts_[part].back();
    while (nodes_[slot].asked) {
      nodes_[slot].asked = false;
      parts_[part].move_to_front(slot);
      slot = parts_[part].back();
    }
    return slot;
  }

  // Protects those next to leave that were asked for in the main part.
  void promote() {
    while (!parts_[kProbation].empty() && nodes_[parts_[kProbation].back()].asked) {
      const Slot slot = parts_[kProbation].pop_back();
      push(slot, residents_.weight(slot) <= protected_limit_ ? kProtected : kProbation);
      demote();
    }
  }

  // Whether a candidate is worth more than those that would leave the main part for it.
  bool deserves(Slot candidate) {
    const std::uint32_t worth = frequency(candidate);
    const Weight weight = residents_.weight(candidate);
    std::uint32_t lost = 0;
    Weight freed = 0;
    for (const Part part : {kProbation, kProtected}) {
      for (Slot slot = parts_[part].back(); slot != kNone && freed < weight;
           slot = parts_[part].towards_front(slot)) {
        lost += frequency(slot);
        // Now and then one that is asked for often gets in all the same, or colliding keys chosen
        // to keep others out could do so.
        if (worth <= lost) return worth >= kFrequent && random_.below(128) == 0;
        freed += residents_.weight(slot);
      }
    }
    return true;
  }
  static constexpr std::uint32_t kFrequent = 6;

  void demote() {
    while (parts_[kProtected].weight() > protected_limit_) {
      const Slot slot = oldest_unasked(kProtected);
      parts_[kProtected].unlink(slot);
      push(slot, kProbation);
    }
  }

  // Lets entries out of the window as long as the main part has room for them.
  void drain() {
    const Weight main_limit = capacity_ - window_limit_;
    while (parts_[kWindow].weight() > window_limit_) {
      const Weight weight = residents_.weight(parts_[kWindow].back());
      const Weight main = parts_[kProbation].weight() + parts_[kProtected].weight();
      if (main + weight > main_limit) return;
      push(parts_[kWindow].pop_back(), kProbation);
    }
  }

  void set_window(Weight limit) {
    window_limit_ = std::clamp<Weight>(limit, 1, capacity_);
    protected_limit_ = share_of(capacity_ - window_limit_, protected_share_, 0);
    demote();
    drain();
  }

  void end_sample() {
    if (++samples_ % kAgeing == 0) halve();
    if (adapts_) climb();
    hits_ = misses_ = 0;
  }

  void halve() {
    sketch_.halve();
    const std::size_t slots = std::min<std::size_t>(residents_.slots(), nodes_.size());
    for (std::size_t slot = 0; slot < slots; ++slot) {
      nodes_[slot].hits = static_cast<std::uint8_t>(nodes_[slot].hits / 2);
    }
  }

  // Goes on as long as the hit ratio rises, and turns back when it falls.
  void climb() {
    const double ratio = static_cast<double>(hits_) / static_cast<double>(hits_ + misses_);
    const double change = ratio - ratio_before_;
    const double amount = change >= 0 ? step_ : -step_;
    step_ = std::abs(change) >= kRestart
                ? std::copysign(kStep * static_cast<double>(capacity_), amount)
                : kDecay * amount;
    ratio_before_ = ratio;
    const double limit = static_cast<double>(window_limit_) + amount;
    set_window(static_cast<Weight>(std::clamp(limit, 1.0, static_cast<double>(capacity_))));
  }

  const Residents& residents_;
  double window_share_;
  double protected_share_;
  bool adapts_;
  Random random_;
  Weight capacity_ = 0;
  Weight window_limit_ = 0;
  Weight protected_limit_ = 0;
  Weight incoming_ = 0;      // weight of the request that missed
  Weight owed_ = 0;          // weight that has to leave the main part for the one it has got
  double step_ = 0;          // of the climber, in weight
  double ratio_before_ = 0;  // hit ratio of the sample before
  std::uint64_t hits_ = 0;   // in this sample
  std::uint64_t misses_ = 0;
  std::uint64_t samples_ = 0;
  CountMin sketch_;
  Slab<Node> nodes_;
  std::array<Queue<Node>, 3> parts_{{
      {residents_, nodes_},
      {residents_, nodes_},
      {residents_, nodes_},
  }};  // by Part; latest in front
};

}  // namespace augury
