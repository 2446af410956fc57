#pragma once
// How large collections are cleared (docs/decisions/0018).

#include <cstddef>

#include "crdt/sizes.h"

namespace atolldb::region {

struct ClearSteps {
  size_t at_once_max = crdt::kClearedAtOnceMax;  // rows; of more the clear goes on in steps
  size_t rows_a_step = 256;
};

}  // namespace atolldb::region
