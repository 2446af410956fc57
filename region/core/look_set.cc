#include <algorithm>
#include <cstring>

#include "crdt/row_key.h"
#include "region/core/look.h"
#include "region/core/partition.h"

namespace atolldb::region {

namespace {

constexpr size_t kPageElements = 1000;
constexpr size_t kSampleBytes = 16u << 20;  // fits a frame with room to spare

Result<Response> get_page_of_elements(Partition& partition, const Request& request) {
  const BytesView after = request.args.empty() ? BytesView() : BytesView(request.args[0]);
  auto page = partition.data.members(request.key, after, kPageElements);
  if (!page) return page.error();
  Response response;
  response.values = std::move(page->elements);
  response.value = std::move(page->next);
  return response;
}

Result<Response> contains(Partition& partition, const Request& request) {
  auto contained =
      partition.data.contains(request.key, request.args.empty() ? BytesView() : BytesView(request.args[0]));
  if (!contained) return contained.error();
  Response response;
  response.found = *contained;
  return response;
}

Result<Response> contains_each(Partition& partition, const Request& request) {
  Response response;
  for (const Bytes& element : request.args) {
    auto contained = partition.data.contains(request.key, element);
    if (!contained) return contained.error();
    response.values.emplace_back(*contained ? "1" : "0");
  }
  return response;
}

Result<Response> count(Partition& partition, const Request& request) {
  auto count = partition.data.count_members(request.key);
  if (!count) return count.error();
  Response response;
  response.number = static_cast<int64_t>(*count);
  return response;
}

}  // namespace

Result<std::vector<Bytes>> members_from(Partition& partition, const Request& request) {
  if (request.args.size() != 1 || request.args[0].size() != sizeof(crdt::RowId))
    return {Errc::invalid, "members are taken from a place in the set on, and a place has 16 bytes"};
  if (request.amount < 0)
    return {Errc::invalid, "so many members cannot be taken: " + std::to_string(request.amount)};
  const auto wanted = static_cast<size_t>(request.amount);
  auto behind = partition.data.members(request.key, request.args[0], wanted, kSampleBytes);
  if (!behind) return behind.error();
  std::vector<Bytes> out = std::move(behind->elements);
  if (out.size() >= wanted || !behind->next.empty()) return out;
  auto before = partition.data.members(request.key, {}, wanted - out.size(), kSampleBytes);
  if (!before) return before.error();
  // A set that is taken whole has each member on one side of the place.
  const size_t first = out.size();
  for (Bytes& element : before->elements)
    if (std::memcmp(crdt::element_row(element).id.data(), request.args[0].data(), sizeof(crdt::RowId)) <= 0)
      out.push_back(std::move(element));
  std::rotate(out.begin(), out.begin() + static_cast<ptrdiff_t>(first), out.end());
  return out;
}

Result<Response> look_set(Partition& partition, const Request& request) {
  switch (request.op) {
    case Op::smembers:
      return get_page_of_elements(partition, request);
    case Op::sismember:
      return contains(partition, request);
    case Op::smismember:
      return contains_each(partition, request);
    case Op::scard:
      return count(partition, request);
    default: {
      auto members = members_from(partition, request);
      if (!members) return members.error();
      Response response;
      response.values = std::move(*members);
      return response;
    }
  }
}

}  // namespace atolldb::region
