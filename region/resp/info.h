#pragma once
// INFO: the sections that clients and people look for in Redis, and one of our own.

#include <string>

#include "crdt/base/bytes.h"
#include "region/resp/session.h"

namespace atolldb::resp {

// `status`: the answer to Op::status, JSON. `section`: lower case; "default", "all" and "everything" are all.
std::string info_text(const Node& node, BytesView status, BytesView section);

}  // namespace atolldb::resp
