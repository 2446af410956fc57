#pragma once
// The requests that clients wait for, and the bounds on them. A place is taken when a request is handed to
// the engine and given back with its response; its name is what the engine knows the client by. One place,
// one response: a second response to the same name finds nothing.

#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"

namespace atolldb::region {

class InFlight {
 public:
  struct Limits {
    uint32_t requests_max = 65'536;
    size_t bytes_max = 128u << 20;
  };
  struct Place {
    uint32_t client = 0;       // the owner's own number for the connection
    size_t bytes = 0;          // of the request
    uint64_t correlation = 0;  // by which the client knows it
  };

  explicit InFlight(const Limits& limits) : limits_(limits) {}

  // Nothing: over a limit. Otherwise the place's name, 8 bytes.
  std::optional<Bytes> take(const Place& place);
  // Nothing: not a name that is in use.
  std::optional<Place> give_back(BytesView name);

  uint32_t requests() const { return requests_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Slot {
    Place place;
    uint32_t generation = 0;  // odd while in use
  };
  Limits limits_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t requests_ = 0;
  size_t bytes_ = 0;
};

}  // namespace atolldb::region
