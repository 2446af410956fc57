#pragma once
// What the clients of a run asked and were told, operation by operation. Times are true time.

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/time.h"
#include "region/core/request.h"

namespace atolldb::sim {

struct Operation {
  uint32_t id = 0;  // of the plan
  uint32_t client = 0, region = 0;
  region::Op op{};
  Bytes key;
  Bytes value;                  // of a set
  std::vector<Bytes> elements;  // of sadd, srem, sismember
  int64_t amount = 0;           // of an add
  bool local = false;           // asked of one replica alone, stale
  bool session = false;         // it carries its client's token
  uint32_t session_number = 0;  // a client begins anew where it was told too often that regions are behind
  bool carries = false;         // what the session has seen in other regions
  region::OnBehind on_behind{};
  region::Condition condition = region::Condition::none;  // of a set

  Instant invoked, returned = Instant::never();
  // Pending until the answer; what never got one stays unknown.
  bool answered = false;
  region::Outcome outcome = region::Outcome::unknown;
  Errc code = Errc::invalid;
  bool found = false, stale = false;
  Bytes shown;                // of get and add
  std::vector<Bytes> values;  // of smembers
  bool whole = false;         // of smembers: one page with all of it
  int64_t number = 0;
  uint32_t hidden = 0;
  uint32_t machine = 0;  // whom the client asked
  NodeNumber by{};       // who answered
  uint32_t attempts = 0;
  bool retried = false;  // of an add: an attempt may have happened that was not the answered one

  Bytes request_id;      // of an add, encoded
  int64_t update = -1;   // of the facts; -1: none is known
  uint32_t holders = 0;  // synced logs that had it when the answer came

  bool done() const { return answered && outcome == region::Outcome::done; }
  bool rejected() const { return answered && outcome == region::Outcome::rejected; }
  // Nothing was set: the answer tells what was there.
  bool condition_failed() const { return condition != region::Condition::none && done() && number == 0; }
  bool open() const { return !done() && !rejected(); }  // unknown: it may take effect at any time, or never
  bool writes() const {
    return op == region::Op::set || op == region::Op::del || op == region::Op::add ||
           op == region::Op::sadd || op == region::Op::srem;
  }
};

using History = std::vector<Operation>;

std::string name_of(region::Op op);
// "12.345678 c3@r1 set r0 'v7' -> done": one line for a trace.
std::string describe(const Operation& operation);

}  // namespace atolldb::sim
