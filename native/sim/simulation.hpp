// Replays requests through the same engine and policies as the live cache, without keys or values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cache/engine.hpp"
#include "core/hash.hpp"
#include "core/slab.hpp"
#include "policy/factory.hpp"

namespace augury {

// Consecutive requests of a trace whose keys are dense ids: 0, 1, 2 ... in order of first
// appearance.
struct Requests {
  std::span<const std::uint32_t> ids;
  std::span<const std::uint64_t> hashes;  // by id
  std::span<const std::uint64_t> sizes;   // by request, or empty: all 1
  std::span<const std::uint64_t> keys =
      {};  // by id, or empty: the hashes serve. See Request::number
  std::span<const std::int64_t> next = {};    // by request, or empty: unknown. See Request::next
  std::span<const std::uint32_t> times = {};  // by request, or empty: unknown. See Request::time
};

struct Counts {
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;
  std::uint64_t bytes = 0;
  std::uint64_t missed_bytes = 0;
  std::array<std::uint64_t, kKeyGroups> group_misses{};  // see key_group()
  std::array<std::uint64_t, kKeyGroups> group_missed_bytes{};
};

class Simulation {
 public:
  virtual ~Simulation() = default;
  Simulation() = default;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  virtual void feed(const Requests& requests) = 0;
  virtual void use_model(std::shared_ptr<const Model> model) = 0;
  virtual void validate() const = 0;
  [[nodiscard]] virtual std::size_t bytes() const = 0;
  [[nodiscard]] virtual std::size_t entries() const = 0;

  [[nodiscard]] const Counts& counts() const { return counts_; }
  // What came so far was to warm the cache: forgets the counts, keeps the contents.
  void reset_counts() { counts_ = {}; }

 protected:
  Counts counts_;
};

template <class P>
class SimulationOf final : public Simulation {
 public:
  // `weighed`: capacity is in bytes; otherwise every request weighs 1.
  SimulationOf(Weight capacity, bool weighed, std::uint64_t seed,
               const std::map<std::string, double, std::less<>>& parameters,
               std::shared_ptr<const Model> model)
      : engine_(capacity),
        weighed_(weighed),
        policy_({.residents = engine_.residents(),
                 .capacity = capacity,
                 .seed = seed,
                 .parameters = &parameters,
                 .model = std::move(model)}) {}

  void use_model(std::shared_ptr<const Model> model) override {
    policy_.use_model(std::move(model));
  }

  void feed(const Requests& requests) override {
    grow(requests.hashes.size());
    if (requests.sizes.empty()) {
      replay<false, false>(requests);
    } else if (weighed_) {
      replay<true, true>(requests);
    } else {
      replay<true, false>(requests);
    }
  }

  void validate() const override { policy_.validate(); }
  [[nodiscard]] std::size_t entries() const override { return engine_.residents().size(); }
  [[nodiscard]] std::size_t bytes() const override {
    return engine_.residents().bytes() + policy_.bytes() + slots_.bytes() + ids_.bytes();
  }

 private:
  static constexpr std::size_t kAhead =
      12;  // requests between asking memory for a slot and its use

  template <bool kSized, bool kWeighed>
  void replay(const Requests& requests) {
    const std::size_t count = requests.ids.size();
    const bool oracle = !requests.next.empty();
    const bool timed = !requests.times.empty();
    const std::span<const std::uint64_t> keys =
        requests.keys.empty() ? requests.hashes : requests.keys;
    std::uint64_t misses = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) __builtin_prefetch(&slots_[requests.ids[i + kAhead]]);
      const std::uint32_t id = requests.ids[i];
      Request request{.hash = requests.hashes[id]};
      if constexpr (kSized) {
        request.size = requests.sizes[i];
        counts_.bytes += request.size;
      }
      if constexpr (kWeighed) request.weight = requests.sizes[i] == 0 ? 1 : requests.sizes[i];
      if (oracle) request.next = requests.next[i];
      if (timed) request.time = requests.times[i];
      const Slot slot = slots_[id];
      if (slot != kNone) {
        engine_.hit(policy_, slot, request);
        continue;
      }
      ++misses;
      ++counts_.group_misses[key_group(request.hash)];
      request.number = keys[id];
      if constexpr (kSized) {
        counts_.missed_bytes += requests.sizes[i];
        counts_.group_missed_bytes[key_group(request.hash)] += requests.sizes[i];
      }
      const Slot taken =
          engine_.admit(policy_, request, [&](Slot victim) { slots_[ids_[victim]] = kNone; });
      if (taken == kNone) continue;
      ids_.ensure(taken);
      ids_[taken] = id;
      slots_[id] = taken;
    }
    counts_.requests += count;
    counts_.misses += misses;
    if constexpr (!kSized) {
      counts_.bytes += count;
      counts_.missed_bytes += misses;
      counts_.group_missed_bytes = counts_.group_misses;
    }
  }

  void grow(std::size_t keys) {
    const std::size_t before = slots_.size();
    if (keys <= before) return;
    slots_.ensure(keys - 1);
    for (std::size_t id = before; id < slots_.size(); ++id) slots_[id] = kNone;
  }

  Engine<P> engine_;
  bool weighed_;
  P policy_;
  Slab<Slot> slots_;         // by id
  Slab<std::uint32_t> ids_;  // by slot
};

// Returns nullptr for an unknown policy.
inline std::unique_ptr<Simulation> make_simulation(
    std::string_view policy, Weight capacity, bool weighed, std::uint64_t seed,
    const std::map<std::string, double, std::less<>>& parameters,
    std::shared_ptr<const Model> model) {
  std::unique_ptr<Simulation> simulation;
  with_policy(Catalogue{}, policy, [&]<class P>() {
    simulation =
        std::make_unique<SimulationOf<P>>(capacity, weighed, seed, parameters, std::move(model));
  });
  return simulation;
}

}  // namespace augury
