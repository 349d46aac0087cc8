// LHD, Least Hit Density: evicts whom least is to be expected of: the probability of a hit, divided
// by the weight and by the time that it would take. Both are measured, by age and by how soon
// former hits came. N. Beckmann, H. Chen, A. Cidon, "LHD: improving cache hit rate by maximizing
// hit density", NSDI 2018.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include "core/random.hpp"
#include "policy/members.hpp"
#include "policy/policy.hpp"

namespace augury {

// Ages are counted in requests and kept in buckets that grow with them, eight an octave, where the
// paper has equal buckets and fits their width to the cache: here there is nothing to fit.
//
// kLastTime: from there on times start anew (a test sets it low).
template <std::uint32_t kLastTime>
class LhdWithTimes final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"sample", 16, 1, 1024, "entries drawn, of which the worst is evicted"},
      Parameter{"explore", 0.01, 0, 0.5, "share of the capacity kept without regard to density"},
  };
  static constexpr Description kDescription{
      .name = "lhd",
      .title = "LHD",
      .paper =
          "Beckmann, Chen, Cidon, LHD: improving cache hit rate by maximizing hit density, NSDI "
          "2018",
      .parameters = kParameters,
  };

  explicit LhdWithTimes(const Setup& setup)
      : residents_(setup.residents),
        sample_(static_cast<std::uint32_t>(setup.parameter(kParameters[0]))),
        explore_share_(setup.parameter(kParameters[1])),
        random_(setup.seed) {
    for (Slab<float>* cells : {&hits_, &evictions_, &densities_}) {
      cells->reserve(kCells);
      for (std::uint32_t i = 0; i < kCells; ++i) (*cells)[i] = 0;
    }
    recent_.fill(kNone);
    reconfigure();
    resize(setup.capacity);
  }

  void hit(Slot slot, const Request&) override {
    tick();
    Node& node = nodes_[slot];
    const std::uint32_t bucket = bucket_of(now_ - node.since);
    hits_[cell(node.hit_class, bucket)] += 1;
    if (node.explores) stop_exploring(slot);
    // The sum of the last two ages at a hit, of which the first counts as none.
    node.hit_class = class_of(begin_of(bucket) + begin_of(node.last));
    node.last = static_cast<std::uint8_t>(bucket);
    node.since = now_;
    if (explores(slot)) start_exploring(slot);
  }

  void miss(const Request&) override { tick(); }

  Slot evict() override {
    Slot worst = members_.draw(random_);
    float least = density(worst);
    const auto consider = [&](Slot slot) {
      const float candidate = density(slot);
      worst = candidate < least ? slot : worst;
      least = candidate < least ? candidate : least;
    };
    for (std::uint32_t drawn = 1; drawn < sample_; ++drawn) consider(members_.draw(random_));
    for (const Slot slot : recent_) {
      if (slot != kNone && nodes_[slot].hit_class != kGone) consider(slot);
    }
    const Node& node = nodes_[worst];
    if (!node.explores) victim_density_ += (least - victim_density_) * (1 - kKeep);
    evictions_[cell(node.hit_class, bucket_of(now_ - node.since))] += 1;
    remove(worst);
    return worst;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    members_.add(slot);
    nodes_[slot] = {.since = now_, .last = 0, .hit_class = 0, .explores = false};
    if (explores(slot)) {
      start_exploring(slot);
    } else if (density(slot) < victim_density_) {
      recent_[recent_next_++ % recent_.size()] = slot;
    }
  }

  void remove(Slot slot) override {
    if (nodes_[slot].explores) stop_exploring(slot);
    nodes_[slot].hit_class = kGone;
    members_.remove(slot);
  }

  void reweighed(Slot slot, Weight old) override {
    if (nodes_[slot].explores) exploring_ += residents_.weight(slot) - old;
  }

  void resize(Weight capacity) override {
    explore_limit_ = static_cast<Weight>(static_cast<double>(capacity) * explore_share_);
  }

  bool visit(const Visit& visit) const override {
    std::vector<std::pair<float, Slot>> order;
    order.reserve(members_.size());
    for (const Slot slot : members_.slots()) order.emplace_back(density(slot), slot);
    std::ranges::sort(order);
    for (const auto& [density, slot] : order) visit(slot, nodes_[slot].hit_class == 0 ? 0 : 1);
    return true;
  }

  void validate() const override {
    members_.validate();
    if (members_.size() != residents_.size()) throw std::logic_error("lhd: miscounted");
    Weight exploring = 0;
    for (const Slot slot : members_.slots()) {
      const Node& node = nodes_[slot];
      if (node.since > now_) throw std::logic_error("lhd: from the future");
      if (node.hit_class >= kClasses) throw std::logic_error("lhd: in no class");
      if (node.explores) exploring += residents_.weight(slot);
    }
    if (exploring != exploring_) throw std::logic_error("lhd: misweighed explorers");
  }
  [[nodiscard]] std::size_t bytes() const override {
    return nodes_.bytes() + members_.bytes() + hits_.bytes() + evictions_.bytes() +
           densities_.bytes();
  }

 private:
  static constexpr std::uint32_t kSteps = 8;  // buckets an octave
  static constexpr std::uint32_t kBuckets = 30 * kSteps;
  static constexpr std::uint32_t kClasses = 16;  // 0: never hit
  static constexpr std::uint32_t kCells = kClasses * kBuckets;
  static constexpr std::uint8_t kGone = 255;
  static constexpr float kKeep = 0.9F;              // of what was measured, at each reconfiguration
  static constexpr float kAssumed = 2;              // hits that what is assumed counts as
  static constexpr std::uint32_t kFirst = 1U << 8;  // reconfiguration, in requests
  static constexpr std::uint32_t kShortest = 1U << 12;
  static constexpr std::uint32_t kLongest = 1U << 20;

  struct Node {
    std::uint32_t since;     // time of the last request
    std::uint8_t last;       // bucket of its age then
    std::uint8_t hit_class;  // or kGone
    bool explores;
  };
  // Exact below kSteps; then by the highest bit and the three after it.
  static std::uint32_t bucket_of(std::uint32_t age) {
    if (age < kSteps) return age;
    const auto octave = static_cast<std::uint32_t>(std::bit_width(age)) - 4;
    return std::min((octave + 1) * kSteps + (age >> octave) - kSteps, kBuckets - 1);
  }
  static std::uint64_t begin_of(std::uint32_t bucket) {
    if (bucket < kSteps) return bucket;
    return std::uint64_t{kSteps + bucket % kSteps} << (bucket / kSteps - 1);
  }
  static std::uint8_t class_of(std::uint64_t ages) {
    return static_cast<std::uint8_t>(1 + std::min<int>(std::bit_width(ages) / 2, 14));
  }

  static std::uint32_t cell(std::uint32_t hit_class, std::uint32_t bucket) {
    return hit_class * kBuckets + bucket;
  }

  [[nodiscard]] float density(Slot slot) const {
    const Node& node = nodes_[slot];
    if (node.explores) return std::numeric_limits<float>::infinity();
    return densities_[cell(node.hit_class, bucket_of(now_ - node.since))] /
           static_cast<float>(residents_.weight(slot));
  }

  // Some are kept whatever their density, or a class once found bad would never be looked at again.
  // One request in 32, evenly spread (multiples of the golden ratio), as hits have no time for
  // more.
  [[nodiscard]] bool explores(Slot slot) const {
    return now_ * 0x9E3779B9U < 1U << 27 && exploring_ + residents_.weight(slot) <= explore_limit_;
  }
  void start_exploring(Slot slot) {
    nodes_[slot].explores = true;
    exploring_ += residents_.weight(slot);
  }
  void stop_exploring(Slot slot) {
    nodes_[slot].explores = false;
    exploring_ -= residents_.weight(slot);
  }

  void tick() {
    if (now_ == kLastTime) [[unlikely]] {
      restart_clock();
    }
    ++now_;
    if (--until_reconfiguration_ == 0) [[unlikely]] {
      reconfigure();
    }
  }

  // What to expect before anything is measured: a wait as long as the entry has waited since, and
  // between former hits.
  [[nodiscard]] float assumed_wait(std::uint32_t hit_class, std::uint32_t bucket) const {
    const double between = hit_class == 0 ? 4.0 * std::max(members_.size(), 16U)
                                          : static_cast<double>(1U << (2 * hit_class - 2)) / 2;
    return static_cast<float>(static_cast<double>(begin_of(bucket)) + between);
  }

  // What is next to nothing becomes nothing, before it takes the slow path of denormal numbers.
  static float kept(float count) { return count < 1e-6F ? 0 : count * kKeep; }

  // Of those that got to an age, how many were hit later, and how long did all stay?
  [[gnu::noinline]] void reconfigure() {
    for (std::uint32_t hit_class = 0; hit_class < kClasses; ++hit_class) {
      float hits = kAssumed;
      float events = 0;
      float stay = 0;
      for (std::uint32_t bucket = kBuckets; bucket-- > 0;) {
        const std::uint32_t at = cell(hit_class, bucket);
        const auto width = static_cast<float>(begin_of(bucket + 1) - begin_of(bucket));
        const float here = hits_[at] + evictions_[at];
        stay += (events + here / 2) * width;
        events += here;
        hits += hits_[at];
        densities_[at] = hits / (stay + kAssumed * assumed_wait(hit_class, bucket));
        hits_[at] = kept(hits_[at]);
        evictions_[at] = kept(evictions_[at]);
      }
    }
    // Often at first, as there is nothing else to go by.
    interval_ = std::min(2 * interval_, std::clamp(members_.size(), kShortest, kLongest));
    until_reconfiguration_ = interval_;
  }

  // Moves all to earlier times; ages beyond half of what can be told are cut.
  [[gnu::noinline]] void restart_clock() {
    const std::uint32_t now = now_ / 2;
    for (const Slot slot : members_.slots()) {
      nodes_[slot].since = now - std::min(now_ - nodes_[slot].since, now);
    }
    now_ = now;
  }

  const Residents& residents_;
  std::uint32_t sample_;
  double explore_share_;
  Weight explore_limit_ = 0;
  Weight exploring_ = 0;
  Random random_;
  std::uint32_t now_ = 0;
  std::uint32_t interval_ = kFirst / 2;  // requests between reconfigurations
  std::uint32_t until_reconfiguration_ = 0;
  float victim_density_ = 0;  // of late
  // A cache cannot refuse entries; those that look like victims at once are considered too.
  std::array<Slot, 8> recent_{};
  std::uint32_t recent_next_ = 0;
  Slab<Node> nodes_;
  Members members_;
  // By class and bucket of age; apart, so that the few in use stay close together.
  Slab<float> hits_;
  Slab<float> evictions_;
  Slab<float> densities_;  // hits to expect, per request that goes by
};

using Lhd = LhdWithTimes<std::numeric_limits<std::uint32_t>::max() - 1>;

}  // namespace augury
