#pragma once
// What a test's load has been told, and what every node may therefore hold in the end:
//
//   done      it is there
//   rejected  it is not there, and never will be (HAZARDS 20)
//   unknown   either, but the same on every node
//
// One ledger a region, written by that region's client thread and read when the load is over. Every key or
// element has one writer, whose operations on it follow each other; counters have many.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "region/core/request.h"

namespace atolldb::tests {

using region::Outcome;

// A key that is set once and maybe deleted after that.
struct Text {
  Bytes key, value;
  Outcome set{};
  std::optional<Outcome> deleted;  // nullopt: no delete was sent
};

struct Element {
  Bytes key, element;
  Outcome added{};
};

// A key that one writer sets to 1, 2, 3, ...
struct Register {
  Bytes key;
  uint64_t done = 0;              // the last that was acknowledged
  std::vector<uint64_t> unknown;  // those after it whose fate is open
};

struct Count {
  int64_t done = 0;
  int64_t unknown = 0;
};

struct Ledger {
  std::vector<Text> texts;
  std::vector<Element> elements;
  std::vector<Register> registers;
  std::map<Bytes, Count> counts;
  uint64_t done = 0, rejected = 0, unknown = 0;
  std::map<std::string, uint64_t> reasons;  // why writes were not done, and how many; at most twenty reasons

  void tally(const region::Response& response) {
    if (response.outcome == Outcome::done) ++done;
    if (response.outcome == Outcome::rejected) ++rejected;
    if (response.outcome == Outcome::unknown) ++unknown;
    if (response.outcome != Outcome::done && reasons.size() < 20) ++reasons[response.message];
  }
};

// Why the value that a node holds (nullopt: none) cannot be; empty when it can.
std::string judge(const Text& text, const std::optional<Bytes>& held);
std::string judge(const Register& reg, const std::optional<Bytes>& held);
std::string judge(const Element& element, bool held);
std::string judge(const Bytes& key, const Count& count, const std::optional<Bytes>& held);

}  // namespace atolldb::tests
