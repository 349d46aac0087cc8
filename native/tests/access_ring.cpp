// The ring of recorded accesses against a deque, and which keys a sampler takes.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/access_ring.cpp -o access_ring && ./access_ring
#include "cache/access_ring.hpp"

#include <array>
#include <cstdio>
#include <deque>

#include "core/hash.hpp"
#include "core/random.hpp"
#include "core/sampler.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

void ring(std::size_t capacity, std::size_t width, std::uint64_t seed) {
  AccessRing ring(capacity, width);
  std::deque<std::uint64_t> model;
  std::uint64_t pushed = 0;
  Random random(seed);
  // What a pointer would point to is never looked at.
  const auto pointer = [](std::uint64_t sequence, std::size_t i) {
    return reinterpret_cast<void*>(sequence * 16 + i + 1);
  };
  for (int step = 0; step < 5000; ++step) {
    if (random.next() % 3 != 0) {
      CHECK(ring.full() == (model.size() == capacity));
      if (ring.full()) continue;
      void** objects = ring.push({.sequence = pushed});
      for (std::size_t i = 0; i < width; ++i) objects[i] = pointer(pushed, i);
      model.push_back(pushed++);
    } else {
      const std::size_t most = random.next() % (2 * capacity);
      const std::size_t before = model.size();
      ring.drain(most, [&](const Access& access, void* const* objects) {
        CHECK(access.sequence == model.front());
        for (std::size_t i = 0; i < width; ++i) CHECK(objects[i] == pointer(model.front(), i));
        model.pop_front();
      });
      CHECK(before - model.size() == std::min(most, before));
    }
    CHECK(ring.size() == model.size());
    std::size_t visited = 0;
    ring.visit([&](void* seen) {
      CHECK(seen == pointer(model[visited / width], visited % width));
      ++visited;
      return 0;
    });
    CHECK(visited == model.size() * width);
    int stopped = 0;
    const int result = ring.visit([&](void*) { return ++stopped == 2 ? 7 : 0; });
    CHECK(result == (visited >= 2 ? 7 : 0));
  }
}

// Keys are taken in proportion to the share, and they spread over all of a table: no bit of their
// hashes is more often set than not.
void sampler(double share) {
  constexpr std::uint64_t kKeys = 400'000;
  const Sampler sampler(share);
  std::uint64_t taken = 0;
  std::array<std::uint64_t, 64> set{};
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    const std::uint64_t hash = mix(key);
    if (!sampler.takes(hash)) continue;
    ++taken;
    for (std::size_t bit = 0; bit < 64; ++bit) set[bit] += hash >> bit & 1;
  }
  const double expected = share * kKeys;
  CHECK(static_cast<double>(taken) > expected * 0.9 && static_cast<double>(taken) < expected * 1.1);
  for (const std::uint64_t count : set) CHECK(count * 20 > taken * 9 && count * 20 < taken * 11);
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury;
  std::uint64_t seed = 1;
  for (const std::size_t capacity : {1, 2, 7, 64}) {
    for (const std::size_t width : {1, 2, 9}) tests::ring(capacity, width, ++seed);
  }
  for (const double share : {0.01, 0.1, 0.5}) tests::sampler(share);
  for (std::uint64_t hash : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    CHECK(!Sampler().takes(hash) && !Sampler(0.0).takes(hash) && Sampler(1.0).takes(hash));
  }
  std::puts("access_ring: ok");
}
