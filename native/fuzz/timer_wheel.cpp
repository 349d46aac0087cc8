// Fuzzes the timer wheel: bytes choose deadlines, cancellations and jumps of the clock.
//
// libFuzzer:
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Inative
//       native/fuzz/timer_wheel.cpp -o fuzz_timer_wheel && ./fuzz_timer_wheel -max_total_time=60
// Without it, that many random rounds:
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -DAUGURY_FUZZ_MAIN
//       -Inative native/fuzz/timer_wheel.cpp -o fuzz_timer_wheel && ./fuzz_timer_wheel 2000
#include "tests/fuzz_main.hpp"
#include "tests/timer_exercise.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace augury;
  using namespace augury::tests;
  Bytes bytes(std::span(data, size));
  const auto span = [&] {  // a sixteen-bit number of a unit from a nanosecond to hours
    const std::uint32_t number = bytes.next16();
    return static_cast<std::int64_t>(number) << bytes.next() % 42;
  };
  TimerExercise timers;
  const std::uint32_t slots = 1 + bytes.next();
  std::int64_t now = span();
  std::uint32_t steps = 0;
  while (!bytes.empty()) {
    const std::uint32_t op = bytes.next();
    const Slot slot = bytes.next() % slots;
    if (op < 120) {
      timers.schedule(slot, now + span(), now);
    } else if (op < 140) {
      timers.cancel(slot);
    } else if (op < 250) {
      now = std::min(now + span(), std::int64_t{1} << 62);
      timers.advance(now, op % 2 == 0);
    } else {
      now = std::max<std::int64_t>(0, now - span());
      timers.advance(now, op % 2 == 0);
    }
    if (++steps % 8 == 0) timers.compare();
  }
  timers.compare();
  return 0;
}
