// Sums over boxes of cells, compared with plain ones; and arrays that make none.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/answers.cpp -o answers && ./answers
#include <cmath>
#include <limits>
#include <vector>

#include "answers/box_sums.hpp"
#include "core/random.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Two categories of 3 x 4 cells: of the first one cell (i, j) has 10 i + j rows, of the second 7.
struct Grid {
  std::vector<std::int64_t> bins{3, 0, 4};
  std::vector<std::uint8_t> whole{1, 0, 0};
  std::vector<double> edges{0, 1, 2, 3, -kInfinity, 0.5, 2.5, 4, kInfinity};
  std::vector<std::int64_t> categories{5, -9};
  std::vector<double> means = sums();
  std::vector<float> samples = std::vector<float>(24 * 4, 0.0F);

  static double cell(std::size_t block, std::size_t i, std::size_t j) {
    return block == 0 ? 10.0 * static_cast<double>(i) + static_cast<double>(j) : 7.0;
  }

  static std::vector<double> sums() {
    std::vector<double> all;
    for (std::size_t block = 0; block < 2; ++block) {
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
          double sum = 0;
          for (std::size_t a = 0; a <= i; ++a) {
            for (std::size_t b = 0; b <= j; ++b) sum += cell(block, a, b);
          }
          all.push_back(sum);
        }
      }
    }
    return all;
  }

  [[nodiscard]] BoxSumsArrays arrays() const {
    return {.bins = bins,
            .whole = whole,
            .edges = edges,
            .categories = categories,
            .means = means,
            .samples = samples,
            .blocks = 2,
            .cells = 12,
            .measures = 1,
            .values = 4,
            .floor = 0.02,
            .of_row = 1};
  }

  [[nodiscard]] Estimate count(std::vector<double> box) const {
    BoxSums::Scratch scratch;
    return BoxSums(BoxSums::Kind::kCount, arrays()).estimate(box.data(), scratch);
  }
};

void boxes_of_whole_bins_are_plain_sums() {
  const Grid grid;
  for (std::size_t block = 0; block < 2; ++block) {
    const double category = block == 0 ? 5 : -9;
    for (std::size_t low = 0; low < 3; ++low) {
      for (std::size_t high = low; high < 3; ++high) {
        for (std::size_t first = 0; first < 4; ++first) {
          for (std::size_t last = first; last < 4; ++last) {
            double sum = 0;
            for (std::size_t i = low; i <= high; ++i) {
              for (std::size_t j = first; j <= last; ++j) sum += Grid::cell(block, i, j);
            }
            const Estimate found = grid.count({static_cast<double>(low), static_cast<double>(high),
                                               category, category, grid.edges[4 + first],
                                               std::nextafter(grid.edges[5 + last], -kInfinity)});
            CHECK(found.value == sum && found.spread == 0.02);
          }
        }
      }
    }
  }
}

void cut_bins_are_shared_out() {
  const Grid grid;
  const Estimate inner = grid.count({1, 1, 5, 5, 0.5, 1.5});  // about half of the bin of 11
  CHECK(std::abs(inner.value - 5.5) < 1e-9 && std::abs(inner.spread - 5.5) < 0.01);
  const Estimate outer = grid.count({0, 2, -9, -9, 9, kInfinity});  // half of 3 cells of 7
  CHECK(std::abs(outer.value - 10.5) < 1e-9 && outer.spread > 10);
  const Estimate both = grid.count({0, 0, -9, -9, 0, 3.25});  // 0.5 of 7, 7, 0.5 of 7
  CHECK(std::abs(both.value - 14) < 1e-9);
}

void nothing_is_said_of_what_is_unknown() {
  const Grid grid;
  const double nan = std::nan("");
  for (const std::vector<double>& box :
       std::vector<std::vector<double>>{{0, 3, 5, 5, 1, 2},   // beyond the bins
                                        {-1, 0, 5, 5, 1, 2},  //
                                        {0, kInfinity, 5, 5, 1, 2},
                                        {0, 1, 6, 6, 1, 2},      // another category
                                        {0, 1, 5.5, 5.5, 1, 2},  //
                                        {0, 1, 5, -9, 1, 2},     // two of them
                                        {0, 1, nan, nan, 1, 2},
                                        {0, 1, 1e300, 1e300, 1, 2},
                                        {nan, nan, 5, 5, 1, 2},
                                        {1, 0, 5, 5, 1, 2},  // empty
                                        {0, 1, 5, 5, 2, 1}}) {
    const Estimate found = grid.count(box);
    CHECK(std::isnan(found.value) && std::isnan(found.spread));
  }
}

void averages_of_no_rows_are_null() {
  std::vector<double> means{0, 0, 4, 12};  // two cells: no rows; four, of 12
  std::vector<float> samples(4, 0.0F);
  const std::vector<std::int64_t> bins{2};
  const std::vector<std::uint8_t> whole{1};
  const std::vector<double> edges{0, 1, 2};
  const auto of = [&](BoxSums::Kind kind, double low, double high) {
    BoxSums::Scratch scratch;
    const std::vector<double> box{low, high};
    return BoxSums(kind, {.bins = bins,
                          .whole = whole,
                          .edges = edges,
                          .categories = {},
                          .means = means,
                          .samples = samples,
                          .blocks = 1,
                          .cells = 2,
                          .measures = 2,
                          .values = 2,
                          .floor = 0.1,
                          .of_row = 1})
        .estimate(box.data(), scratch);
  };
  const Estimate mean = of(BoxSums::Kind::kRatio, 0, 1);
  CHECK(mean.value == 3 && mean.spread == 0.1 / 4);
  CHECK(of(BoxSums::Kind::kSum, 1, 1).value == 12);
  for (const BoxSums::Kind kind : {BoxSums::Kind::kSum, BoxSums::Kind::kRatio}) {
    const Estimate none = of(kind, 0, 0);
    CHECK(std::isnan(none.value) && none.spread == 0);
    samples[0] = 1;  // there may be rows
    CHECK(std::isnan(of(kind, 0, 0).spread));
    samples[0] = 0;
  }
}

template <class Change>
void refused(Change&& change) {
  Grid grid;
  BoxSumsArrays arrays = grid.arrays();
  change(grid, arrays);
  bool thrown = false;
  try {
    const BoxSums sums(BoxSums::Kind::kCount, arrays);
  } catch (const std::invalid_argument&) {
    thrown = true;
  }
  CHECK(thrown);
}

void arrays_that_do_not_fit_are_refused() {
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.blocks = 3; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.blocks = 0; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.cells = 0; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.cells = 24; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.measures = 2; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.values = 0; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.values = 1000; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.floor = 0; });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.of_row = std::nan(""); });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.means = arrays.means.first(20); });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.samples = arrays.samples.first(20); });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.edges = arrays.edges.first(8); });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.whole = arrays.whole.first(2); });
  refused([](Grid&, BoxSumsArrays& arrays) { arrays.categories = arrays.categories.first(1); });
  refused([](Grid& grid, BoxSumsArrays&) { grid.bins[0] = -3; });
  refused([](Grid& grid, BoxSumsArrays&) { grid.bins[0] = 1LL << 62; });
  refused([](Grid& grid, BoxSumsArrays&) { grid.bins[2] = 3; });
  refused([](Grid& grid, BoxSumsArrays&) { grid.edges[2] = 1; });
  refused([](Grid& grid, BoxSumsArrays&) { grid.edges[2] = std::nan(""); });
}

void many_dimensions_of_random_boxes_are_in_bounds() {
  Random random(3);
  for (std::size_t dimensions = 0; dimensions < 7; ++dimensions) {
    std::vector<std::int64_t> bins(dimensions);
    std::vector<double> edges;
    std::size_t cells = 1;
    for (std::int64_t& each : bins) {
      each = 1 + static_cast<std::int64_t>(random.below(4));
      cells *= static_cast<std::size_t>(each);
      for (std::int64_t i = 0; i <= each; ++i) edges.push_back(static_cast<double>(i));
    }
    const std::vector<std::uint8_t> whole(dimensions, 0);
    const std::vector<double> means(cells, 1);
    const std::vector<float> samples(cells, 1);
    const BoxSums sums(BoxSums::Kind::kCount, {.bins = bins,
                                               .whole = whole,
                                               .edges = edges,
                                               .categories = {},
                                               .means = means,
                                               .samples = samples,
                                               .blocks = 1,
                                               .cells = cells,
                                               .measures = 1,
                                               .values = 1,
                                               .floor = 1,
                                               .of_row = 1});
    BoxSums::Scratch scratch;
    for (int i = 0; i < 500; ++i) {
      std::vector<double> box;
      for (std::size_t d = 0; d < dimensions; ++d) {
        box.push_back(static_cast<double>(random.below(40)) / 8 - 0.25);
        box.push_back(box.back() + static_cast<double>(random.below(40)) / 8);
      }
      const Estimate found = sums.estimate(box.data(), scratch);
      CHECK(std::isnan(found.value) || found.spread >= 1);
    }
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  augury::tests::boxes_of_whole_bins_are_plain_sums();
  augury::tests::cut_bins_are_shared_out();
  augury::tests::nothing_is_said_of_what_is_unknown();
  augury::tests::averages_of_no_rows_are_null();
  augury::tests::arrays_that_do_not_fit_are_refused();
  augury::tests::many_dimensions_of_random_boxes_are_in_bounds();
}
