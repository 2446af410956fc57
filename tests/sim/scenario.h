#pragma once
// What the runs of a set have in common: from which clusters, loads and faults a seed draws. Read from a TOML
// file (docs/testing.md has its keys); a scenario that says nothing draws from everything.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/prng.h"
#include "crdt/base/result.h"

namespace atolldb::sim {

// From least to most, both included.
struct Span {
  uint64_t least = 0, most = 0;
  uint64_t draw(Prng& dice) const { return least + dice.below(most - least + 1); }
};

struct Quorum {
  uint32_t n = 3, r = 2, w = 2;
};

enum class LoadKind : uint8_t {
  register_,    // strings that are set, deleted and read
  counter,      // adds with request ids, read
  set,          // elements that are added once, removed and read
  churn,        // a few elements that are added and removed again and again
  mixed,        // one key as a number, an adder and a set, deleted and made anew
  collection,   // large sets, cleared and filled
  map,          // fields that are set, deleted and read, and others that are added to
  conditional,  // sets with and without NX and XX
  count_
};
inline constexpr size_t kLoadKinds = static_cast<size_t>(LoadKind::count_);

struct Load {
  LoadKind kind{};
  uint32_t weight = 1;
  Span keys{1, 6};
  Span value_bytes{1, 40};
  uint32_t reads_percent = 35, deletes_percent = 8;
};

struct Scenario {
  std::string name = "everything";
  // [cluster]
  Span regions{1, 4}, nodes{1, 6}, partitions{1, 8};
  std::vector<Quorum> quorums{{3, 2, 2}, {3, 2, 2}, {3, 2, 2}, {3, 1, 3}, {3, 3, 1},
                              {5, 3, 3}, {4, 2, 3}, {1, 1, 1}, {2, 1, 2}};
  Span memtable_kib{128, 1024}, log_kib{64, 4096};
  // [run]
  Span seconds{10, 60}, operations_per_second{5, 60}, clients_per_region{1, 4};
  uint32_t moving_percent = 15;  // of the clients
  uint32_t local_reads_percent = 5;
  uint32_t sessions_percent = 50;  // of the clients: they carry tokens
  // [[load]]; none: each kind, some of them in each run
  std::vector<Load> loads;
  // [faults]
  std::vector<std::string> faults;   // kinds; none: all, some of them in each run
  std::vector<std::string> without;  // kinds that are not drawn; for tests
  Span fault_every_ms{300, 5000};
  bool no_faults = false;
};

// Errc::invalid: "FILE:LINE:COLUMN: found ..., expected ...". Errc::io: the file cannot be read.
Result<Scenario> load_scenario(const std::string& path);
Result<Scenario> parse_scenario(std::string_view toml, std::string_view file);

}  // namespace atolldb::sim
