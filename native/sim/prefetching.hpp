// Replays requests through the live cache, without Python, and through what fetches ahead for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <unordered_set>

#include "cache/cache.hpp"
#include "core/slab.hpp"
#include "prefetch/mixture.hpp"
#include "sim/simulation.hpp"

namespace augury {

// What there is to prefetch for besides Requests.
struct PrefetchRequests {
  Requests requests;
  std::span<const std::uint32_t> sessions = {};  // by request, or empty: one
  bool numbered = false;  // whether Requests::keys are integers with a meaning of their own
};

struct PrefetchCounts {
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;  // of which the key was not there when it was asked for
  std::uint64_t bytes = 0;
  std::uint64_t missed_bytes = 0;
  std::uint64_t fetched = 0;        // ahead
  std::uint64_t fetched_bytes = 0;  // ahead
  std::uint64_t used = 0;           // of those fetched ahead, asked for while they waited
  std::uint64_t unused = 0;         // left without that; the rest still waits
  std::uint64_t late = 0;           // asked for while they were being fetched
  // By predictor of the catalogue: fetched, and used.
  std::array<std::uint64_t, Predictors::kSize> fetched_by{};
  std::array<std::uint64_t, Predictors::kSize> used_by{};
  // How many requests lay between the arrival of a used entry and its use: [i]: below 2^i.
  std::array<std::uint64_t, 24> waited{};
};

class PrefetchSimulation {
 public:
  struct Options {
    Plan plan;
    bool weighed = false;  // capacity is in bytes
    Mixture::Options mixture;
    double share = 0.1;       // see Probation
    double precision = 0.5;   // see Probation
    std::uint64_t delay = 0;  // requests that pass while a fetch is under way
  };

  explicit PrefetchSimulation(const Options& options)
      : options_(options), cache_(options.plan), mixture_(options.mixture) {
    mixture_.delay(options.delay);
    cache_.use_probation(
        std::make_unique<Probation>(options.plan.capacity, options.share, options.precision));
  }

  void feed(const PrefetchRequests& all) {
    const Requests& requests = all.requests;
    for (std::size_t i = 0; i < requests.ids.size(); ++i) {
      ++clock_;
      arrive();
      const std::uint32_t id = requests.ids[i];
      const std::uint64_t hash = requests.hashes[id];
      const std::uint64_t number = requests.keys.empty() ? hash : requests.keys[id];
      const std::uint64_t size = requests.sizes.empty() ? 1 : requests.sizes[i];
      const std::uint32_t time = requests.times.empty() ? 0 : requests.times[i];
      counts_.bytes += size;
      const bool hit = ask(hash, size, time);
      // As in a live cache, where what was missed is loaded meanwhile, and then stored.
      foresee({.hash = hash,
               .number = number,
               .numeric = all.numbered,
               .session = all.sessions.empty() ? 0 : std::uint64_t{all.sessions[i]},
               .time = time},
              size);
      if (!hit) {
        cache_.insert(hash, number, entry(), weight_of(size), TimerWheel::kForever, 0,
                      [](Entry) {});
      }
      if (options_.delay == 0) arrive();
      cache_.probation()->tick();
    }
    counts_.requests += requests.ids.size();
  }

  [[nodiscard]] PrefetchCounts counts() const {
    PrefetchCounts counts = counts_;
    const Probation::Counts& of_all = cache_.probation()->counts();
    counts.used = of_all.used - before_.used;
    counts.unused = of_all.unused - before_.unused;
    return counts;
  }
  void reset_counts() {
    counts_ = {};
    before_ = cache_.probation()->counts();
  }
  // Of the predictors.
  [[nodiscard]] std::size_t predictor_bytes() const { return mixture_.bytes(); }
  [[nodiscard]] Weight room() const { return cache_.probation()->room(); }
  [[nodiscard]] double threshold() const { return cache_.probation()->threshold(); }
  void validate() const {
    cache_.validate();
    mixture_.validate();
  }

 private:
  static constexpr double kLargest = 9e18;  // below 2^63

  struct Fetch {
    std::uint64_t due;
    Choice choice;
    std::uint64_t size;
  };
  struct Known {
    std::uint64_t size;  // when it was asked for last
    std::uint64_t number;
  };
  // What is known of an entry fetched ahead, by slot.
  struct Origin {
    std::uint64_t arrived;
    std::uint8_t predictor;
  };

  [[nodiscard]] Slot find(std::uint64_t hash) const {
    return cache_.find(hash, [&](Slot slot) { return cache_.hash(slot) == hash; });
  }
  [[nodiscard]] bool under_way(std::uint64_t hash) const {
    return !fetches_.empty() && under_way_.contains(hash);
  }
  [[nodiscard]] Weight weight_of(std::uint64_t size) const {
    return options_.weighed ? std::max<Weight>(size, 1) : 1;
  }
  static Entry entry() {
    static char anything;
    return {&anything, &anything};
  }

  bool ask(std::uint64_t hash, std::uint64_t size, std::uint32_t time) {
    cache_.tell_time(time);
    const Slot slot = find(hash);
    if (slot != kNone) {
      const bool waited = cache_.probation()->holds(slot);
      if (waited) use(origins_[slot]);
      cache_.hit(slot);
      // What it weighs was a guess until now.
      if (waited) {
        cache_.reweigh(slot, std::min(weight_of(size), cache_.capacity()), [](Entry) {});
      }
      return true;
    }
    if (under_way(hash)) ++counts_.late;
    ++counts_.misses;
    counts_.missed_bytes += size;
    return false;
  }

  void use(const Origin& origin) {
    ++counts_.used_by[origin.predictor];
    const auto bucket = static_cast<std::size_t>(std::bit_width(clock_ - origin.arrived));
    ++counts_.waited[std::min(bucket, counts_.waited.size() - 1)];
  }

  void foresee(const Mixture::Request& request, std::uint64_t size) {
    const Probation& probation = *cache_.probation();
    mixture_.horizon(probation.horizon());
    const auto choices =
        mixture_.see(request, static_cast<float>(probation.threshold()),
                     [&](std::uint64_t hash) { return find(hash) != kNone || under_way(hash); });
    const Slot key = mixture_.touched().key;
    known_.ensure(key);
    known_[key] = {size, request.number};
    typical_size_ += (std::min(static_cast<double>(size), kLargest) - typical_size_) / 64;
    for (Choice choice : choices) {
      // Of a key that was never seen nobody knows the size.
      auto expected = static_cast<std::uint64_t>(typical_size_);
      if (choice.key != kNone) {
        expected = known_[choice.key].size;
        choice.number = known_[choice.key].number;
      }
      fetches_.push_back({clock_ + options_.delay, choice, expected});
      under_way_.insert(choice.hash);
    }
  }

  void arrive() {
    for (; !fetches_.empty() && fetches_.front().due <= clock_; fetches_.pop_front()) {
      const Fetch& fetch = fetches_.front();
      under_way_.erase(fetch.choice.hash);
      ++counts_.fetched;
      counts_.fetched_bytes += fetch.size;
      ++counts_.fetched_by[fetch.choice.predictor];
      if (find(fetch.choice.hash) != kNone) continue;  // asked for meanwhile
      const Slot slot =
          cache_.insert_ahead(fetch.choice.hash, fetch.choice.number, entry(),
                              weight_of(fetch.size), TimerWheel::kForever, 0, [](Entry) {});
      if (slot == kNone) continue;
      origins_.ensure(slot);
      origins_[slot] = {clock_, fetch.choice.predictor};
    }
  }

  Options options_;
  Cache cache_;
  Mixture mixture_;
  PrefetchCounts counts_;
  Probation::Counts before_;  // when the counts were reset
  std::uint64_t clock_ = 0;
  std::deque<Fetch> fetches_;                    // in order of their arrival
  std::unordered_set<std::uint64_t> under_way_;  // their hashes
  Slab<Origin> origins_;                         // by slot
  Slab<Known> known_;                            // by key of the mixture
  double typical_size_ = 1;
};

}  // namespace augury
