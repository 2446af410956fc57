#pragma once
// One random history of a few replicas against the oracle.

#include <cstdint>
#include <optional>
#include <string>

namespace atolldb::crdt {

// A function of its seed. What differs from the oracle, and after which steps; nothing: all is well.
std::optional<std::string> random_history(uint64_t seed);

}  // namespace atolldb::crdt
