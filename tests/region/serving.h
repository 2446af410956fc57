#pragma once
// What whole clusters are brought to before and after a test: everybody serves, and all are equal.

#include <catch2/catch.hpp>

#include "tests/region/world.h"

namespace atolldb::testing {

inline void start(World& world) {
  world.start_all();
  if (!world.run_until([&] { return world.serving(); })) {
    for (const auto& line : world.lines()) UNSCOPED_INFO(line);
    FAIL("the cluster does not serve");
  }
}

inline void require_converged(World& world, Duration limit = Duration::seconds(60)) {
  if (world.run_until([&] { return world.converged(); }, limit)) return;
  for (const auto& line : world.lines()) UNSCOPED_INFO(line);
  for (const NodeNumber node : world.all())
    if (world.running(node))
      UNSCOPED_INFO(world.report(node, region::Op::status) << "\n" << world.report(node, region::Op::digest));
  FAIL("the cluster does not converge");
}

}  // namespace atolldb::testing
