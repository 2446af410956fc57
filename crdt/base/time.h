#pragma once
// Time as the cores see it: a value that is handed in. Nothing below the io folders reads a clock.

#include <compare>
#include <cstdint>

namespace atolldb {

struct Duration {
  int64_t ns = 0;
  static constexpr Duration nanos(int64_t n) { return {n}; }
  static constexpr Duration micros(int64_t n) { return {n * 1'000}; }
  static constexpr Duration millis(int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration seconds(int64_t n) { return {n * 1'000'000'000}; }
  constexpr double as_seconds() const { return static_cast<double>(ns) / 1e9; }
  constexpr int64_t as_millis() const { return ns / 1'000'000; }
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend constexpr Duration operator*(Duration a, int64_t n) { return {a.ns * n}; }
  friend constexpr auto operator<=>(Duration, Duration) = default;
};

// A point on the monotonic clock of one process; comparable only within that process.
struct Instant {
  int64_t ns = 0;
  static constexpr Instant never() { return {INT64_MAX}; }
  friend constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
  friend constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
  friend constexpr auto operator<=>(Instant, Instant) = default;
};

// What every handler of a state machine is given: the monotonic clock for intervals and deadlines, the wall
// clock for hybrid logical clocks (milliseconds since 1970; may jump either way).
struct Now {
  Instant monotonic;
  uint64_t wall_ms = 0;
};

}  // namespace atolldb
