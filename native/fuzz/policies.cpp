// Fuzzes the policies with sequences of operations. The first byte picks the policy, the next few
// its capacity, weights and parameters, the rest are operations.
//
// libFuzzer:
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Inative native/fuzz/policies.cpp
//       -Wl,--wrap=realloc -o fuzz_policies && ./fuzz_policies -max_total_time=60
// Without it, that many random rounds:
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -DAUGURY_FUZZ_MAIN
//       -Inative native/fuzz/policies.cpp -Wl,--wrap=realloc -o fuzz_policies && ./fuzz_policies
//       2000
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"
#include "tests/fuzz_main.hpp"

namespace {

using namespace augury;
using namespace augury::tests;

double parameter(const Parameter& of, std::uint32_t byte) {
  if (byte < 64) return of.standard;
  if (byte < 96) return of.low;
  if (byte < 128) return of.high;
  return of.low + (of.high - of.low) * (byte - 128) / 127;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Entry> entries = catalogue();
  Bytes bytes(std::span(data, size));
  const Entry& entry = entries[bytes.next() % entries.size()];
  Plan plan;
  plan.capacity = bytes.next() % 2 == 0 ? 1 + bytes.next() % 8 : 1 + bytes.next16() % 600;
  const std::uint32_t kind = bytes.next();
  plan.weighed = kind % 2 == 0;
  plan.ahead = kind % 4 >= 2;
  plan.keys = static_cast<std::uint32_t>(1 + plan.capacity * (1 + bytes.next() % 4));
  plan.seed = bytes.next();
  plan.validate_every = plan.capacity < 20 ? 1 : 16;
  for (const Parameter& p : entry.description.parameters) {
    plan.parameters.emplace(p.name, parameter(p, bytes.next()));
  }
  Exercise(entry.make, plan).run(bytes);
  return 0;
}
