// Stack distances against a list that is searched, samples that sink, and how many keys there were.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/curves.cpp -o curves && ./curves
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/random.hpp"
#include "sim/reuse_sample.hpp"
#include "sketch/distinct.hpp"
#include "tests/exercise.hpp"

namespace {

using augury::Buckets;

std::vector<double> by_bucket(std::span<const double> grouped) {
  std::vector<double> sums(Buckets::kCount);
  for (std::size_t at = 0; at < grouped.size(); ++at) sums[at % Buckets::kCount] += grouped[at];
  return sums;
}

void depths_are_exact(bool weighed) {
  augury::Random random(7);
  augury::StackDistances distances(1, 0, 3, weighed);
  std::vector<std::uint64_t> stack;
  std::vector<double> expected(Buckets::kCount);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t key = random.next() % (1 + random.next() % 700);
    const std::uint64_t size = key % 9;  // 0 weighs 1
    const auto weight = [&](std::uint64_t of) {
      return weighed ? std::max<std::uint64_t>(of % 9, 1) : std::uint64_t{1};
    };
    const auto found = std::find(stack.begin(), stack.end(), key);
    if (found != stack.end()) {
      std::uint64_t depth = 0;
      for (auto at = stack.begin(); at <= found; ++at) depth += weight(*at);
      ++expected[Buckets::of(depth)];
      stack.erase(found);
    }
    stack.insert(stack.begin(), key);
    distances.feed({&key, 1}, {&size, 1});
  }
  CHECK(by_bucket(distances.counts().requests()) == expected);
  CHECK(distances.sample().size() == stack.size());
}

void a_full_sample_sinks() {
  augury::StackDistances distances(1, 100, 3, false);
  augury::ReuseTimes times(1, 100, 3);
  augury::Random random(9);
  for (int i = 0; i < 50'000; ++i) {
    const std::uint64_t key = random.next() % 5'000;
    distances.feed({&key, 1}, {});
    times.feed({&key, 1}, {});
    CHECK(distances.sample().size() <= 100);
  }
  CHECK(distances.sample().rate() < 0.05);
  CHECK(distances.sample().rate() == times.sample().rate());
  double kept = 0;
  for (const double ages : times.ages()) kept += ages;
  CHECK(std::abs(kept / 5'000 - 1) < 0.4);  // those that stayed stand for all: four standard errors
}

void keys_are_counted() {
  augury::Distinct distinct;
  CHECK(distinct.estimate() == 0);
  for (std::uint64_t key = 0; key < 300'000; ++key) {
    distinct.add(augury::mix(augury::mix(key)));
    distinct.add(augury::mix(augury::mix(key / 2)));
  }
  CHECK(std::abs(distinct.estimate() / 300'000 - 1) < 5 * augury::Distinct::kError);
}

}  // namespace

int main() {
  augury::StackDistances nothing(0.5, 0, 1, true);
  nothing.feed({}, {});
  CHECK(nothing.counts().all() == 0 && nothing.sample().size() == 0);
  CHECK(augury::ReuseTimes(1, 1, 1).ages()[0] == 0);
  depths_are_exact(false);
  depths_are_exact(true);
  a_full_sample_sinks();
  keys_are_counted();
}
