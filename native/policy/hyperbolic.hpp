// Hyperbolic caching: evicts the fewest requests per time in the cache, of a sample: a rate, which
// falls like a hyperbola, so nothing can be kept in order of it. A. Blankstein, S. Sen,
// M. J. Freedman, "Hyperbolic caching: flexible caching for web applications", USENIX ATC 2017.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "core/random.hpp"
#include "policy/members.hpp"
#include "policy/policy.hpp"

namespace augury {

// kLastTime: from there on times start anew (a test sets it low).
template <std::uint32_t kLastTime>
class HyperbolicWithTimes final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"sample", 64, 1, 1024, "entries drawn, of which the worst is evicted"},
  };
  static constexpr Description kDescription{
      .name = "hyperbolic",
      .title = "Hyperbolic",
      .paper =
          "Blankstein, Sen, Freedman, Hyperbolic caching: flexible caching for web applications, "
          "USENIX ATC 2017",
      .parameters = kParameters,
  };

  explicit HyperbolicWithTimes(const Setup& setup)
      : residents_(setup.residents),
        sample_(static_cast<std::uint32_t>(setup.parameter(kParameters[0]))),
        random_(setup.seed) {}

  void hit(Slot slot, const Request&) override {
    tick();
    nodes_[slot].requests += nodes_[slot].requests != kMostRequests;
  }

  void miss(const Request&) override { tick(); }

  Slot evict() override {
    Slot worst = members_.draw(random_);
    double least = rate(worst);
    for (std::uint32_t drawn = 1; drawn < sample_; ++drawn) {
      const Slot slot = members_.draw(random_);
      const double candidate = rate(slot);
      worst = candidate < least ? slot : worst;
      least = candidate < least ? candidate : least;
    }
    members_.remove(worst);
    return worst;
  }

  void insert(Slot slot, const Request&) override {
    nodes_.ensure(slot);
    members_.add(slot);
    nodes_[slot] = {.since = now_, .requests = 1};
  }

  void remove(Slot slot) override { members_.remove(slot); }

  bool visit(const Visit& visit) const override {
    std::vector<std::pair<double, Slot>> order;
    order.reserve(members_.size());
    for (const Slot slot : members_.slots()) order.emplace_back(rate(slot), slot);
    std::ranges::sort(order);
    for (const auto& [rate, slot] : order) visit(slot, nodes_[slot].requests - 1);
    return true;
  }

  void validate() const override {
    members_.validate();
    if (members_.size() != residents_.size()) throw std::logic_error("hyperbolic: miscounted");
    for (const Slot slot : members_.slots()) {
      if (nodes_[slot].since > now_) throw std::logic_error("hyperbolic: from the future");
      if (nodes_[slot].requests == 0) throw std::logic_error("hyperbolic: never asked for");
    }
  }
  [[nodiscard]] std::size_t bytes() const override { return nodes_.bytes() + members_.bytes(); }

 private:
  static constexpr std::uint32_t kMostRequests = std::numeric_limits<std::uint32_t>::max();

  struct Node {
    std::uint32_t since;     // when it was stored
    std::uint32_t requests;  // since then
  };

  // Requests per time and weight.
  [[nodiscard]] double rate(Slot slot) const {
    const Node node = nodes_[slot];
    return node.requests /
           (static_cast<double>(now_ - node.since) * static_cast<double>(residents_.weight(slot)));
  }

  // Time is counted in requests.
  void tick() {
    if (now_ == kLastTime) [[unlikely]] {
      restart_clock();
    }
    ++now_;
  }

  // Moves all to earlier times. Who has been there for too long to be moved keeps the rate.
  [[gnu::noinline]] void restart_clock() {
    const std::uint32_t now = now_ / 2;
    for (const Slot slot : members_.slots()) {
      Node& node = nodes_[slot];
      const std::uint64_t age = now_ - node.since;
      if (age > now) {
        const std::uint64_t requests = node.requests * std::uint64_t{now} / age;
        node = {.since = 0, .requests = std::max(static_cast<std::uint32_t>(requests), 1u)};
      } else {
        node.since = now - static_cast<std::uint32_t>(age);
      }
    }
    now_ = now;
  }

  const Residents& residents_;
  std::uint32_t sample_;
  Random random_;
  std::uint32_t now_ = 0;
  Slab<Node> nodes_;
  Members members_;
};

using Hyperbolic = HyperbolicWithTimes<std::numeric_limits<std::uint32_t>::max() - 1>;

}  // namespace augury
