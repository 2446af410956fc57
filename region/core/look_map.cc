#include "crdt/context_codec.h"
#include "region/core/look.h"
#include "region/core/partition.h"

namespace atolldb::region {

namespace {

constexpr size_t kPageFields = 1000;
constexpr size_t kPageBytes = 8u << 20;       // with one more value a frame holds it
constexpr size_t kSiblingsBytes = 24u << 20;  // fits a frame with room to spare

BytesView first_arg(const Request& request) {
  return request.args.empty() ? BytesView() : BytesView(request.args[0]);
}

Result<Response> get_field(Partition& partition, const Request& request) {
  auto value = partition.data.field(request.key, first_arg(request));
  if (!value) return value.error();
  Response response;
  response.found = value->has_value();
  if (*value) response.value = std::move(**value);
  return response;
}

Result<Response> get_fields(Partition& partition, const Request& request) {
  Response response;
  size_t size = 0;
  for (const Bytes& field : request.args) {
    auto value = partition.data.field(request.key, field);
    if (!value) return value.error();
    response.values.push_back(*value ? kPresent + std::move(**value) : Bytes());
    size += response.values.back().size();
    if (size > kSiblingsBytes)
      return {Errc::too_large, "the fields have more than " + std::to_string(kSiblingsBytes) +
                                   " bytes together: ask for fewer at a time"};
  }
  return response;
}

Result<Response> get_page_of_fields(Partition& partition, const Request& request) {
  auto page = partition.data.fields(request.key, first_arg(request), kPageFields, kPageBytes);
  if (!page) return page.error();
  Response response;
  for (auto& [field, value] : page->fields) {
    response.values.push_back(std::move(field));
    response.values.push_back(std::move(value));
  }
  response.value = std::move(page->next);
  return response;
}

Result<Response> count_fields(Partition& partition, const Request& request) {
  auto count = partition.data.count_fields(request.key);
  if (!count) return count.error();
  Response response;
  response.number = static_cast<int64_t>(*count);
  return response;
}

Result<Response> get_siblings(Partition& partition, const Request& request) {
  auto all = partition.data.siblings(request.key);
  if (!all) return all.error();
  Response response;
  response.found = !all->values.empty() || all->added;
  size_t size = 0;
  for (Bytes& value : all->values) {
    size += value.size();
    response.values.push_back(kSibling + std::move(value));
  }
  if (all->added) response.values.push_back(kAdded + *all->added);
  if (all->set) response.values.push_back(kTypeBehind + Bytes("set"));
  if (all->map) response.values.push_back(kTypeBehind + Bytes("map"));
  response.value = crdt::encode_context(all->context, request.key);
  if (size > kSiblingsBytes || response.value.size() > crdt::kContextBytesMax)
    return {Errc::too_large, "the siblings have " + std::to_string(size) +
                                 " bytes together, and their context " +
                                 std::to_string(response.value.size()) +
                                 ": too many for one answer; a plain SET journals and replaces them"};
  return response;
}

}  // namespace

Result<Response> look_map(Partition& partition, const Request& request) {
  switch (request.op) {
    case Op::hget:
      return get_field(partition, request);
    case Op::hgetall:
      return get_page_of_fields(partition, request);
    case Op::hlen:
      return count_fields(partition, request);
    case Op::hmget:
      return get_fields(partition, request);
    case Op::siblings:
      return get_siblings(partition, request);
    default:
      return {Errc::invalid, "operation " + std::to_string(static_cast<int>(request.op)) + " reads no map"};
  }
}

}  // namespace atolldb::region
