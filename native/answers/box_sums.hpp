// Sums over boxes of cells, by what is summed up to each cell: estimates of counts, sums and ratios
// with their spread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/hash.hpp"

namespace augury {

// Both NaN: unknown. A value of NaN with a spread of 0: NULL, as there are surely no rows.
struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  double spread = std::numeric_limits<double>::quiet_NaN();
};

// What a BoxSums is made of. Nothing in it is trusted but that means and samples live as long.
struct BoxSumsArrays {
  std::span<const std::int64_t> bins;   // of each dimension; 0: it has categories
  std::span<const std::uint8_t> whole;  // of each dimension: has it whole numbers only
  std::span<const double> edges;        // of the bins, one dimension after the other: bins + 1 each
  std::span<const std::int64_t> categories;  // their numbers, one block after the other
  std::span<const double> means;   // blocks x cells x measures: sums of all cells up to this one
  std::span<const float> samples;  // blocks x cells x measures x samples: of how far these are off
  std::size_t blocks = 0;
  std::size_t cells = 0;     // of a block; the last dimension's are next to each other
  std::size_t measures = 0;  // 1 of a count; else 2: counted, summed
  std::size_t values = 0;    // of all samples of a cell
  double floor = 0;          // the spread of what is known exactly
  double of_row = 0;         // what one row adds to a sum, roughly
};

class BoxSums {
 public:
  enum class Kind : std::uint8_t { kCount, kSum, kRatio };

  static constexpr std::size_t kMostValues = 256;  // of all samples of a cell

  BoxSums(Kind kind, const BoxSumsArrays& arrays)
      : kind_(kind),
        blocks_(arrays.blocks),
        cells_(arrays.cells),
        measures_(arrays.measures),
        values_(arrays.values),
        draws_(arrays.measures == 0 ? 0 : arrays.values / arrays.measures),
        floor_(arrays.floor),
        of_row_(arrays.of_row),
        means_(arrays.means),
        samples_(arrays.samples),
        edges_(arrays.edges.begin(), arrays.edges.end()),
        categories_(arrays.categories.begin(), arrays.categories.end()) {
    lay_out(arrays);
    check();
    index();
  }

  [[nodiscard]] std::size_t dimensions() const { return dimensions_.size(); }

  // Where terms of a sum are kept; one for each thread.
  class Scratch {
    friend class BoxSums;
    struct Term {
      std::size_t cell;
      double weight;
    };
    struct Side {  // what of one axis is summed, as differences of sums up to its bins
      std::array<Term, 4> terms;
      std::size_t size = 0;
      std::array<std::size_t, 2> cut;  // bins of which only a share lies inside,
      std::array<double, 2> variance;  // and how far off a row is by that
      std::size_t cuts = 0;

      void add(std::size_t bins, double weight) {  // the sum of so many bins
        if (bins == 0 || weight == 0) return;
        for (std::size_t i = 0; i < size; ++i) {
          if (terms[i].cell == bins - 1) {
            terms[i].weight += weight;
            return;
          }
        }
        terms[size++] = {bins - 1, weight};
      }
    };
    std::vector<Side> sides;
    std::vector<Term> terms, next;
  };

  // `box`: for each dimension low and high, both included; of a category, twice its number.
  Estimate estimate(const double* box, Scratch& scratch) const {
    const std::size_t block = find(box);
    if (block == blocks_ || !place(box, scratch)) return {};
    const double* means = means_.data() + block * cells_ * measures_;
    const float* samples = samples_.data() + block * cells_ * values_;
    collect(scratch, scratch.sides.size(), 0);
    std::array<double, 2> mean{};
    std::array<float, kMostValues> off{};
    for (const auto& [cell, weight] : scratch.terms) {
      for (std::size_t m = 0; m < measures_; ++m) mean[m] += weight * means[cell * measures_ + m];
      const float* row = samples + cell * values_;
      const auto factor = static_cast<float>(weight);
      for (std::size_t i = 0; i < values_; ++i) off[i] += factor * row[i];
    }
    return finish(mean, off, cut_variance(means, scratch));
  }

 private:
  static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  static constexpr double kLeastRows = 0.5;  // rows are whole: fewer than this is none
  static constexpr double kSure = 8;         // spreads that nothing is ever off by

  struct Dimension {
    std::size_t bins;  // 0: it has categories
    std::size_t first_edge;
    std::size_t stride;  // from a cell to that of the next bin
    bool whole;
  };

  static void require(bool holds, const char* otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
  }

  void lay_out(const BoxSumsArrays& arrays) {
    require(arrays.bins.size() == arrays.whole.size(), "bins and whole must be as long");
    std::size_t first = 0;
    std::size_t cells = 1;
    for (std::size_t d = 0; d < arrays.bins.size(); ++d) {
      const std::int64_t bins = arrays.bins[d];
      require(bins >= 0 && bins < (1 << 24), "bins are out of range");
      const auto count = static_cast<std::size_t>(bins);
      dimensions_.push_back({count, first, 0, arrays.whole[d] != 0});
      if (count == 0) {
        ++categorical_;
        continue;
      }
      first += count + 1;
      require(count <= cells_ / cells, "there are fewer cells than bins make");
      cells *= count;
    }
    require(first == edges_.size(), "there must be one edge more than bins");
    require(cells == cells_, "there are more cells than bins make");
    std::size_t stride = 1;
    for (std::size_t d = dimensions_.size(); d-- > 0;) {
      dimensions_[d].stride = stride;
      stride *= std::max<std::size_t>(dimensions_[d].bins, 1);
    }
  }

  void check() const {
    for (const Dimension& each : dimensions_) {
      for (std::size_t i = 0; i < each.bins; ++i) {
        require(edges_[each.first_edge + i] < edges_[each.first_edge + i + 1],
                "edges must be numbers that increase");
      }
    }
    require(categories_.size() == blocks_ * categorical_,
            "each block must have all its categories");
    require(categorical_ > 0 || blocks_ <= 1, "without categories there is one block");
    require(blocks_ < std::numeric_limits<std::uint32_t>::max() / 4, "there are too many blocks");
    require(measures_ == (kind_ == Kind::kCount ? 1 : 2),
            "a count has one measure, and a sum or an average two");
    require(values_ > 0 && values_ <= kMostValues && values_ % measures_ == 0,
            "there must be samples of each measure, and not too many");
    require(means_.size() == blocks_ * cells_ * measures_, "each cell must have means");
    require(samples_.size() == blocks_ * cells_ * values_, "each cell must have samples");
    require(floor_ > 0 && std::isfinite(floor_) && of_row_ >= 0 && std::isfinite(of_row_),
            "limits must be finite, and the first one above 0");
  }

  void index() {
    slots_.assign(std::bit_ceil(2 * blocks_ + 1), 0);
    for (std::size_t block = 0; block < blocks_; ++block) {
      const std::int64_t* key = categories_.data() + block * categorical_;
      std::uint64_t hash = 0;
      for (std::size_t i = 0; i < categorical_; ++i) hash = chain(hash, key[i]);
      std::size_t at = hash & (slots_.size() - 1);
      while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = static_cast<std::uint32_t>(block + 1);
    }
  }

  static std::uint64_t chain(std::uint64_t hash, std::int64_t number) {
    return mix(hash + static_cast<std::uint64_t>(number) + 0x9E3779B97F4A7C15u);
  }

  // The block of the box's categories; `blocks_` if there is none.
  [[nodiscard]] std::size_t find(const double* box) const {
    std::uint64_t hash = 0;
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      if (dimensions_[d].bins != 0) continue;
      const double number = box[2 * d];
      if (!(number == box[2 * d + 1] && std::abs(number) < 0x1p53)) return blocks_;
      hash = chain(hash, static_cast<std::int64_t>(number));
    }
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
      if (is(slots_[at] - 1, box)) return slots_[at] - 1;
    }
    return blocks_;
  }

  [[nodiscard]] bool is(std::size_t block, const double* box) const {
    const std::int64_t* key = categories_.data() + block * categorical_;
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      if (dimensions_[d].bins == 0 && static_cast<double>(*key++) != box[2 * d]) return false;
    }
    return true;
  }

  // Finds the sides of a box. Returns false if it is empty or reaches beyond the bins.
  bool place(const double* box, Scratch& scratch) const {
    scratch.sides.clear();
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      const Dimension& each = dimensions_[d];
      if (each.bins == 0) continue;
      double low = box[2 * d];
      const double high = box[2 * d + 1];
      double after = std::nextafter(high, std::numeric_limits<double>::infinity());
      if (each.whole) {
        low = std::ceil(low);
        after = std::max(std::floor(high) + 1, after);
      }
      const double* edges = edges_.data() + each.first_edge;
      if (!(low < after && low >= edges[0] && after <= edges[each.bins])) return false;
      side(edges, each.bins, low, after, scratch.sides.emplace_back());
    }
    return true;
  }

  static void side(const double* edges, std::size_t bins, double low, double after,
                   Scratch::Side& side) {
    const auto [first, below] = find_bin(edges, bins, low);
    const auto [last, inside] = find_bin(edges, bins, after);
    side.add(last, 1 - inside);
    side.add(last + 1, inside);
    side.add(first, below - 1);
    side.add(first + 1, -below);
    if (first == last) {
      cut(first, inside - below, side);
    } else {
      cut(first, 1 - below, side);
      cut(last, inside, side);
    }
  }

  // The bin of a point, and the share of it that is before the point: half of an infinite one.
  // The last edge is the beginning of a bin that is not there.
  static std::pair<std::size_t, double> find_bin(const double* edges, std::size_t bins,
                                                 double point) {
    const auto at =
        static_cast<std::size_t>(std::upper_bound(edges, edges + bins + 1, point) - edges) - 1;
    if (at == bins || point == edges[at]) return {at, 0};
    const double width = edges[at + 1] - edges[at];
    return {at, std::isfinite(width) ? (point - edges[at]) / width : 0.5};
  }

  static void cut(std::size_t bin, double share, Scratch::Side& side) {
    if (share <= 0 || share >= 1) return;
    side.cut[side.cuts] = bin;
    side.variance[side.cuts++] = share * (1 - share);
  }

  // Makes the terms of the box of all sides; of side `slab`, of one bin alone.
  void collect(Scratch& scratch, std::size_t slab, std::size_t bin) const {
    scratch.terms.assign(1, {0, 1});
    std::size_t at = 0;
    for (const Dimension& each : dimensions_) {
      if (each.bins == 0) continue;
      Scratch::Side one;
      if (at == slab) {
        one.add(bin + 1, 1);
        one.add(bin, -1);
      }
      const Scratch::Side& side = at == slab ? one : scratch.sides[at];
      ++at;
      scratch.next.clear();
      for (const auto& [cell, weight] : scratch.terms) {
        for (std::size_t i = 0; i < side.size; ++i) {
          scratch.next.push_back(
              {cell + side.terms[i].cell * each.stride, weight * side.terms[i].weight});
        }
      }
      scratch.terms.swap(scratch.next);
    }
  }

  // How far off the number of rows may be, squared, as nobody knows on which side of a cut they
  // lie.
  double cut_variance(const double* means, Scratch& scratch) const {
    double variance = 0;
    for (std::size_t at = 0; at < scratch.sides.size(); ++at) {
      for (std::size_t i = 0; i < scratch.sides[at].cuts; ++i) {
        collect(scratch, at, scratch.sides[at].cut[i]);
        double rows = 0;
        for (const auto& [cell, weight] : scratch.terms) rows += weight * means[cell * measures_];
        variance += scratch.sides[at].variance[i] * rows * rows;
      }
    }
    return variance;
  }

  [[nodiscard]] Estimate finish(const std::array<double, 2>& mean,
                                const std::array<float, kMostValues>& off, double cut) const {
    const float* counted = off.data();
    const float* summed = off.data() + values_ - draws_;
    if (kind_ == Kind::kCount) {
      const double spread = std::sqrt(variance(counted, counted, 0) + floor_ * floor_ + cut);
      if (!(std::isfinite(mean[0]) && std::isfinite(spread))) return {};
      // What is known exactly is a whole number.
      const double value = spread <= 2 * floor_ ? std::nearbyint(mean[0]) : mean[0];
      return {std::max(value, 0.0), spread};
    }
    if (!(mean[0] >= kLeastRows)) {
      const double rows_off = std::sqrt(variance(counted, counted, 0) + cut);
      const bool sure = std::abs(mean[0]) + kSure * rows_off < kLeastRows;
      return {.value = kNaN, .spread = sure ? 0 : kNaN};
    }
    const double per = kind_ == Kind::kRatio ? mean[0] : 1;
    const double value = mean[1] / per;
    const double ratio = kind_ == Kind::kRatio ? value : 0;
    const double spread =
        std::sqrt(variance(summed, counted, ratio) + floor_ * floor_ + cut * of_row_ * of_row_) /
        per;
    if (!(std::isfinite(value) && std::isfinite(spread))) return {};
    return {value, spread};
  }

  // Of a sum minus `ratio` times another one, by samples of both.
  [[nodiscard]] double variance(const float* sum, const float* other, double ratio) const {
    const auto factor = static_cast<float>(ratio);
    float squares = 0;
    for (std::size_t i = 0; i < draws_; ++i) {
      const float each = sum[i] - factor * other[i];
      squares += each * each;
    }
    return squares / static_cast<double>(draws_);
  }

  Kind kind_;
  std::size_t blocks_;
  std::size_t cells_;
  std::size_t measures_;
  std::size_t values_;
  std::size_t draws_;  // samples of one measure
  double floor_;
  double of_row_;
  std::span<const double> means_;
  std::span<const float> samples_;
  std::vector<double> edges_;
  std::vector<std::int64_t> categories_;
  std::size_t categorical_ = 0;
  std::vector<Dimension> dimensions_;
  std::vector<std::uint32_t> slots_;  // block + 1, by the hash of its categories; 0: free
};

}  // namespace augury
