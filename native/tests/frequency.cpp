// The sketches behind the policies that count requests, each against a plain model, and LRU-K with
// times that start anew.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/frequency.cpp -Wl,--wrap=realloc -o frequency && ./frequency
#include <vector>

#include "core/random.hpp"
#include "policy/lruk.hpp"
#include "sketch/count_min.hpp"
#include "sketch/history.hpp"
#include "sketch/states.hpp"
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

void estimates_are_never_too_low() {
  constexpr std::uint64_t kKeys = 1000;
  CountMin sketch;
  std::vector<std::uint32_t> counts(kKeys, 0);
  Random random(1);
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    const std::uint64_t key = random.below(1 + random.below(kKeys));
    const auto times = static_cast<std::uint32_t>(random.below(3));
    if (step % 5 == 0) sketch.reserve(step / 5);  // growing keeps every estimate
    sketch.add(mix(key), times);
    if (step >= 5) counts[key] = std::min(counts[key] + times, CountMin::kMost);
    if (step % 5000 == 4999) {
      sketch.halve();
      for (std::uint32_t& count : counts) count /= 2;
    }
    CHECK(sketch.estimate(mix(key)) >= counts[key]);
  }
  std::uint32_t right = 0;
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    CHECK(sketch.estimate(mix(key)) >= counts[key]);
    right += sketch.estimate(mix(key)) == counts[key];
  }
  CHECK(right > kKeys * 95 / 100);
  sketch.validate();
}

void few_keys_are_taken_for_others() {
  constexpr std::uint64_t kKeys = 100'000;
  CountMin sketch;
  sketch.reserve(kKeys);
  CHECK(sketch.bytes() <= 16 * kKeys);
  for (std::uint64_t key = 0; key < kKeys; ++key) sketch.add(mix(key));
  std::uint64_t wrong = 0;
  for (std::uint64_t key = kKeys; key < 2 * kKeys; ++key) wrong += sketch.estimate(mix(key)) != 0;
  CHECK(wrong < kKeys / 20);
}

void a_sketch_survives_without_memory() {
  CountMin sketch;
  sketch.add(mix(1));
  CHECK(sketch.estimate(mix(1)) == 0 && sketch.bytes() == 0);
  sketch.halve();
  sketch.reserve(20);
  sketch.add(mix(1), 3);
  allocations_left = 0;
  sketch.reserve(1000);
  allocations_left = -1;
  CHECK(sketch.estimate(mix(1)) == 3 && sketch.keys() >= 20 && sketch.keys() < 1000);
}

void a_history_forgets_the_oldest() {
  constexpr std::uint32_t kKeys = 10'000;
  History history;
  history.push(mix(1), 1);
  CHECK(history.take(mix(1)) == 0);
  for (std::uint32_t keys = 1; keys <= kKeys; ++keys) history.reserve(keys);
  CHECK(history.bytes() < 11 * kKeys);
  for (std::uint32_t key = 1; key <= 3 * kKeys; ++key) history.push(mix(key), key);
  history.validate(3 * kKeys);
  std::uint32_t young = 0;
  std::uint32_t old = 0;
  for (std::uint32_t key = 1; key <= 3 * kKeys; ++key) {
    const std::uint32_t time = history.take(mix(key));
    CHECK(time == 0 || time == key);
    CHECK(history.take(mix(key)) == 0);
    young += time > 3 * kKeys - kKeys / 2;
    old += time != 0 && time < kKeys;
  }
  CHECK(young > kKeys / 2 * 95 / 100);
  CHECK(old < kKeys / 20);
}

void a_history_keeps_all_as_it_grows() {
  History history;
  for (std::uint32_t key = 1; key <= 1000; ++key) {
    history.reserve(8 * key);
    history.push(mix(key), key);
  }
  history.each_time([](std::uint32_t time) { return time + 1; });
  history.validate(1001);
  allocations_left = 0;
  history.reserve(1'000'000);
  allocations_left = -1;
  std::uint32_t kept = 0;
  for (std::uint32_t key = 1; key <= 1000; ++key) kept += history.take(mix(key)) == key + 1;
  CHECK(kept >= 990);
}

struct Seen {
  std::uint32_t last = 0;
};

void states_grow_in_steps() {
  States<Seen> states(1000);
  std::uint32_t now = 0;
  std::size_t growths = 0;
  // The limit goes up with each key, while the table is nearly full: an eighth each is 30 times.
  for (std::size_t most = 1000; most <= 32'000; most += 4) {
    states.limit(most);
    const std::size_t before = states.bytes();
    for (int i = 0; i < 4; ++i, ++now) states.add(mix(now + 1), {now}, now);
    growths += states.bytes() != before;
  }
  CHECK(growths <= 40);
  states.validate();
}

void lruk_survives_its_times_starting_anew() {
  using Restarting = LruKWithTimes<4000>;
  for (const double k : {1, 2, 3}) {
    for (const Weight capacity : {1u, 10u, 300u}) {
      std::vector<std::uint8_t> bytes(100'000);
      Random random(static_cast<std::uint64_t>(k) + capacity);
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next() >> 56);
      const Plan plan{.capacity = capacity,
                      .keys = static_cast<std::uint32_t>(3 * capacity),
                      .parameters = {{"k", k}, {"correlated", k == 2 ? 0.1 : 0}},
                      .validate_every = static_cast<std::uint32_t>(capacity)};
      const Factory make = [](const Setup& setup) { return std::make_unique<Restarting>(setup); };
      Exercise(make, plan).run(Bytes(bytes));
    }
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury::tests;
  estimates_are_never_too_low();
  few_keys_are_taken_for_others();
  a_sketch_survives_without_memory();
  a_history_forgets_the_oldest();
  a_history_keeps_all_as_it_grows();
  states_grow_in_steps();
  lruk_survives_its_times_starting_anew();
}
