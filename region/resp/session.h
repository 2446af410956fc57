#pragma once
// What a connection remembers, and what all connections are told of the node that they talk to.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "region/core/request.h"
#include "region/resp/room.h"
#include "region/resp/writer.h"

namespace atolldb::resp {

struct Session {
  uint64_t id = 0;
  std::string peer;  // address:port
  std::string name, lib_name, lib_version;
  Protocol protocol = Protocol::resp2;
  uint8_t r = 0, w = 0;  // 0: the topology's
  bool closing = false;  // once what is written has left
  // What it was answered at, here and, where it has continued a token, in other regions before.
  region::Seen seen;
  bool continued = false;  // `seen` has other regions than this one: requests say so
  region::OnBehind on_behind = region::OnBehind::wait;
  std::optional<region::Behind> behind;  // of the last answer
};

// Figures that change, asked for when somebody wants to see them.
struct NodeFigures {
  uint64_t uptime_seconds = 0;
  uint64_t clients = 0, clients_max = 0, connections = 0, refused_connections = 0;
  uint64_t commands = 0, input_bytes = 0, output_bytes = 0;
  uint64_t resident_bytes = 0;
  double cpu_user_seconds = 0, cpu_system_seconds = 0;
};

struct Node {
  std::string name, region, cluster, version, topology_file;
  uint16_t port = 0;
  uint64_t pid = 0;
  uint32_t n = 0, r = 0, w = 0, partitions = 0;
  bool strict = true;  // an acknowledged write is synced
  std::function<NodeFigures()> figures;
  std::shared_ptr<Room> room = std::make_shared<Room>();  // of all connections
  // Session tokens: from and to the bytes of docs/formats/token.md.
  RegionId region_id{};
  std::function<Bytes(const region::Seen&)> make_token;
  std::function<Result<region::Seen>(BytesView)> open_token;
  std::function<std::string(RegionId)> region_name;
};

}  // namespace atolldb::resp
