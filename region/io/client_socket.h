#pragma once
// What the TCP connections of clients have in common, whichever door of a node they came in by.

namespace atolldb::region {

// Answers leave at once, and a connection whose other end has gone without a word ends within two minutes: a
// machine that was switched off or fell asleep, a balancer that forgot it. What was sent and is not
// acknowledged, or finds no room at the other end, counts from its sending; a silent connection is asked once
// a minute, which also keeps the balancers and firewalls in between from forgetting it (the hastiest of them
// do after four).
//
// `fd`: a connected TCP socket, the caller's. What the system refuses stays as it is.
void set_client_socket_options(int fd);

// Clients that may wait to be accepted.
inline constexpr int kBacklog = 512;

}  // namespace atolldb::region
