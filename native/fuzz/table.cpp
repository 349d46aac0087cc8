// Fuzzes the hash index: bytes choose homes, tags, and what is filed, erased and sought.
//
// libFuzzer:
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Inative native/fuzz/table.cpp
//       -Wl,--wrap=realloc -o fuzz_table && ./fuzz_table -max_total_time=60
// Without it, that many random rounds:
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -DAUGURY_FUZZ_MAIN
//       -Inative native/fuzz/table.cpp -Wl,--wrap=realloc -o fuzz_table && ./fuzz_table 2000
#include "tests/allocation.hpp"
#include "tests/fuzz_main.hpp"
#include "tests/table_exercise.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace augury;
  using namespace augury::tests;
  Bytes bytes(std::span(data, size));
  TableExercise table;
  const std::uint32_t slots = 1 + bytes.next() * (bytes.next() % 4);
  const std::uint32_t homes = 1 + bytes.next() % 64;
  const std::uint32_t tags = 1 + bytes.next() % 4;
  std::uint32_t steps = 0;
  while (!bytes.empty()) {
    const std::uint32_t op = bytes.next();
    const Slot slot = bytes.next16() % slots;
    const std::uint64_t hash = std::uint64_t{bytes.next() % homes} << 32 | op % tags;
    if (table.files(slot)) {
      table.erase(table.hash(slot), slot);
    } else {
      table.insert(hash, slot, op > 250);
    }
    (void)table.has(hash + 256);
    if (++steps % 32 == 0) table.compare();
  }
  table.compare();
  return 0;
}
