#pragma once
// What a caller is told: done with a value, rejected (certainly nothing happened, and nothing will), or
// unknown (it may have happened or may yet).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "region/core/request.h"

namespace atolldb::client {

template <typename T>
struct [[nodiscard]] Reply {
  region::Outcome outcome = region::Outcome::done;
  T value{};                  // when done
  Errc code = Errc::invalid;  // when not done
  std::string message;        // when not done: a sentence for a person
  NodeNumber node{};          // who answered; 0: nobody did
  bool stale = false;         // a read that may lack what was acknowledged, or seen, before it began
  // In a session, with Errc::behind or stale: what the region that answered has not got yet.
  std::optional<region::Behind> behind;

  bool done() const { return outcome == region::Outcome::done; }
  bool rejected() const { return outcome == region::Outcome::rejected; }
  bool unknown() const { return outcome == region::Outcome::unknown; }
};

// A string, or a field of a map.
struct Got {
  std::optional<Bytes> value;  // nothing: there is no such key
  uint32_t hidden = 0;         // siblings behind the value
};

// All that was set to a string at the same time.
struct Siblings {
  std::vector<Bytes> values;   // as they were set; the first is the one that get shows
  std::optional<Bytes> added;  // decimal: what increments add to it, while the shown value is a number
  std::vector<Bytes> behind;   // other types that were given to the key at the same time: "set", "map"
  Bytes context;               // names all this; opaque
};

}  // namespace atolldb::client
