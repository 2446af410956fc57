#pragma once
// What a shell keeps from one line to the next: whom it asks, its open clients, its session.

#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "client/client.h"
#include "client/session.h"
#include "crdt/base/bytes.h"

namespace atolldb::tools {

struct ShellState {
  std::string topology_file;
  std::string region, node;  // of `use`; both empty: the nearest region
  bool any_region = false;
  bool in_session = false;
  Bytes token;  // of the session
  client::WhenBehind when_behind = client::WhenBehind::wait;

  // Clients by topology, region, node, any_region, local, deadline: a connection is opened once.
  using Key = std::tuple<std::string, std::string, std::string, bool, bool, uint32_t>;
  std::map<Key, std::shared_ptr<client::Client>> clients;
};

}  // namespace atolldb::tools
