// Ghosts against a plain list.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/ghost.cpp -Wl,--wrap=realloc -o ghost && ./ghost
#include "sketch/ghost.hpp"

#include <algorithm>
#include <deque>

#include "core/random.hpp"
#include "tests/allocation.hpp"

namespace augury::tests {
namespace {

struct Plain {
  std::uint64_t hash;
  Weight weight;
  std::uint32_t stamp;
};

void against_a_list(Weight limit, bool weighed, std::uint64_t keys, std::uint64_t seed) {
  Ghosts<std::uint32_t> ghosts(limit);
  std::deque<Plain> plain;  // oldest first
  Weight total = 0;
  Random random(seed);
  const auto forget = [&](std::deque<Plain>::iterator which) {
    total -= which->weight;
    plain.erase(which);
  };
  for (std::uint32_t step = 0; step < 6000; ++step) {
    const std::uint64_t hash = mix(random.below(keys));
    const auto at =
        std::find_if(plain.begin(), plain.end(), [&](const Plain& p) { return p.hash == hash; });
    CHECK(ghosts.contains(hash) == (at != plain.end()));
    const std::uint64_t op = random.below(100);
    if (op < 60) {
      const Weight weight = weighed ? 1 + random.below(limit + 1) / (1 + random.below(20)) : 1;
      if (at != plain.end()) {
        ghosts.remove(hash);
        forget(at);
      }
      ghosts.push(hash, weight, step);
      if (weight <= limit) {
        while (total + weight > limit) forget(plain.begin());
        plain.push_back({hash, weight, step});
        total += weight;
      }
    } else if (op < 90) {
      CHECK(ghosts.remove(hash) == (at != plain.end()));
      if (at != plain.end()) forget(at);
    } else if (op < 98) {
      if (!plain.empty()) {
        ghosts.pop();
        forget(plain.begin());
      }
    } else if (op == 98) {
      limit = 1 + random.below(2 * limit);
      ghosts.resize(limit);
      while (total > limit) forget(plain.begin());
    } else if (random.below(50) == 0) {
      ghosts.clear();
      plain.clear();
      total = 0;
    }
    CHECK(ghosts.size() == plain.size());
    CHECK(ghosts.weight() == total);
    CHECK(ghosts.empty() || ghosts.oldest() == plain.front().stamp);
    if (step % 7 == 0) ghosts.validate();
  }
}

void alike_in_32_bits() {
  Ghosts<> ghosts(3);
  const std::uint64_t one = std::uint64_t{5} << 32;
  ghosts.push(one, 1);
  ghosts.push(one + 1, 1);
  ghosts.validate();
  CHECK(ghosts.size() == 2 && ghosts.remove(one) && ghosts.remove(one) && !ghosts.remove(one));
}

void nothing_is_kept_without_room() {
  Ghosts<> none(0);
  none.push(mix(1), 1);
  CHECK(none.empty() && !none.contains(mix(1)) && none.bytes() == 0);
  none.validate();
}

void memory_is_bounded() {
  constexpr std::uint64_t kSize = 100'000;
  Ghosts<> ghosts(kSize);
  for (std::uint64_t key = 0; key < 3 * kSize; ++key) ghosts.push(mix(key), 1);
  CHECK(ghosts.size() == kSize);
  CHECK(ghosts.bytes() < kSize * 20);
  for (std::uint64_t key = 0; key < 3 * kSize; ++key) ghosts.remove(mix(key));
  CHECK(ghosts.empty() && ghosts.bytes() < 2000);
}

void the_limit_bounds_heavy_ghosts_too() {
  for (const Weight weight : {(Weight{1} << 31) - 1, Weight{1} << 31, (Weight{1} << 32) + 12345,
                              (Weight{1} << 52) + 1, Weight{1} << 58}) {
    Ghosts<> ghosts(16 * weight);
    for (std::uint64_t key = 0; key < 100; ++key) ghosts.push(mix(key), weight);
    CHECK(ghosts.size() == 16 && ghosts.weight() <= 16 * weight);
    CHECK(ghosts.weight() >= 16 * (weight - (weight >> 24)));
    ghosts.push(mix(100), 2 * weight);
    CHECK(ghosts.size() == 15);
    ghosts.validate();
    ghosts.clear();
    CHECK(ghosts.weight() == 0);
  }
  Ghosts<> ghosts(Weight{1} << 62);
  ghosts.push(mix(1), Weight{1} << 62);
  CHECK(ghosts.contains(mix(1)) && ghosts.weight() == Weight{1} << 62);
}

void survives_without_memory() {
  Ghosts<> ghosts(1000);
  Random random(7);
  for (std::uint64_t key = 0; key < 5000; ++key) {
    allocations_left = static_cast<std::int64_t>(random.below(4));
    ghosts.push(mix(key), 1 + key % 5);
    allocations_left = -1;
    ghosts.validate();
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury::tests;
  std::uint64_t seed = 0;
  for (const augury::Weight limit : {1u, 2u, 3u, 10u, 100u, 700u}) {
    for (const bool weighed : {false, true}) {
      for (const std::uint64_t keys : {limit + 1, 4 * limit}) {
        against_a_list(limit, weighed, keys, ++seed);
      }
    }
  }
  alike_in_32_bits();
  nothing_is_kept_without_room();
  memory_is_bounded();
  the_limit_bounds_heavy_ghosts_too();
  survives_without_memory();
}
