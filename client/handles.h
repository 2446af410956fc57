#pragma once
// One key and what can be done with it, by its type. A handle is a key and a caller: cheap to make, and no
// lock on anything. The caller (a Client or a Session) outlives it. calls.h says what each operation answers.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/caller.h"
#include "client/calls.h"
#include "client/reply.h"
#include "crdt/base/bytes.h"

namespace atolldb::client {

class Handle {
 public:
  const Bytes& key() const { return key_; }
  // The key, whatever its type; 0 or 1 deleted.
  Reply<int64_t> remove() { return caller_.del(key_); }

 protected:
  Handle(Caller& caller, Bytes key) : caller_(caller), key_(std::move(key)) {}
  Caller& caller_;
  Bytes key_;
};

// A value that is set as a whole.
class Register : public Handle {
 public:
  Register(Caller& caller, Bytes key) : Handle(caller, std::move(key)) {}
  Reply<Got> get() { return caller_.get(key_); }
  Reply<Unit> set(BytesView value) { return caller_.set(key_, value); }
  // Over what the context of siblings() names, and no more.
  Reply<Unit> set(BytesView value, BytesView context) { return caller_.set(key_, value, context); }
  Reply<Siblings> siblings() { return caller_.siblings(key_); }
};

// A number that every region adds to; each add counts exactly once.
class Counter : public Handle {
 public:
  Counter(Caller& caller, Bytes key) : Handle(caller, std::move(key)) {}
  Reply<std::optional<int64_t>> add(int64_t amount = 1) { return caller_.add(key_, amount); }
  // 0 for an absent key. Errc::wrong_type: the value is no number.
  Reply<int64_t> value();
};

// Elements; an add survives a remove that has not seen it.
class Set : public Handle {
 public:
  Set(Caller& caller, Bytes key) : Handle(caller, std::move(key)) {}
  Reply<int64_t> add(std::vector<Bytes> elements) { return caller_.sadd(key_, std::move(elements)); }
  Reply<int64_t> erase(std::vector<Bytes> elements) { return caller_.srem(key_, std::move(elements)); }
  Reply<bool> contains(BytesView element) { return caller_.sismember(key_, element); }
  Reply<std::vector<Bytes>> members() { return caller_.smembers(key_); }
  Reply<int64_t> size() { return caller_.scard(key_); }
};

// Fields, each a register or a counter; a field that is updated while it is removed stays.
class Map : public Handle {
 public:
  Map(Caller& caller, Bytes key) : Handle(caller, std::move(key)) {}
  Reply<int64_t> set(const calls::Fields& fields) { return caller_.hset(key_, fields); }
  Reply<Got> get(BytesView field) { return caller_.hget(key_, field); }
  Reply<int64_t> erase(std::vector<Bytes> fields) { return caller_.hdel(key_, std::move(fields)); }
  Reply<std::optional<int64_t>> add(BytesView field, int64_t amount = 1) {
    return caller_.hadd(key_, field, amount);
  }
  Reply<calls::Fields> all() { return caller_.hgetall(key_); }
  Reply<int64_t> size() { return caller_.hlen(key_); }
};

inline Reply<int64_t> Counter::value() {
  Reply<Got> got = caller_.get(key_);
  Reply<int64_t> reply;
  reply.outcome = got.outcome;
  reply.code = got.code;
  reply.message = std::move(got.message);
  reply.node = got.node;
  reply.stale = got.stale;
  reply.behind = got.behind;
  if (!reply.done() || !got.value.value) return reply;
  const Bytes& text = *got.value.value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), reply.value);
  if (error == std::errc() && end == text.data() + text.size()) return reply;
  reply.outcome = region::Outcome::rejected;
  reply.code = Errc::wrong_type;
  reply.value = 0;
  reply.message = "the key holds a string that is no number, expected a counter";
  return reply;
}

}  // namespace atolldb::client
