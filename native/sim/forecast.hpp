// What the predictors would have fetched after each request of a trace, whatever a cache holds.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "prefetch/mixture.hpp"
#include "sim/prefetching.hpp"

namespace augury {

class Forecast {
 public:
  // Guesses are measured by whether their key is asked for within `horizon` requests.
  Forecast(const Mixture::Options& options, std::uint64_t horizon)
      : most_(options.most), mixture_(options) {
    mixture_.horizon(horizon);
  }

  [[nodiscard]] std::size_t most() const { return most_; }

  // Fills `most` a request, the likeliest first, and then kNone of probability 0. A key without an
  // id is left out. The hashes must be the same at each call.
  void feed(const PrefetchRequests& all, std::span<std::uint32_t> ids,
            std::span<float> probabilities) {
    const Requests& requests = all.requests;
    for (std::size_t id = ids_.size(); id < requests.hashes.size(); ++id) {
      ids_.emplace(requests.hashes[id], static_cast<std::uint32_t>(id));
    }
    for (std::size_t i = 0; i < requests.ids.size(); ++i) {
      const std::uint32_t id = requests.ids[i];
      const auto choices =
          mixture_.see({.hash = requests.hashes[id],
                        .number = requests.keys[id],
                        .numeric = all.numbered,
                        .session = all.sessions.empty() ? 0 : std::uint64_t{all.sessions[i]},
                        .time = requests.times.empty() ? 0 : requests.times[i]},
                       0.0F, [](std::uint64_t) { return false; });
      std::size_t at = i * most_;
      for (const Choice& choice : choices) {
        const auto known = ids_.find(choice.hash);
        if (known == ids_.end()) continue;
        ids[at] = known->second;
        probabilities[at++] = choice.probability;
      }
      for (; at < (i + 1) * most_; ++at) {
        ids[at] = kNone;
        probabilities[at] = 0;
      }
    }
  }

 private:
  std::size_t most_;
  Mixture mixture_;
  std::unordered_map<std::uint64_t, std::uint32_t> ids_;  // by hash
};

}  // namespace augury
