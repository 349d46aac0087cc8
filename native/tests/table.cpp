// The hash index against std::unordered_map: random hashes, few distinct ones, ones that share a
// home or a tag, and sequences that push slots about until no chunk ends a search by itself.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/table.cpp -Wl,--wrap=realloc -o table && ./table
#include "core/random.hpp"
#include "tests/allocation.hpp"
#include "tests/table_exercise.hpp"

namespace augury::tests {
namespace {

constexpr std::uint64_t at_home(std::uint64_t home, std::uint64_t tag) {
  return home << 32 | tag;
}

// Every chunk of the table passes a slot on, though few are filed: only the number of chunks bounds
// a search for what is absent.
void circle(std::uint64_t chunks) {
  TableExercise table;
  Slot slot = 0;
  std::vector<std::pair<std::uint64_t, Slot>> passed_on;
  // Growing to the number of chunks first.
  std::vector<std::pair<std::uint64_t, Slot>> first;
  for (std::uint64_t i = 0; i < chunks * 9; ++i) first.emplace_back(at_home(i % chunks, i), slot++);
  for (const auto& [hash, at] : first) table.insert(hash, at);
  for (const auto& [hash, at] : first) table.erase(hash, at);
  for (std::uint64_t home = 0; home < chunks; ++home) {
    std::vector<std::pair<std::uint64_t, Slot>> fill;
    for (int i = 0; i < 12 - (home == 0 ? 0 : 1); ++i) {
      fill.emplace_back(at_home(home, 7), slot);
      table.insert(at_home(home, 7), slot++);
    }
    passed_on.emplace_back(at_home(home, 9), slot);
    table.insert(at_home(home, 9), slot++);
    for (const auto& [hash, at] : fill) table.erase(hash, at);
  }
  for (std::uint64_t home = 0; home < chunks; ++home) CHECK(!table.has(at_home(home, 8)));
  table.compare();
  for (const auto& [hash, at] : passed_on) table.erase(hash, at);
  table.compare();
}

// More slots pass a chunk than it can count.
void saturate() {
  TableExercise table;
  for (int round = 0; round < 4; ++round) {
    const auto hash = at_home(static_cast<std::uint64_t>(round) * 37, 5);
    for (Slot slot = 0; slot < 700; ++slot) table.insert(hash, slot);
    table.compare();
    for (Slot slot = 0; slot < 700; ++slot) table.erase(hash, slot);
    table.compare();
    CHECK(!table.has(hash));
  }
}

// What many keys with one home leave behind when they are gone lets no search pass on and on.
void recovers() {
  Table table;
  const auto hash_of = [](Slot slot) {
    return slot < 3000 ? at_home(0, 5) : at_home(slot % 256, 5);
  };
  const auto insert = [&](Slot slot) {
    table.prepare(hash_of);
    table.insert(hash_of(slot), slot);
  };
  for (Slot slot = 0; slot < 3000; ++slot) insert(slot);
  for (Slot slot = 0; slot < 3000; ++slot) table.erase(hash_of(slot), slot);
  for (Slot slot = 3000; slot < 3256; ++slot) insert(slot);
  int asked = 0;
  CHECK(table.find(at_home(0, 5), [&](Slot) { return ++asked, false; }) == kNone);
  CHECK(asked < 24);
  table.validate(hash_of);
}

void churn(std::uint64_t seed, std::size_t most, std::uint64_t (*hash)(std::uint64_t)) {
  TableExercise table;
  Random random(seed);
  std::vector<std::pair<std::uint64_t, Slot>> filed;
  std::vector<Slot> free;
  for (Slot slot = 0; slot < most; ++slot) free.push_back(slot);
  for (int step = 0; step < 4000; ++step) {
    if (!filed.empty() && (free.empty() || random.below(20) < 9)) {
      const std::size_t at = random.below(filed.size());
      table.erase(filed[at].first, filed[at].second);
      free.push_back(filed[at].second);
      filed[at] = filed.back();
      filed.pop_back();
    } else {
      filed.emplace_back(hash(random.next()), free.back());
      free.pop_back();
      table.insert(filed.back().first, filed.back().second, random.below(50) == 0);
    }
    CHECK(!table.has(at_home(random.below(1u << 20), 256)));
    if (step % 64 == 0) table.compare();
  }
  table.compare();
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury::tests;
  for (const std::uint64_t chunks : {2u, 4u, 8u, 64u}) circle(chunks);
  saturate();
  recovers();
  std::uint64_t seed = 0;
  for (const std::size_t most : {1u, 9u, 10u, 18u, 19u, 36u, 600u, 3000u}) {
    churn(++seed, most, [](std::uint64_t bits) { return bits; });
    churn(++seed, most, [](std::uint64_t bits) { return bits % 3; });   // one home
    churn(++seed, most, [](std::uint64_t bits) { return bits << 8; });  // one tag
    churn(++seed, most, [](std::uint64_t bits) { return bits % 5 << 32 | bits % 2; });
  }
  std::printf("table\n");
}
