#pragma once
// Ports on loopback for tests that run beside each other, in one process or in many.

#include <cstdint>

namespace atolldb::wan {

// A port that nothing holds, and that no other test process is given while this one runs: a process owns the
// block of ports from which it takes them. Below the range from which the system gives ports to outgoing
// connections, so that none of those takes it before the test binds it. Threads: one at a time.
uint16_t free_port();

}  // namespace atolldb::wan
