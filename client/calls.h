#pragma once
// Every operation as a value that is made now and carried out later: alone or with many others, waiting for
// the reply or not, by a Client or a Session (caller.h).
//
//   auto sum = client.start(calls::add("visits", 1));                                // a future
//   client.start(calls::get("cart"), [](Reply<Got>&& reply) { ... });                // a callback
//   auto replies = client.run_all(std::vector{calls::get("a"), calls::get("b")});    // a batch
//
// A call owns its bytes. Limits: keys 1 to 480 bytes, values 16 MiB, members and fields 64 KiB each, 32 MiB
// and 2^18 arguments a call; beyond them it is rejected.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "client/reply.h"
#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "region/core/request.h"

namespace atolldb::client {

template <typename T>
struct Call {
  // Its r, w (quorums), local and deadline_ms may be changed before it is carried out.
  region::Request request = without_deadline();
  // Moves what a response that is done brings into the value.
  void (*take)(region::Response& response, T& value) = nullptr;
  // The response is a page: the next one begins at its cursor, which goes into args[0], until there is none.
  bool paged = false;

  static region::Request without_deadline() {
    region::Request request;
    request.deadline_ms = 0;  // the caller's
    return request;
  }
};

}  // namespace atolldb::client

namespace atolldb::client::calls {

using Fields = std::vector<std::pair<Bytes, Bytes>>;  // field, value

// ---- strings
Call<Got> get(BytesView key);
Call<Unit> set(BytesView key, BytesView value);
// Over the siblings that the context names; what came meanwhile stands beside the new value. Errc::corrupt:
// not a context.
Call<Unit> set(BytesView key, BytesView value, BytesView context);
Call<Siblings> siblings(BytesView key);
// The key, whatever its type. Keys deleted: 0 or 1.
Call<int64_t> del(BytesView key);

// ---- counters: strings that are numbers, or absent
// Counts exactly once, however often it is sent. The sum; nothing when a retry found that it had counted
// already: then the sum of that moment is not kept.
Call<std::optional<int64_t>> add(BytesView key, int64_t amount);

// ---- sets
Call<int64_t> sadd(BytesView key, std::vector<Bytes> elements);  // elements that were new
Call<int64_t> srem(BytesView key, std::vector<Bytes> elements);  // elements that were there
Call<std::vector<Bytes>> smembers(BytesView key);  // in the order of the rows; each page as it stands then
Call<bool> sismember(BytesView key, BytesView element);
Call<int64_t> scard(BytesView key);

// ---- maps, whose fields are strings
Call<int64_t> hset(BytesView key, const Fields& fields);  // fields that were new
Call<Got> hget(BytesView key, BytesView field);
Call<int64_t> hdel(BytesView key, std::vector<Bytes> fields);  // fields that were there
Call<Fields> hgetall(BytesView key);                           // as smembers
Call<int64_t> hlen(BytesView key);
Call<std::optional<int64_t>> hadd(BytesView key, BytesView field, int64_t amount);  // as add

}  // namespace atolldb::client::calls
