// The timer wheel against a sorted multimap: deadlines from a nanosecond to centuries ahead, or
// past, jumps of the clock of any length, and clocks that go back.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/timer_wheel.cpp -o timer_wheel && ./timer_wheel
#include "core/random.hpp"
#include "tests/timer_exercise.hpp"

namespace augury::tests {
namespace {

// Up to 2^most, every magnitude as likely as any other.
std::int64_t span(Random& random, std::uint64_t most) {
  const std::uint64_t magnitude = random.below(most + 1);
  return static_cast<std::int64_t>(random.next() & ((std::uint64_t{1} << magnitude) - 1));
}

void random_times(std::uint64_t seed, Slot slots, std::uint64_t farthest, std::uint64_t jump,
                  bool back) {
  TimerExercise timers;
  Random random(seed);
  std::int64_t now = span(random, 60);
  for (int step = 0; step < 6000; ++step) {
    const Slot slot = static_cast<Slot>(random.below(slots));
    const std::uint64_t op = random.below(10);
    if (op < 5) {
      const bool past = random.below(20) == 0;
      const std::int64_t ahead = 1 + span(random, farthest);
      timers.schedule(slot, past ? std::max<std::int64_t>(0, now - ahead) : now + ahead, now);
    } else if (op == 5) {
      timers.cancel(slot);
    } else if (op == 6) {
      timers.schedule(slot, TimerWheel::kForever, now);
    } else {
      const std::int64_t to =
          back && random.below(8) == 0 ? now - span(random, jump) : now + span(random, jump);
      now = std::clamp<std::int64_t>(to, 0, std::int64_t{1} << 62);
      timers.advance(now, op == 9);
    }
    if (step % 16 == 0) timers.compare();
  }
  timers.compare();
  timers.advance(TimerWheel::kForever - 1, true);
  timers.compare();
}

// One entry for each deadline around each boundary of levels and buckets.
void boundaries() {
  for (int bits = 0; bits < 62; ++bits) {
    for (const std::int64_t off : {-1, 0, 1}) {
      for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1} << 20,
                                       (std::int64_t{1} << 40) - 1, std::int64_t{1} << 61}) {
        const std::int64_t deadline = start + (std::int64_t{1} << bits) + off;
        if (deadline < start) continue;
        TimerExercise timers;
        timers.schedule(1, deadline, start);
        timers.compare();
        timers.advance(deadline - 1, true);
        timers.compare();
        timers.advance(deadline, true);
        timers.compare();
      }
    }
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury::tests;
  boundaries();
  std::uint64_t seed = 0;
  for (const augury::Slot slots : {1u, 10u, 300u}) {
    for (const std::uint64_t farthest : {10u, 21u, 30u, 40u, 57u, 60u}) {
      for (const std::uint64_t jump : {10u, 20u, 26u, 32u, 50u}) {
        ++seed;
        random_times(seed, slots, farthest, jump, seed % 3 == 0);
      }
    }
  }
  std::printf("timer wheel\n");
}
