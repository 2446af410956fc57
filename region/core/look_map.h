#pragma once
// Reads of maps and of siblings, from one replica's rows as they stand.

#include "region/core/request.h"

namespace atolldb::region {

class Partition;

// Requires: one of hget, hgetall, hlen, siblings.
Result<Response> look_map(Partition& partition, const Request& request);

}  // namespace atolldb::region
