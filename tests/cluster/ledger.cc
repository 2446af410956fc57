#include "tests/cluster/ledger.h"

#include <algorithm>

namespace atolldb::tests {
namespace {

std::string shown(const std::optional<Bytes>& held) { return held ? "'" + *held + "'" : "nothing"; }

enum class Presence { must, may, must_not };

Presence presence_of(const Text& text) {
  if (text.set == Outcome::rejected) return Presence::must_not;
  if (text.set == Outcome::unknown) return Presence::may;
  if (!text.deleted || *text.deleted == Outcome::rejected) return Presence::must;
  return *text.deleted == Outcome::done ? Presence::must_not : Presence::may;
}

}  // namespace

std::string judge(const Text& text, const std::optional<Bytes>& held) {
  const Presence presence = presence_of(text);
  if (held && *held != text.value)
    return text.key + ": found " + shown(held) + ", expected '" + text.value + "'";
  if (presence == Presence::must && !held) return text.key + ": an acknowledged write is lost";
  if (presence == Presence::must_not && held) {
    return text.key +
           (text.set == Outcome::rejected ? ": a rejected write is there" : ": a delete was undone");
  }
  return {};
}

std::string judge(const Register& reg, const std::optional<Bytes>& held) {
  const uint64_t value = held ? std::strtoull(held->c_str(), nullptr, 10) : 0;
  if (value == reg.done) return {};
  if (std::find(reg.unknown.begin(), reg.unknown.end(), value) != reg.unknown.end()) return {};
  return reg.key + ": found " + shown(held) + ", expected " + std::to_string(reg.done) + " or one of " +
         std::to_string(reg.unknown.size()) + " unknown ones";
}

std::string judge(const Element& element, bool held) {
  if (element.added == Outcome::done && !held) {
    return element.key + ": the acknowledged element " + element.element + " is lost";
  }
  if (element.added == Outcome::rejected && held) {
    return element.key + ": the rejected element " + element.element + " is there";
  }
  return {};
}

std::string judge(const Bytes& key, const Count& count, const std::optional<Bytes>& held) {
  const int64_t value = held ? std::strtoll(held->c_str(), nullptr, 10) : 0;
  if (value >= count.done && value <= count.done + count.unknown) return {};
  return key + ": found " + shown(held) + ", expected " + std::to_string(count.done) + " to " +
         std::to_string(count.done + count.unknown);
}

}  // namespace atolldb::tests
