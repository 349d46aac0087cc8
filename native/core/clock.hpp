// Clocks: the one that expiry uses, and the time of day.
#pragma once

#include <cstdint>
#include <ctime>

namespace augury {

inline std::int64_t read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Nanoseconds since some fixed moment; never goes back.
inline std::int64_t monotonic_ns() {
  return read_clock(CLOCK_MONOTONIC);
}

// Seconds since 1970, modulo 2^32; to a few milliseconds, for a few nanoseconds.
inline std::uint32_t wall_seconds() {
#ifdef CLOCK_REALTIME_COARSE
  constexpr clockid_t kClock = CLOCK_REALTIME_COARSE;
#else
  constexpr clockid_t kClock = CLOCK_REALTIME;
#endif
  timespec time;
  clock_gettime(kClock, &time);
  return static_cast<std::uint32_t>(time.tv_sec);
}

// Whether `deadline` has passed. Nearly always answered by the coarse clock, which costs a quarter
// of the exact one and lags behind it by less than kLag.
inline bool has_passed(std::int64_t deadline) {
  constexpr std::int64_t kLag = 20'000'000;
#ifdef CLOCK_MONOTONIC_COARSE
  if (deadline > read_clock(CLOCK_MONOTONIC_COARSE) + kLag) return false;
#endif
  return deadline <= monotonic_ns();
}

}  // namespace augury
