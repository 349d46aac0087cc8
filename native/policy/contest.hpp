// Which of several policies is ahead, when all have seen the same requests.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace augury {

// Only requests that one candidate hits and another misses tell them apart, so each pair is
// compared by a sign test over those (Q. McNemar, "Note on the sampling error of the difference
// between correlated proportions or percentages", Psychometrika 12, 1947). Older requests count
// less and less.
template <std::size_t kCandidates>
class Contest {
 public:
  // Counts a request; bit i of `hits` tells whether candidate i hit.
  void note(std::uint32_t hits) {
    noted_ += 1;
    for (std::uint32_t winners = hits; winners != 0; winners &= winners - 1) {
      const auto winner = static_cast<std::size_t>(std::countr_zero(winners));
      hits_[winner] += 1;
      for (std::uint32_t losers = kAll & ~hits; losers != 0; losers &= losers - 1) {
        wins_[winner][static_cast<std::size_t>(std::countr_zero(losers))] += 1;
      }
    }
  }

  // All that was counted counts that much less from now on.
  void age(double factor) {
    noted_ *= factor;
    for (double& hits : hits_) hits *= factor;
    for (auto& row : wins_) {
      for (double& wins : row) wins *= factor;
    }
  }

  // The one furthest ahead of `leader`, if by more than chance explains, and by more hits than
  // cost(candidate); otherwise `leader`.
  template <class Cost>
  [[nodiscard]] std::size_t best(std::size_t leader, double deviations, Cost&& cost) const {
    std::size_t best = leader;
    double most = 0;
    for (std::size_t i = 0; i < kCandidates; ++i) {
      const double lead = wins_[i][leader] - wins_[leader][i];
      const double noise = std::sqrt(wins_[i][leader] + wins_[leader][i]);
      if (lead > most && lead > deviations * noise && lead > cost(i)) {
        most = lead;
        best = i;
      }
    }
    return best;
  }

  // Requests, and of these the hits of a candidate; both as far as they still count.
  [[nodiscard]] double noted() const { return noted_; }
  [[nodiscard]] double hits(std::size_t candidate) const { return hits_[candidate]; }

 private:
  static constexpr std::uint32_t kAll = (1u << kCandidates) - 1;

  std::array<std::array<double, kCandidates>, kCandidates> wins_{};  // i hit, j missed
  std::array<double, kCandidates> hits_{};
  double noted_ = 0;
};

}  // namespace augury
