#pragma once
// Where a request must go, and who is told what came of it.

#include <functional>
#include <optional>

#include "crdt/base/ids.h"
#include "region/core/request.h"

namespace atolldb::client {

// Where a request must go. Neither: the partition's coordinator in the nearest region.
struct Target {
  std::optional<NodeNumber> node;  // exactly this node, whoever coordinates
  std::optional<RegionId> region;  // this region and no other
  bool elsewhere =
      false;  // with neither: from a region that is behind the session's token on to the next one
};

// Called once, on the client's thread; must not block.
using Callback = std::function<void(region::Response&&)>;

}  // namespace atolldb::client
