// Trees compared with descents one by one.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/tree_ensemble.cpp -Wl,--wrap=realloc -o trees && ./trees
#include "inference/tree_ensemble.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.hpp"
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

struct Trees {
  std::vector<std::int64_t> left, right, feature, roots;
  std::vector<double> threshold, values;
  std::vector<std::uint8_t> nan_to_left;

  [[nodiscard]] TreeArrays arrays() const {
    return {left, right, feature, threshold, nan_to_left, values, roots};
  }
};

// Few numbers, so that thresholds are met; some lie between two floats.
double number(Random& random) {
  const double around = static_cast<double>(random.below(9)) - 4;
  return random.below(2) == 0 ? around : std::nextafter(around, random.below(2) == 0 ? -9 : 9);
}

void grow(Trees& trees, std::size_t features, std::size_t outputs, std::size_t most,
          Random& random) {
  const auto root = static_cast<std::int64_t>(trees.left.size());
  trees.roots.push_back(root);
  const auto add = [&] {
    trees.left.push_back(-1);
    trees.right.push_back(-1);
    trees.feature.push_back(-2);
    trees.threshold.push_back(-2);
    trees.nan_to_left.push_back(0);
    for (std::size_t k = 0; k < outputs; ++k) trees.values.push_back(number(random));
  };
  add();
  for (auto node = static_cast<std::size_t>(root); node < trees.left.size(); ++node) {
    const std::size_t nodes = trees.left.size() - static_cast<std::size_t>(root);
    if (nodes >= most || random.below(4) == 0) continue;
    trees.left[node] = static_cast<std::int64_t>(nodes);
    trees.right[node] = static_cast<std::int64_t>(nodes + 1);
    trees.feature[node] = static_cast<std::int64_t>(random.below(features));
    trees.threshold[node] = number(random);
    trees.nan_to_left[node] = static_cast<std::uint8_t>(random.below(2));
    add();
    add();
  }
}

std::size_t leaf_of(const Trees& trees, std::int64_t root, const float* row) {
  auto node = static_cast<std::size_t>(root);
  while (trees.left[node] >= 0) {
    const float value = row[trees.feature[node]];
    const bool left =
        std::isnan(value) ? trees.nan_to_left[node] != 0 : value <= trees.threshold[node];
    node = static_cast<std::size_t>(root + (left ? trees.left[node] : trees.right[node]));
  }
  return node;
}

void sums_are_those_of_single_descents() {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    const std::size_t features = 1 + random.below(4);
    const std::size_t outputs = 1 + random.below(3);
    Trees trees;
    for (std::size_t i = 1 + random.below(20); i != 0; --i) {
      grow(trees, features, outputs, 1 + random.below(60), random);
    }
    const TreeEnsemble ensemble(features, outputs, trees.arrays());
    const std::size_t count = round % 50 == 0 ? 600 : random.below(40);
    std::vector<float> rows(count * features);
    for (float& each : rows) {
      each = static_cast<float>(number(random));
      if (round % 2 == 0 && random.below(4) == 0) each = std::numeric_limits<float>::quiet_NaN();
    }
    std::vector<double> sums(count * outputs, -0.0);
    std::vector<double> expected = sums;
    ensemble.add(rows, sums);
    for (const std::int64_t root : trees.roots) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t leaf = leaf_of(trees, root, rows.data() + i * features);
        for (std::size_t k = 0; k < outputs; ++k) {
          expected[i * outputs + k] += trees.values[leaf * outputs + k];
        }
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      CHECK(std::bit_cast<std::uint64_t>(sums[i]) == std::bit_cast<std::uint64_t>(expected[i]));
    }
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  augury::tests::sums_are_those_of_single_descents();
}
