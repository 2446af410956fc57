#pragma once
// Who writes what, and what every node must hold in the end. Both are computed from the package index alone:
//
//   string  pkg:NAME        the package's stanza          written by two regions, the same value
//   set     section:S       the names in section S        every element added by two regions
//   set     maintainer:M    the names of maintainer M     every element added by two regions
//   string  count:S         how many packages S has       every package counted by exactly one region
//
// Package k of the seed's order belongs to regions k mod R and (k + 1) mod R: with three regions each loads
// overlapping two thirds. All loaders walk the same order, so that both writers of a key come at about the
// same time. Keys end at 480 bytes; what is longer is cut there, for the load and for the expectation alike.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/placement.h"
#include "tools/atoll/drill/package_index.h"

namespace atolldb::tools {

inline constexpr size_t kDrillKeyBytesMax = 480;

enum class WriteKind : uint8_t { put_package, add_to_section, add_to_maintainer, count_section };

// One write of one loader; small, since a loader has hundreds of thousands of them.
struct PlannedWrite {
  uint32_t package = 0;  // index into PackageIndex::packages()
  WriteKind kind{};
};

Bytes package_key(const Package& package);
Bytes section_key(const Package& package);
Bytes maintainer_key(const Package& package);
Bytes count_key(const Package& package);
// True for every key that a drill writes, whatever its input.
bool is_drill_key(BytesView key);

// By region, each in the order in which its loader sends. At least two regions.
std::vector<std::vector<PlannedWrite>> plan_writes(const PackageIndex& index, size_t regions, uint64_t seed);

struct ExpectedString {
  Bytes key;
  PartitionId partition{};
  std::string_view value;  // a stanza; borrowed from the index
  int64_t count = 0;       // a counter, where `value` is empty
};

struct ExpectedSet {
  Bytes key;
  PartitionId partition{};
  std::vector<std::string_view> members;  // sorted; borrowed from the index
};

struct Expectation {
  std::vector<ExpectedString> strings;  // packages, then counters
  std::vector<ExpectedSet> sets;
  size_t keys() const { return strings.size() + sets.size(); }
};

// The index outlives the expectation.
Expectation expect(const PackageIndex& index, const Placement& placement);

}  // namespace atolldb::tools
