#pragma once
// A delta: the small state that one update produced, mergeable in any order (Almeida, Shoker and Baquero,
// 2018). What rooms above the data types may read of it is declared here; its parts are the business of crdt
// alone.

#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/int128.h"
#include "crdt/base/result.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "crdt/part.h"

namespace atolldb::crdt {

struct Delta {
  Bytes key;
  DotSet dots;  // its own dot; of a coalesced delta all that it merges. Joins these and no others.
  uint64_t after_add =
      0;  // of an add: counter of the same actor's add before it to this key that still counts; 0: none
  std::vector<DotSet> contexts;  // what coordinators had seen; parts refer to them by index
  std::vector<Part> parts;

  // The update's own dot. Requires: not coalesced.
  Dot dot() const;
};

// One canonical, versioned MessagePack value (docs/formats/delta.md). decode validates everything, with
// limits taken from the bytes at hand. Errc::version, Errc::corrupt, Errc::too_large.
Bytes encode(const Delta& delta);
Result<Delta> decode_delta(BytesView bytes);

// Two deltas of one key that wait together leave as one: dots join, and row by row their contexts.
Delta coalesce(const Delta& first, const Delta& second);

// Whether nothing that it names is there afterwards that was not before: rows shrink or go. What was there
// and nobody was shown may move to the conflict journal.
bool only_removes(const Delta& delta);

// What is left of an update that turns out not to have happened: it covers its dots and supersedes nothing,
// and the values that it would have set stand in the conflict journal.
Delta superseded(const Delta& delta);

// What a client that was shown siblings names: live dots, and of a total also its start and sum.
struct NamedContext {
  struct Named {
    Dot dot;
    std::optional<uint64_t> total_started;
    Int128 total_sum = 0;
  };
  std::vector<Named> dots;
};

}  // namespace atolldb::crdt
