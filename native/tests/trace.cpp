// What is counted of a trace without requests.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/trace.cpp -o trace && ./trace
#include "sim/key_index.hpp"
#include "sim/next_access.hpp"
#include "sim/reuse.hpp"
#include "tests/exercise.hpp"

int main() {
  augury::KeyIndex index;
  index.intern({}, nullptr);
  CHECK(index.size() == 0 && augury::KeyIndex().keys().empty() && index.keys().empty());
  augury::Reuse reuse;
  reuse.feed({});
  CHECK(reuse.frequencies().empty() && reuse.distances()[0] == 0);
  augury::NextAccess(0, 0).fill({}, nullptr);
}
