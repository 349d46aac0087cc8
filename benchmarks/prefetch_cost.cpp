// Nanoseconds that each request takes the predictors: `./guesses KEYS REQUESTS PREDICTORS` prints
// min, p50, p99, p99.9, max, mean (of all, without reading the clock) and bytes a key known.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/random.hpp"
#include "prefetch/mixture.hpp"

namespace {

using namespace augury;
using Clock = std::chrono::steady_clock;

// Zipf with an exponent of 1 over `keys`, by the inverse of the continuous one; half of the
// requests follow the one before as they did the last time, in baskets of four, as in kosarak.
std::vector<Mixture::Request> requests_of(std::uint64_t keys, std::size_t count) {
  Random random(1);
  std::vector<Mixture::Request> requests;
  requests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double uniform = static_cast<double>(random.next() >> 11) * 0x1p-53;
    auto key = static_cast<std::uint64_t>(std::pow(static_cast<double>(keys), uniform));
    if (i % 4 != 0 && random.below(2) == 0) key = mix(requests.back().number) % keys;
    requests.push_back({.hash = integer_hash(key),
                        .number = key,
                        .numeric = true,
                        .session = i / 4 % 1000,
                        .time = static_cast<std::uint32_t>(1 + i / 1000)});
  }
  return requests;
}

std::uint64_t nanoseconds(Clock::time_point from, Clock::time_point to) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const std::uint64_t keys = std::strtoull(arguments[1], nullptr, 10);
  const auto requests = requests_of(keys, std::strtoull(arguments[2], nullptr, 10));
  const auto predictors = static_cast<std::uint32_t>(std::strtoul(arguments[3], nullptr, 10));
  // As a cache of 5% of the keys would answer: the hottest are there.
  const auto has = [&](std::uint64_t hash) { return hash % 16 == 0; };

  Mixture timed({.keys = keys, .predictors = predictors});
  std::vector<std::uint64_t> took;
  took.reserve(requests.size());
  for (const Mixture::Request& request : requests) {
    const auto before = Clock::now();
    timed.see(request, 0.5F, has);
    took.push_back(nanoseconds(before, Clock::now()));
  }
  took.erase(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2));
  std::sort(took.begin(), took.end());
  const auto at = [&](double share) {
    return took[static_cast<std::size_t>(share * static_cast<double>(took.size() - 1))];
  };

  Mixture whole({.keys = keys, .predictors = predictors});
  const std::size_t half = requests.size() / 2;
  for (std::size_t i = 0; i < half; ++i) whole.see(requests[i], 0.5F, has);
  const auto before = Clock::now();
  for (std::size_t i = half; i < requests.size(); ++i) whole.see(requests[i], 0.5F, has);
  const double mean = static_cast<double>(nanoseconds(before, Clock::now())) /
                      static_cast<double>(requests.size() - half);
  std::printf("%llu %llu %llu %llu %llu %.0f %.0f\n", static_cast<unsigned long long>(at(0)),
              static_cast<unsigned long long>(at(0.5)), static_cast<unsigned long long>(at(0.99)),
              static_cast<unsigned long long>(at(0.999)), static_cast<unsigned long long>(at(1)),
              mean, static_cast<double>(whole.bytes()) / static_cast<double>(whole.keys().size()));
}
