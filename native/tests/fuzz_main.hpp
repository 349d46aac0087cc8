// Random rounds for a fuzz target built without libFuzzer, with -DAUGURY_FUZZ_MAIN. Arguments: the
// number of rounds, and a seed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/random.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#ifdef AUGURY_FUZZ_MAIN
int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 1000;
  const std::uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  augury::Random random(seed);
  std::vector<std::uint8_t> bytes;
  for (int round = 0; round < rounds; ++round) {
    bytes.resize(random.below(6000));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next() >> 56);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%d rounds\n", rounds);
}
#endif
