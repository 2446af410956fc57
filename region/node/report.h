#pragma once
// What a node tells about itself, as JSON: `atoll status`, `digest` and `inspect` are made of it. Field names
// are an interface (docs/formats/reports.md).

#include <string>

#include "region/core/node.h"
#include "wan/core/streams.h"

namespace atolldb::node {

std::string status_json(region::Node& node, const wan::Streams& streams, const std::vector<RegionId>& cut);
std::string digest_json(region::Node& node);
std::string inspect_json(region::Node& node, BytesView key);

}  // namespace atolldb::node
