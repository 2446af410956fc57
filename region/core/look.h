#pragma once
// Reads of one replica's rows as they stand, by the type that they ask of.

#include "region/core/request.h"

namespace atolldb::region {

struct NodeState;
class Partition;

// Requires: one of hget, hgetall, hlen, hmget, siblings.
Result<Response> look_map(Partition& partition, const Request& request);
// Requires: one of smembers, sismember, smismember, scard, sample.
Result<Response> look_set(Partition& partition, const Request& request);
// Requires: type or keys.
Result<Response> look_keys(NodeState& node, Partition& partition, const Request& request);

// The hash from which `keys` goes on, named in its first argument. Errc::invalid: it is no place.
Result<uint64_t> place_of(const Request& request);
// So many members from a place in the set on, and round: what `sample` shows and `spop` removes. A place is
// 16 bytes and chosen by the client: picked at random, it picks members at random.
Result<std::vector<Bytes>> members_from(Partition& partition, const Request& request);

}  // namespace atolldb::region
