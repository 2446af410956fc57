#include "crdt/base/big_endian.h"
#include "crdt/row_key.h"
#include "region/core/look.h"
#include "region/core/node_state.h"
#include "region/core/partition.h"

namespace atolldb::region {

namespace {

constexpr size_t kPageKeys = 512;

const char* name_of(crdt::Type type) {
  switch (type) {
    case crdt::Type::string:
      return "string";
    case crdt::Type::set:
      return "set";
    case crdt::Type::map:
      return "map";
    case crdt::Type::none:
      break;
  }
  return "none";
}

Bytes encode_place(uint64_t hash) {
  Bytes out;
  append_big_endian(out, hash);
  return out;
}

// The first hash of the partition behind this one. Nothing: this is the last.
std::optional<uint64_t> behind(const Placement& placement, PartitionId partition) {
  const uint64_t next = raw(partition) + uint64_t{1};
  if (next >= placement.partitions) return std::nullopt;
  return static_cast<uint64_t>(((static_cast<Uint128>(next) << 64) + placement.partitions - 1) /
                               placement.partitions);
}

// A page ends between two hashes: keys that share one come together. Keys that show nothing count, too, so
// that a page is a bounded step.
Response page_of(NodeState& node, Partition& partition, uint64_t from) {
  Response response;
  Bytes at = crdt::key_prefix({partition.id, from}, {});
  const Bytes end = crdt::partition_end(partition.id);
  size_t looked_at = 0;
  std::optional<uint64_t> last;
  while (true) {
    std::optional<Bytes> key;
    uint64_t hash = 0;
    Bytes next;
    node.rows.walk(at, end, [&](BytesView row_key, BytesView) {
      if (const auto parts = crdt::parse_row_key(row_key)) {
        key = Bytes(parts->key);
        hash = parts->place.hash;
        next = crdt::key_end(parts->prefix);
      }
      return false;
    });
    if (!key) break;
    if (looked_at >= kPageKeys && hash != last) {
      response.value = encode_place(hash);
      return response;
    }
    ++looked_at;
    last = hash;
    if (const crdt::Type type = partition.data.type(*key); type != crdt::Type::none) {
      response.values.push_back(std::move(*key));
      response.values.emplace_back(name_of(type));
    }
    at = std::move(next);
  }
  if (const auto place = behind(node.topology.placement, partition.id)) response.value = encode_place(*place);
  return response;
}

}  // namespace

Result<uint64_t> place_of(const Request& request) {
  if (request.args.empty()) return uint64_t{0};
  if (request.args.size() != 1 || request.args[0].size() != sizeof(uint64_t))
    return {Errc::invalid, "a place among the keys has 8 bytes"};
  uint64_t hash = 0;
  for (const char byte : request.args[0]) hash = hash << 8 | static_cast<unsigned char>(byte);
  return hash;
}

Result<Response> look_keys(NodeState& node, Partition& partition, const Request& request) {
  if (request.op == Op::keys) {
    const auto from = place_of(request);
    if (!from) return from.error();
    return page_of(node, partition, *from);
  }
  Response response;
  const crdt::Type type = partition.data.type(request.key);
  response.found = type != crdt::Type::none;
  if (response.found) response.value = name_of(type);
  return response;
}

}  // namespace atolldb::region
