#include "region/core/mutate_seen.h"

#include "crdt/sizes.h"
#include "region/core/coordinator.h"
#include "region/core/look.h"
#include "region/core/partition.h"

namespace atolldb::region {

namespace {

using crdt::Mutation;

Error wrong_type() { return {Errc::wrong_type, kWrongType}; }

Error cannot(const Request& request) {
  return {Errc::invalid, "operation " + std::to_string(static_cast<int>(request.op)) + " takes no condition"};
}

bool holds(Condition condition, bool present) {
  return condition == Condition::none || (condition == Condition::present) == present;
}

// What a string command finds: its value, or nothing. Errc::wrong_type: it is something else.
Result<std::optional<Bytes>> string_at(crdt::Replica& data, BytesView key) {
  auto shown = data.read(key);
  if (!shown) return shown.error();
  if (shown->type == crdt::Type::none) return std::optional<Bytes>();
  if (shown->type != crdt::Type::string) return wrong_type();
  return std::optional<Bytes>(std::move(shown->value));
}

Result<Mutation> set(crdt::Replica& data, const Request& request, const Dot& dot, crdt::Hlc stamp) {
  std::optional<Bytes> old;
  if (request.want_old) {
    auto found = string_at(data, request.key);
    if (!found) return found.error();
    old = std::move(*found);
  }
  Mutation out;
  const bool present = old.has_value() || (!request.want_old && data.type(request.key) != crdt::Type::none);
  if (holds(request.condition, present)) {
    auto mutation = data.set(request.key, request.value, dot, stamp);
    if (!mutation) return mutation;
    out = std::move(*mutation);
  }
  out.found = old.has_value();
  if (old) out.value = std::move(*old);
  return out;
}

Result<Mutation> set_field(crdt::Replica& data, const Request& request, const Dot& dot, crdt::Hlc stamp) {
  if (request.args.size() != 2)
    return {Errc::invalid, "a condition speaks of one field and its value; found " +
                               std::to_string(request.args.size()) + " arguments"};
  auto found = data.field(request.key, request.args[0]);
  if (!found) return found.error();
  if (!holds(request.condition, found->has_value())) return Mutation{};
  return data.hset(request.key, {{request.args[0], request.args[1]}}, dot, stamp);
}

// The length that the value will have, and the value.
Result<Mutation> set_value(crdt::Replica& data, const Request& request, Bytes&& value, const Dot& dot,
                           crdt::Hlc stamp) {
  auto mutation = data.set(request.key, value, dot, stamp);
  if (mutation) mutation->count = static_cast<int64_t>(value.size());
  return mutation;
}

Result<Mutation> append(crdt::Replica& data, const Request& request, const Dot& dot, crdt::Hlc stamp) {
  auto found = string_at(data, request.key);
  if (!found) return found.error();
  Bytes value = found->value_or(Bytes());
  if (request.value.empty() && *found) {  // nothing to do
    Mutation out;
    out.count = static_cast<int64_t>(value.size());
    return out;
  }
  value += request.value;
  return set_value(data, request, std::move(value), dot, stamp);
}

Result<Mutation> set_range(crdt::Replica& data, const Request& request, const Dot& dot, crdt::Hlc stamp) {
  if (request.amount < 0) return {Errc::invalid, "offset is out of range"};
  const auto offset = static_cast<uint64_t>(request.amount);
  if (offset > crdt::kValueBytesMax || offset + request.value.size() > crdt::kValueBytesMax)
    return {Errc::too_large, "a value reaches to " + std::to_string(crdt::kValueBytesMax) + " bytes at most"};
  auto found = string_at(data, request.key);
  if (!found) return found.error();
  Bytes value = found->value_or(Bytes());
  if (request.value.empty()) {
    Mutation out;
    out.count = static_cast<int64_t>(value.size());
    return out;
  }
  if (value.size() < offset + request.value.size()) value.resize(offset + request.value.size());
  value.replace(offset, request.value.size(), request.value);
  return set_value(data, request, std::move(value), dot, stamp);
}

Result<Mutation> get_and_delete(crdt::Replica& data, const Request& request, const Dot& dot,
                                crdt::Hlc stamp) {
  auto found = string_at(data, request.key);
  if (!found) return found.error();
  if (!*found) return Mutation{};
  auto mutation = data.del(request.key, dot, stamp);
  if (!mutation) return mutation;
  mutation->found = true;
  mutation->value = std::move(**found);
  return mutation;
}

Result<Mutation> pop(Partition& partition, const Request& request, const Dot& dot, crdt::Hlc stamp) {
  auto members = members_from(partition, request);
  if (!members) return members.error();
  if (members->empty()) return Mutation{};
  auto mutation = partition.data.srem(request.key, {members->begin(), members->end()}, dot, stamp);
  if (mutation) mutation->values = std::move(*members);
  return mutation;
}

}  // namespace

Result<Mutation> mutate_seen(Partition& partition, const Request& request, const Dot& dot, crdt::Hlc stamp) {
  switch (request.op) {
    case Op::set:
      return set(partition.data, request, dot, stamp);
    case Op::hset:
      return request.want_old ? cannot(request) : set_field(partition.data, request, dot, stamp);
    case Op::append:
      return append(partition.data, request, dot, stamp);
    case Op::setrange:
      return set_range(partition.data, request, dot, stamp);
    case Op::getdel:
      return get_and_delete(partition.data, request, dot, stamp);
    case Op::spop:
      return pop(partition, request, dot, stamp);
    default:
      return cannot(request);
  }
}

}  // namespace atolldb::region
