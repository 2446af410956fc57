#pragma once
// The verdict on a conditional write (docs/coordinator.md, rule 12): whether it holds, under which epoch that
// was said, and what it depended on, so that one that comes to light late can be judged anew.

#include <cstdint>

#include "crdt/base/ids.h"

namespace atolldb::region {

// Persistent: numbers are never reused.
enum class Verdict : uint8_t {
  none = 0,        // the write depends on nothing
  absent = 1,      // holds: there was no such key, or field
  present = 2,     // holds: there was
  unchanged = 3,   // holds: it was made of the value that was there
  superseded = 4,  // adds no value and supersedes nothing
};

// A verdict that is settled is above those of all epochs.
inline constexpr Epoch kFinal{UINT64_MAX, {}, 0};

// Whether it waits for its verdict to be settled, and has no effect until then.
constexpr bool is_pending(Verdict verdict, const Epoch& judged) {
  return verdict != Verdict::none && judged != kFinal;
}

}  // namespace atolldb::region
