#include "client/calls.h"

#include <cstdlib>
#include <iterator>

namespace atolldb::client::calls {
namespace {

using region::Op;
using region::Response;

template <typename T>
Call<T> make(Op op, BytesView key, void (*take)(Response&, T&)) {
  Call<T> call;
  call.request.op = op;
  call.request.key = key;
  call.take = take;
  return call;
}

Call<int64_t> count(Op op, BytesView key, std::vector<Bytes> args) {
  auto call = make<int64_t>(op, key, [](Response& response, int64_t& value) { value = response.number; });
  call.request.args = std::move(args);
  return call;
}

void take_nothing(Response&, Unit&) {}

void take_got(Response& response, Got& got) {
  if (response.found) got.value = std::move(response.value);
  got.hidden = response.hidden;
}

void take_sum(Response& response, std::optional<int64_t>& sum) {
  if (!response.value.empty()) sum = std::strtoll(response.value.c_str(), nullptr, 10);
}

void take_siblings(Response& response, Siblings& out) {
  for (const Bytes& item : response.values) {
    if (item.empty()) continue;
    if (item[0] == region::kSibling) out.values.push_back(item.substr(1));
    if (item[0] == region::kAdded) out.added = item.substr(1);
    if (item[0] == region::kTypeBehind) out.behind.push_back(item.substr(1));
  }
  out.context = std::move(response.value);
}

void take_members(Response& page, std::vector<Bytes>& members) {
  std::move(page.values.begin(), page.values.end(), std::back_inserter(members));
}

void take_fields(Response& page, Fields& fields) {
  for (size_t i = 0; i + 1 < page.values.size(); i += 2)
    fields.emplace_back(std::move(page.values[i]), std::move(page.values[i + 1]));
}

}  // namespace

Call<Got> get(BytesView key) { return make(Op::get, key, take_got); }

Call<Unit> set(BytesView key, BytesView value) {
  auto call = make(Op::set, key, take_nothing);
  call.request.value = value;
  return call;
}

Call<Unit> set(BytesView key, BytesView value, BytesView context) {
  auto call = make(Op::set_context, key, take_nothing);
  call.request.value = value;
  call.request.args.emplace_back(context);
  return call;
}

Call<Siblings> siblings(BytesView key) { return make(Op::siblings, key, take_siblings); }
Call<int64_t> del(BytesView key) { return count(Op::del, key, {}); }

Call<std::optional<int64_t>> add(BytesView key, int64_t amount) {
  auto call = make(Op::add, key, take_sum);
  call.request.amount = amount;
  return call;
}

Call<int64_t> sadd(BytesView key, std::vector<Bytes> elements) {
  return count(Op::sadd, key, std::move(elements));
}
Call<int64_t> srem(BytesView key, std::vector<Bytes> elements) {
  return count(Op::srem, key, std::move(elements));
}
Call<int64_t> scard(BytesView key) { return count(Op::scard, key, {}); }

Call<std::vector<Bytes>> smembers(BytesView key) {
  auto call = make(Op::smembers, key, take_members);
  call.request.args.emplace_back();
  call.paged = true;
  return call;
}

Call<bool> sismember(BytesView key, BytesView element) {
  auto call = make<bool>(Op::sismember, key, [](Response& response, bool& is) { is = response.found; });
  call.request.args.emplace_back(element);
  return call;
}

Call<int64_t> hset(BytesView key, const Fields& fields) {
  std::vector<Bytes> args;
  args.reserve(2 * fields.size());
  for (const auto& [field, value] : fields) {
    args.push_back(field);
    args.push_back(value);
  }
  return count(Op::hset, key, std::move(args));
}

Call<Got> hget(BytesView key, BytesView field) {
  auto call = make(Op::hget, key, take_got);
  call.request.args.emplace_back(field);
  return call;
}

Call<int64_t> hdel(BytesView key, std::vector<Bytes> fields) {
  return count(Op::hdel, key, std::move(fields));
}

Call<Fields> hgetall(BytesView key) {
  auto call = make(Op::hgetall, key, take_fields);
  call.request.args.emplace_back();
  call.paged = true;
  return call;
}

Call<int64_t> hlen(BytesView key) { return count(Op::hlen, key, {}); }

Call<std::optional<int64_t>> hadd(BytesView key, BytesView field, int64_t amount) {
  auto call = make(Op::hadd, key, take_sum);
  call.request.args.emplace_back(field);
  call.request.amount = amount;
  return call;
}

}  // namespace atolldb::client::calls
