// The sum of regression trees, as gradient boosting and random forests make them.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "model/model.hpp"

namespace augury {

// One tree after another, by node; `roots` are the trees'.
struct ForestArrays {
  std::span<const std::int32_t> feature;  // < 0: a leaf
  std::span<const float> threshold;       // to the left if row[feature] <= threshold, or else right
  std::span<const std::int32_t> left;
  std::span<const std::int32_t> right;
  std::span<const float> value;  // of a leaf
  std::span<const std::int32_t> roots;
  float base = 0;  // added to the sum of all trees
};

// Rows go down a tree in blocks, a level at a time, so that the processor waits for the memory of
// many rows at once (N. Asadi, J. Lin, A. P. de Vries, "Runtime optimizations for tree-based
// machine learning models", IEEE TKDE 26(9), 2014). A leaf leads to itself, so nothing branches.
class Forest final : public Model {
 public:
  // Throws std::invalid_argument if the arrays make no forest.
  Forest(std::size_t features, const ForestArrays& arrays) : Model(features), base_(arrays.base) {
    check(arrays);
    for (const std::int32_t root : arrays.roots) add_tree(arrays, root);
  }

  void score(std::span<const float> rows, std::span<float> out) const override {
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock) {
      const std::size_t count = std::min(kBlock, out.size() - begin);
      const float* block = rows.data() + begin * features();
      if (count == kBlock) {
        score_block<true>(block, kBlock, out.data() + begin);
      } else {
        score_block<false>(block, count, out.data() + begin);
      }
    }
  }

 private:
  static constexpr std::size_t kBlock = 16;
  static constexpr std::size_t kMostNodes = std::size_t{1} << 24;

  struct Node {
    float threshold;  // of a leaf: its value
    std::uint32_t feature;
    std::uint32_t children[2];  // left, right; of a leaf: itself
  };
  struct Tree {
    std::uint32_t root;
    std::uint32_t depth;
  };

  void check(const ForestArrays& arrays) const {
    const std::size_t nodes = arrays.feature.size();
    require(nodes != 0 && nodes <= kMostNodes, "a forest has from 1 to 2^24 nodes");
    require(arrays.threshold.size() == nodes && arrays.left.size() == nodes &&
                arrays.right.size() == nodes && arrays.value.size() == nodes,
            "feature, threshold, left, right and value must have the same length");
    require(!arrays.roots.empty(), "a forest has at least one root");
    require_finite(arrays.threshold, "threshold");
    require_finite(arrays.value, "value");
    require_finite({&arrays.base, 1}, "base");
    const auto is_node = [&](std::int32_t at) {
      return at >= 0 && static_cast<std::size_t>(at) < nodes;
    };
    for (const std::int32_t root : arrays.roots) {
      require(is_node(root), "a root is not a node");
    }
    for (std::size_t at = 0; at < nodes; ++at) {
      if (arrays.feature[at] < 0) continue;
      require(static_cast<std::size_t>(arrays.feature[at]) < features(),
              "a node splits by a feature that there is not");
      require(is_node(arrays.left[at]) && is_node(arrays.right[at]), "a child is not a node");
    }
  }

  // Copies a tree level by level. Each node may have one parent, so that this ends.
  void add_tree(const ForestArrays& arrays, std::int32_t root) {
    seen_.resize(arrays.feature.size());
    std::vector<std::int32_t> level{root};
    Tree tree{static_cast<std::uint32_t>(nodes_.size()), 0};
    for (;; ++tree.depth) {
      std::vector<std::int32_t> below;
      const auto next = nodes_.size() + level.size();
      for (const std::int32_t at : level) {
        require(!seen_[static_cast<std::size_t>(at)], "a node has two parents");
        seen_[static_cast<std::size_t>(at)] = true;
        const auto i = static_cast<std::size_t>(at);
        const auto self = static_cast<std::uint32_t>(nodes_.size());
        if (arrays.feature[i] < 0) {
          nodes_.push_back({arrays.value[i], 0, {self, self}});
          continue;
        }
        const auto child = static_cast<std::uint32_t>(next + below.size());
        nodes_.push_back({arrays.threshold[i],
                          static_cast<std::uint32_t>(arrays.feature[i]),
                          {child, child + 1}});
        below.push_back(arrays.left[i]);
        below.push_back(arrays.right[i]);
      }
      if (below.empty()) break;
      level.swap(below);
    }
    trees_.push_back(tree);
  }

  template <bool kFull>
  void score_block(const float* rows, std::size_t rest, float* out) const {
    const std::size_t count = kFull ? kBlock : rest;
    const Node* const nodes = nodes_.data();
    std::array<float, kBlock> sums;
    std::array<std::uint32_t, kBlock> at;
    sums.fill(base_);
    for (const Tree tree : trees_) {
      at.fill(tree.root);
      for (std::uint32_t level = 0; level < tree.depth; ++level) {
        for (std::size_t i = 0; i < count; ++i) {
          const Node& node = nodes[at[i]];
          // What is not a number goes to the right.
          at[i] = node.children[!(rows[i * features() + node.feature] <= node.threshold)];
        }
      }
      for (std::size_t i = 0; i < count; ++i) sums[i] += nodes[at[i]].threshold;
    }
    std::copy_n(sums.begin(), count, out);
  }

  float base_;
  std::vector<Node> nodes_;
  std::vector<Tree> trees_;
  std::vector<bool> seen_;
};

}  // namespace augury
