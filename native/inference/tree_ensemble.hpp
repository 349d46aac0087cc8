// Decision trees whose leaves hold numbers, which are added up tree by tree.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace augury {

// The nodes of all trees, one tree after another.
struct TreeArrays {
  std::span<const std::int64_t> left;  // from the tree's first node; < 0: a leaf
  std::span<const std::int64_t> right;
  std::span<const std::int64_t> feature;
  std::span<const double> threshold;          // to the left if row[feature] <= threshold
  std::span<const std::uint8_t> nan_to_left;  // whether what is not a number goes there, too
  std::span<const double> values;             // `outputs` of each node; those of leaves are used
  std::span<const std::int64_t> roots;        // of each tree
};

// Adds leaves in the order of the trees, in double precision, as scikit-learn does: the sums are
// the same bit for bit. Sixteen descents go on at once, so that the processor waits for the memory
// of many (N. Asadi, J. Lin, A. P. de Vries, "Runtime optimizations for tree-based machine learning
// models", IEEE TKDE 26(9), 2014): of several rows, or of one row down several trees.
class TreeEnsemble {
 public:
  // Throws std::invalid_argument if the arrays make no trees.
  TreeEnsemble(std::size_t features, std::size_t outputs, const TreeArrays& arrays)
      : features_(features), outputs_(outputs) {
    const std::size_t nodes = arrays.left.size();
    require(features != 0 && features < kNanToRight && outputs != 0,
            "trees have features and outputs");
    require(nodes != 0 && nodes < std::numeric_limits<std::uint32_t>::max(),
            "trees have from 1 to 2^32 - 2 nodes");
    require(arrays.right.size() == nodes && arrays.feature.size() == nodes &&
                arrays.threshold.size() == nodes && arrays.nan_to_left.size() == nodes &&
                arrays.values.size() == nodes * outputs,
            "left, right, feature, threshold, nan_to_left and values are of the same nodes");
    std::vector<bool> seen(nodes);
    std::unordered_map<std::string_view, std::uint32_t> known;
    nodes_.reserve(nodes);
    for (const std::int64_t root : arrays.roots) add_tree(arrays, root, seen, known);
  }

  [[nodiscard]] std::size_t features() const { return features_; }
  [[nodiscard]] std::size_t outputs() const { return outputs_; }

  // Adds the leaves of all trees to the sums of each row. No number is infinite.
  void add(std::span<const float> rows, std::span<double> sums) const {
    bool missing = false;
    for (const float each : rows) missing |= std::isnan(each);
    for (std::size_t at = 0; at * features_ < rows.size(); at += kRows) {
      const float* const first = rows.data() + at * features_;
      const std::size_t count = std::min(kRows, rows.size() / features_ - at);
      double* const out = sums.data() + at * outputs_;
      missing ? add_some<true>(first, count, out) : add_some<false>(first, count, out);
    }
  }

 private:
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kRows = 256;  // that go down a tree while it is in the cache
  static constexpr std::uint32_t kNanToRight = 1U << 31;

  // A leaf leads to itself, so nothing branches.
  struct Node {
    float threshold;
    std::uint32_t feature;  // and kNanToRight
    std::uint32_t left;     // the right child comes next
    std::uint32_t value;    // of a leaf: where its values are
  };

  static void require(bool holds, const char* otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
  }

  // The greatest float that is not above: no float lies between the two.
  static float rounded_down(double threshold) {
    const auto near = static_cast<float>(threshold);
    return static_cast<double>(near) > threshold
               ? std::nextafter(near, -std::numeric_limits<float>::infinity())
               : near;
  }

  // Copies a tree level by level, children side by side. Each node has one parent, so this ends.
  void add_tree(const TreeArrays& arrays, std::int64_t root, std::vector<bool>& seen,
                std::unordered_map<std::string_view, std::uint32_t>& known) {
    roots_.push_back(static_cast<std::uint32_t>(nodes_.size()));
    std::vector<std::int64_t> level{root};
    while (!level.empty()) {
      std::vector<std::int64_t> below;
      const std::size_t next = nodes_.size() + level.size();
      for (const std::int64_t node : level) {
        require(node >= 0 && static_cast<std::uint64_t>(node) < seen.size(), "no such node");
        const auto i = static_cast<std::size_t>(node);
        require(!seen[i], "a node has two parents");
        seen[i] = true;
        if (arrays.left[i] < 0) {
          nodes_.push_back({std::numeric_limits<float>::infinity(), 0,
                            static_cast<std::uint32_t>(nodes_.size()),
                            place_of(arrays.values.subspan(i * outputs_, outputs_), known)});
          continue;
        }
        require(arrays.feature[i] >= 0 && static_cast<std::size_t>(arrays.feature[i]) < features_,
                "a node splits by a feature that there is not");
        require(static_cast<std::size_t>(arrays.left[i]) < seen.size() && arrays.right[i] >= 0 &&
                    static_cast<std::size_t>(arrays.right[i]) < seen.size(),
                "no such node");
        nodes_.push_back({rounded_down(arrays.threshold[i]),
                          static_cast<std::uint32_t>(arrays.feature[i]) |
                              (arrays.nan_to_left[i] != 0 ? 0 : kNanToRight),
                          static_cast<std::uint32_t>(next + below.size()), 0});
        below.push_back(root + arrays.left[i]);
        below.push_back(root + arrays.right[i]);
      }
      level.swap(below);
    }
  }

  // Leaves with the same values, such as the many with rows of one class only, share them.
  std::uint32_t place_of(std::span<const double> values,
                         std::unordered_map<std::string_view, std::uint32_t>& known) {
    const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    const auto [at, is_new] = known.try_emplace(bytes, static_cast<std::uint32_t>(values_.size()));
    if (is_new) {
      require(values_.size() <= std::numeric_limits<std::uint32_t>::max(), "too many leaves");
      values_.insert(values_.end(), values.begin(), values.end());
    }
    return at->second;
  }

  struct Lane {
    const float* row;
    double* sums;
  };

  template <bool kMissing>
  void add_some(const float* rows, std::size_t count, double* sums) const {
    std::array<std::uint32_t, kLanes> at;
    std::array<Lane, kLanes> lanes;
    std::size_t filled = 0;
    for (const std::uint32_t root : roots_) {
      for (std::size_t i = 0; i < count; ++i) {
        at[filled] = root;
        lanes[filled] = {rows + i * features_, sums + i * outputs_};
        if (++filled == kLanes) {
          descend<kMissing>(at, lanes, kLanes);
          filled = 0;
        }
      }
    }
    descend<kMissing>(at, lanes, filled);
  }

  template <bool kMissing>
  [[gnu::always_inline]] void descend(std::array<std::uint32_t, kLanes>& at,
                                      const std::array<Lane, kLanes>& lanes,
                                      std::size_t count) const {
    const Node* const nodes = nodes_.data();
    std::uint32_t moved = 1;
    while (moved != 0) {
      moved = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const Node node = nodes[at[i]];
        const float value = lanes[i].row[node.feature & ~kNanToRight];
        const bool nan_to_left = kMissing && std::isnan(value) && (node.feature & kNanToRight) == 0;
        const bool right = !nan_to_left && !(value <= node.threshold);
        const std::uint32_t next = node.left + static_cast<std::uint32_t>(right);
        moved |= next ^ at[i];
        at[i] = next;
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      const double* const values = values_.data() + nodes[at[i]].value;
      for (std::size_t k = 0; k < outputs_; ++k) lanes[i].sums[k] += values[k];
    }
  }

  std::size_t features_;
  std::size_t outputs_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> roots_;
  std::vector<double> values_;
};

}  // namespace augury
