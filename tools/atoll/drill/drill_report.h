#pragma once
// What a drill has found out, for people as a table a phase and for machines as JSON.

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/atoll/drill/latency.h"

namespace atolldb::tools {

struct RegionFigures {
  uint64_t done = 0;
  uint64_t errors = 0;  // writes that ended rejected or unknown
  Latency latency;      // of those done, from the first attempt to the answer
};

struct PhaseFigures {
  std::string name;
  double seconds = 0;
  std::vector<RegionFigures> regions;  // in the topology's order
};

struct NodeVerdict {
  std::string node;
  uint64_t keys = 0;      // compared and right
  uint64_t elements = 0;  // of sets, compared and right
  uint64_t wrong = 0;     // keys that are missing, differ, or should not be there; reads that failed
  std::vector<std::string> examples;  // of what is wrong, a few
};

struct DrillReport {
  std::string source;
  uint64_t packages = 0;
  uint64_t replaced = 0;  // stanzas that a later one of the same name replaced
  uint64_t stanza_bytes = 0;
  uint64_t seed = 0;
  std::vector<std::string> regions;
  std::string killed;                     // empty: none was
  double down_seconds = 0;                // from the kill until every node of it served again
  std::vector<uint64_t> retries;          // by region: attempts beyond the first, made by the client library
  std::vector<std::string> first_errors;  // by region; empty: none
  std::vector<PhaseFigures> phases;
  bool converged = false;
  double converge_seconds = 0;  // from the last acknowledged write
  double verify_seconds = 0;
  std::vector<NodeVerdict> nodes;

  uint64_t writes() const;
  uint64_t errors() const;
  // Everything that was promised held: no error in any region, converged, every node right.
  bool passed() const;
};

void print_table(FILE* out, const DrillReport& report);
std::string to_json(const DrillReport& report);

}  // namespace atolldb::tools
