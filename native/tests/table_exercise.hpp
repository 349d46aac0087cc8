// A hash index and a plain model of what is filed in it. Shared by the test and the fuzz target.
#pragma once

#include <unordered_map>

#include "core/table.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {

class TableExercise {
 public:
  // With `failing`, the table may find no memory to grow, and must stay as it is.
  void insert(std::uint64_t hash, Slot slot, bool failing = false) {
    for (;;) {
      try {
        allocations_left = failing ? 0 : -1;
        table_.prepare([this](Slot at) { return hashes_.at(at); });
        allocations_left = -1;
        break;
      } catch (const std::bad_alloc&) {
        CHECK(failing);
        failing = false;
        compare();
      }
    }
    hashes_.emplace(slot, hash);
    table_.insert(hash, slot);
    CHECK(find(hash, slot) == slot);
  }

  void erase(std::uint64_t hash, Slot slot) {
    CHECK(find(hash, slot) == slot);
    table_.erase(hash, slot);
    hashes_.erase(slot);
    CHECK(find(hash, slot) == kNone);
  }

  [[nodiscard]] bool files(Slot slot) const { return hashes_.contains(slot); }
  [[nodiscard]] std::uint64_t hash(Slot slot) const { return hashes_.at(slot); }

  // Whether any slot is filed under the hash.
  [[nodiscard]] bool has(std::uint64_t hash) const {
    return table_.find(hash, [&](Slot at) { return hashes_.at(at) == hash; }) != kNone;
  }

  void compare() const {
    CHECK(table_.size() == hashes_.size());
    table_.validate([this](Slot at) { return hashes_.at(at); });
    for (const auto& [slot, hash] : hashes_) CHECK(find(hash, slot) == slot);
    CHECK(table_.bytes() >= 64 && table_.bytes() % 64 == 0);
  }

 private:
  [[nodiscard]] Slot find(std::uint64_t hash, Slot slot) const {
    const auto is_it = [&](Slot at) {
      CHECK(hashes_.contains(at));
      return at == slot;
    };
    const Slot found = table_.find(hash, is_it);
    const Slot near = table_.find_at_home(hash, is_it);
    CHECK(near == kNone || near == found);
    return found;
  }

  Table table_;
  std::unordered_map<Slot, std::uint64_t> hashes_;  // by slot
};

}  // namespace augury::tests
