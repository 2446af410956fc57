#include "region/http/names.h"

namespace atolldb::http {

using region::Op;
using region::Outcome;

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
      return "done";
    case Outcome::rejected:
      return "rejected";
    case Outcome::unknown:
      return "unknown";
  }
  return "other";
}

const char* name_of(Op op) {
  switch (op) {
    case Op::ping:
      return "ping";
    case Op::get:
      return "get";
    case Op::set:
      return "set";
    case Op::del:
      return "del";
    case Op::add:
      return "add";
    case Op::sadd:
      return "sadd";
    case Op::srem:
      return "srem";
    case Op::smembers:
      return "smembers";
    case Op::sismember:
      return "sismember";
    case Op::scard:
      return "scard";
    case Op::route:
      return "route";
    case Op::hset:
      return "hset";
    case Op::hget:
      return "hget";
    case Op::hdel:
      return "hdel";
    case Op::hgetall:
      return "hgetall";
    case Op::hadd:
      return "hadd";
    case Op::hlen:
      return "hlen";
    case Op::siblings:
      return "siblings";
    case Op::set_context:
      return "set_context";
    case Op::type:
      return "type";
    case Op::smismember:
      return "smismember";
    case Op::hmget:
      return "hmget";
    case Op::sample:
      return "sample";
    case Op::append:
      return "append";
    case Op::setrange:
      return "setrange";
    case Op::getdel:
      return "getdel";
    case Op::spop:
      return "spop";
    case Op::sreplace:
      return "sreplace";
    case Op::inspect:
      return "inspect";
    case Op::status:
      return "status";
    case Op::digest:
      return "digest";
    case Op::scan:
      return "scan";
    case Op::keys:
      return "keys";
    case Op::cut:
      return "cut";
    case Op::heal:
      return "heal";
  }
  return "other";
}

}  // namespace atolldb::http
