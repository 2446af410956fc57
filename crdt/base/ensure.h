#pragma once
// ensure(condition, why): an assertion that stays on in production. For broken logic only; bytes from a disk,
// a network or a user are validated with Result, never ensured.

#include <cstdio>
#include <cstdlib>

namespace atolldb {

[[noreturn]] inline void ensure_failed(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, why, condition);
  std::abort();
}

}  // namespace atolldb

#define ensure(condition, why)                                                       \
  do {                                                                               \
    if (!(condition)) ::atolldb::ensure_failed(#condition, why, __FILE__, __LINE__); \
  } while (false)

// Costly checks: on in tests and in the simulator (built with ATOLL_SLOW_CHECKS), off in the daemon.
#ifdef ATOLL_SLOW_CHECKS
#define ensure_slow(condition, why) ensure(condition, why)
#else
#define ensure_slow(condition, why) \
  do {                              \
  } while (false)
#endif
