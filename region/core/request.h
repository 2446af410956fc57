#pragma once
// What a client asks of a node, and what it is told. The wire form is in request_codec.h
// (docs/formats/client.md); the client library and the daemon share both.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "region/core/request_token.h"

namespace atolldb::region {

inline constexpr uint8_t kClientProtocolVersion = 1;
inline constexpr uint32_t kDeadlineDefaultMs = 5'000;
inline constexpr uint32_t kDeadlineMaxMs = 600'000;

// Persistent: numbers are never reused or renumbered.
enum class Op : uint8_t {
  ping = 1,
  get = 2,
  set = 3,
  del = 4,
  add = 5,       // amount, may be negative
  sadd = 6,      // args: elements
  srem = 7,      // args: elements
  smembers = 8,  // args[0]: cursor, empty = from the start; a page of members and the next cursor come back
  sismember = 9,
  scard = 10,
  route = 11,    // who coordinates this key's partition, and under which epoch
  hset = 12,     // args: field, value, field, value, ...
  hget = 13,     // args[0]: field
  hdel = 14,     // args: fields
  hgetall = 15,  // args[0]: cursor; a page of field, value, field, value, ... and the next cursor come back
  hadd = 16,     // args[0]: field; amount, may be negative; takes a request id as add does
  hlen = 17,
  siblings = 18,     // every sibling of a string and the context that names them: see kSibling below
  set_context = 19,  // args[0]: a context; supersedes what it names, and leaves the rest standing
  type = 20,         // "string", "set", "map"; nothing found: there is no such key
  smismember = 21,   // args: elements; a value for each: "1" or "0"
  hmget = 22,        // args: fields; a value for each: kPresent and what it holds, or nothing at all
  sample = 23,    // args[0]: a place in the set, 16 bytes; amount: so many members from there on, and round
  append = 24,    // value: behind what is there; the new length comes back
  setrange = 25,  // value: over what is there from byte `amount` on; the new length comes back
  getdel = 26,    // the value that was there, and is not any more
  spop = 27,      // args[0]: a place in the set, 16 bytes; amount: so many members leave, and come back
  sreplace = 28,  // args: elements; the key is this set from now on, and nothing else
  inspect = 32,   // all that this node holds of the key, as JSON; never forwarded
  status = 33,    // the node's state, as JSON
  digest = 34,    // digests of every partition that this node holds, as JSON
  scan = 35,      // keys that this node holds: args[0] cursor; a page of keys and the next cursor come back
  keys = 36,  // amount: a partition; args[0]: a place in it, 8 bytes, or nothing; a page of key and type, and
              // the next place
  cut = 48,   // args: region names; links from this node's region to them carry nothing until healed
  heal = 49,  // args: region names; none = all
};

// Reads of a key, which R replicas or one of them can answer.
constexpr bool reads_key(Op op) {
  switch (op) {
    case Op::get:
    case Op::smembers:
    case Op::sismember:
    case Op::scard:
    case Op::hget:
    case Op::hgetall:
    case Op::hlen:
    case Op::siblings:
    case Op::type:
    case Op::smismember:
    case Op::hmget:
    case Op::sample:
    case Op::keys:
      return true;
    default:
      return false;
  }
}

// What has to hold for a set or hset to be carried out. Where it does not, nothing happens: Response::number
// is 0.
enum class Condition : uint8_t {
  none = 0,
  absent = 1,   // there is no such key, or field
  present = 2,  // there is
};

// Increments, which must count once however often they are sent.
constexpr bool takes_request_id(Op op) { return op == Op::add || op == Op::hadd; }

// What the first letter of a value of `siblings` says of the rest.
inline constexpr char kSibling = '=';     // a value as it was set; the first is the one that GET shows
inline constexpr char kAdded = '+';       // decimal: what counts of the adds
inline constexpr char kTypeBehind = '?';  // "set" or "map": given to the key at the same time, and not shown

inline constexpr char kPresent = '=';  // first letter of a value of `hmget` that is there

// Names one increment so that a retry counts once (docs/decisions/0005-request-ids.md). It names the region,
// the epoch that the client knew when it made it, and a nonce. `made_ms` orders ids for forgetting them.
struct RequestId {
  RegionId region{};
  Epoch epoch;
  uint64_t made_ms = 0;  // Response::stamp_ms; 0: not known yet, and never carried out
  uint64_t nonce = 0;
  friend auto operator<=>(const RequestId&, const RequestId&) = default;
};

// What a session is told by a region that has not got all yet that the session has seen elsewhere.
enum class OnBehind : uint8_t {
  wait = 0,    // until the deadline, then rejected with Errc::behind and Response::behind
  stale = 1,   // what is there, marked stale; a write goes ahead
  refuse = 2,  // rejected so at once: for those who would rather ask another region
};

struct Request {
  uint64_t correlation = 0;  // chosen by the client, repeated in the response
  Op op = Op::ping;
  Bytes key;
  Bytes value;
  std::vector<Bytes> args;
  int64_t amount = 0;
  Condition condition = Condition::none;
  bool want_old = false;  // set: the value that was there comes back, and must have been a string
  std::optional<RequestId> id;
  uint32_t attempt = 1;    // of this id: 1 the first time it leaves the client, more for every retry
  uint8_t r = 0, w = 0;    // 0 = the topology's
  bool local = false;      // R=1 at exactly this node, stale and marked so
  bool forwarded = false;  // by a node of the region: not forwarded again
  uint32_t deadline_ms = kDeadlineDefaultMs;
  // Of a session: the answer says at which stamp it was given, so that it can be waited for elsewhere.
  bool session = false;
  OnBehind on_behind = OnBehind::wait;
  Bytes token;  // from clients: what the session has seen; empty: nothing yet. Makes the request one of a
                // session
  Seen seen;    // what the token says. Set by the door that has verified it, and never taken from clients
};

// The memory that it takes while it waits, for the bounds of those who keep some waiting.
inline size_t bytes_of(const Request& request) {
  size_t bytes = sizeof request + request.key.size() + request.value.size();
  for (const Bytes& arg : request.args) bytes += sizeof arg + arg.size();
  return bytes + request.seen.size() * sizeof(SeenIn);
}

// Whether it leaves less behind than was there: then it is taken on a full disk, too, as far as its reserve
// reaches.
inline bool removes(const Request& request) {
  switch (request.op) {
    case Op::del:
    case Op::srem:
    case Op::hdel:
    case Op::getdel:
    case Op::spop:
      return true;
    case Op::sreplace:
      return request.args.empty();
    default:
      return false;
  }
}

enum class Outcome : uint8_t {
  done = 0,
  rejected = 1,  // certainly nothing happened, and nothing of it will
  unknown = 2,   // it may have happened or may yet; retry with the same request id where there is one
};

// How far a region is behind what a session has seen.
struct Behind {
  RegionId region{};  // of which something is missing
  uint64_t ms = 0;    // from the last stamp that is known to be covered to the session's; 0: none is known
  friend bool operator==(const Behind&, const Behind&) = default;
};

struct Response {
  uint64_t correlation = 0;
  Outcome outcome = Outcome::done;
  Errc code = Errc::invalid;  // when not done
  std::string message;        // when not done: a sentence for a person
  bool found = false;  // get, hget, sismember, siblings, type, getdel: there is a value; set: there was
  bool stale = false;  // answered below the topology's R, or before what the session has seen is here
  // get, hget, add, hadd (decimal), inspect, status, digest (JSON); smembers, hgetall and scan: next cursor;
  // siblings: the context; set, getdel: the value that was there; keys: the next place
  Bytes value;
  std::vector<Bytes> values;  // smembers, hgetall, siblings, scan, smismember, hmget, sample, spop, keys
  int64_t number = 0;   // del, sadd, srem, scard, hset, hdel, hlen, set: how many; append, setrange: bytes
  uint32_t hidden = 0;  // get: siblings behind the value
  // Of the partition, where the answering node knows them: they name the next request id.
  Epoch epoch;
  uint64_t stamp_ms = 0;     // the partition's present stamp, in milliseconds
  NodeNumber coordinator{};  // of the partition, where known
  NodeNumber node{};         // who answered
  uint64_t seen = 0;         // in a session: the stamp of the answer, in the region that answered
  Bytes token;               // to clients: the same as a token of one piece, to be joined (request_token.h)
  std::optional<Behind> behind;  // of Errc::behind in a session, and of a stale answer
};

}  // namespace atolldb::region
