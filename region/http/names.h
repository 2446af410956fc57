#pragma once
// What codes and operations are called in answers and metrics. The names are an interface.

#include "crdt/base/errc_name.h"
#include "region/core/request.h"

namespace atolldb::http {

const char* name_of(region::Outcome outcome);
const char* name_of(region::Op op);

}  // namespace atolldb::http
