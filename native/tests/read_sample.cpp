// Reads of a sample of the keys come out as they went in, a burst at a time.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/read_sample.cpp -o read_sample && ./read_sample
#include "cache/read_sample.hpp"

#include <cstdint>
#include <stdexcept>

namespace {

void check(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace

int main() {
  using augury::ReadSample;
  using augury::Sampler;
  ReadSample reads(3, 1.0);
  check(reads.wanted().takes(7), "an empty one wants reads");
  reads.add(7, true);
  reads.add(8, false);
  check(!reads.full(), "there is room");
  reads.add(9, true);
  check(reads.full() && !reads.wanted().takes(7), "a full one wants none");
  const ReadSample::Taken taken = reads.take();
  check(taken.size == 3, "all are taken");
  check(taken.reads[0] == 15 && taken.reads[1] == 16 && taken.reads[2] == 19, "in their order");
  check(!reads.full() && reads.wanted().takes(7), "it wants others then");
  check(reads.take().size == 0, "none twice");

  const Sampler few(0.01);
  const Sampler many(0.5);
  for (std::uint64_t hash = 0; hash < 100'000; ++hash) {
    check(!few.takes(hash) || many.takes(hash), "a smaller sample lies within a larger one");
    check(few.wider(many).takes(hash) == many.takes(hash), "the wider of two");
    check(many.wider(few).takes(hash) == many.takes(hash), "in either order");
  }
  return 0;
}
