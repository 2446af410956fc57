#include "tests/sim/history.h"

#include <cstdio>

namespace atolldb::sim {

std::string name_of(region::Op op) {
  switch (op) {
    case region::Op::get:
      return "get";
    case region::Op::set:
      return "set";
    case region::Op::del:
      return "del";
    case region::Op::add:
      return "add";
    case region::Op::sadd:
      return "sadd";
    case region::Op::srem:
      return "srem";
    case region::Op::smembers:
      return "smembers";
    case region::Op::sismember:
      return "sismember";
    case region::Op::scard:
      return "scard";
    default:
      return "op" + std::to_string(static_cast<int>(op));
  }
}

namespace {
std::string seconds(Instant at) {
  char text[32];
  std::snprintf(text, sizeof text, "%11.6f", static_cast<double>(at.ns) / 1e9);
  return text;
}
std::string shortened(const Bytes& value) {
  return value.size() <= 24 ? value : value.substr(0, 20) + "...(" + std::to_string(value.size()) + ")";
}
std::string answer(const Operation& o) {
  if (!o.answered) return "no answer";
  if (o.outcome == region::Outcome::rejected) return "rejected";
  if (o.outcome == region::Outcome::unknown) return "unknown";
  switch (o.op) {
    case region::Op::get:
      return o.found ? "'" + shortened(o.shown) + "'" + (o.hidden > 0 ? " +" + std::to_string(o.hidden) : "")
                     : "nothing";
    case region::Op::add:
      return o.shown.empty() ? "done" : "done, " + o.shown;
    case region::Op::sismember:
      return o.found ? "yes" : "no";
    case region::Op::smembers: {
      std::string out = "{";
      for (size_t i = 0; i < o.values.size() && i < 12; ++i)
        out += (i > 0 ? " " : "") + shortened(o.values[i]);
      return out + (o.values.size() > 12 ? " ...}" : "}");
    }
    default:
      return "done, " + std::to_string(o.number);
  }
}
}  // namespace

std::string describe(const Operation& o) {
  std::string out = seconds(o.invoked) + " to " + (o.answered ? seconds(o.returned) : "          -") + "  #" +
                    std::to_string(o.id) + " client " + std::to_string(o.client) + " in r" +
                    std::to_string(o.region) + ": " + name_of(o.op) + " " + o.key;
  if (o.op == region::Op::set) out += " '" + shortened(o.value) + "'";
  if (o.condition != region::Condition::none) out += o.condition == region::Condition::absent ? " NX" : " XX";
  if (o.op == region::Op::add) out += " " + std::to_string(o.amount);
  for (const Bytes& element : o.elements) out += " " + shortened(element);
  out += (o.local ? " (one replica) -> " : " -> ") + answer(o);
  if (o.answered) out += " by node " + std::to_string(raw(o.by));
  return out;
}

}  // namespace atolldb::sim
