// Finds equal rows within one batch.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace augury {

// Open addressing over the rows of a batch, for one pass.
class BatchIndex {
 public:
  explicit BatchIndex(std::size_t rows) : slots_(std::bit_ceil(2 * rows + 1), 0) {}

  // The first row for which the same was asked and equal(row) holds; `row` itself if there is none.
  template <class Equal>
  std::size_t first(std::uint64_t hash, std::size_t row, Equal&& equal) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
      if (slots_[at] == 0) {
        slots_[at] = static_cast<std::uint32_t>(row + 1);
        return row;
      }
      if (equal(slots_[at] - 1)) return slots_[at] - 1;
    }
  }

 private:
  std::vector<std::uint32_t> slots_;  // row + 1; 0: free
};

}  // namespace augury
