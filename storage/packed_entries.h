#pragma once
// Entries of an outbox, packed to five or six bytes each: neighbours differ by little. In memory for those
// that wait long, and in a checkpoint, so that a restart need not read the log for them
// (docs/formats/records.md has the bytes).

#include <cstdint>
#include <functional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "storage/store.h"

namespace atolldb::storage {

struct OutboxEntry {
  Dot dot;
  LogPosition at;
  uint32_t bytes = 0;
  bool conditional = false;  // carries a verdict
  uint64_t before = 0;       // bytes of all entries ever added before this one; set by Outbox::add()
};

// What an entry is told against: those before it.
struct EntryContext {
  struct OfActor {
    Actor actor;
    uint64_t counter = 0;  // of its newest dot
  };
  std::vector<OfActor> actors;  // in the order in which they appeared
  uint64_t at = 0;
  uint32_t bytes = 0;
};

class EntryPacker {
 public:
  // Appends to `out`, which stays the caller's.
  explicit EntryPacker(Bytes& out) : out_(out) {}
  void add(const OutboxEntry& entry);

 private:
  Bytes& out_;
  EntryContext context_;
};

// Gives back what one packer wrote, in order; `before` is 0. False: the bytes are no such entries, or end
// within one, and nothing more is visited.
bool unpack_entries(BytesView packed, const std::function<void(const OutboxEntry&)>& visit);

}  // namespace atolldb::storage
