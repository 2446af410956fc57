#pragma once
// Random histories for the laws: three sites that write and pass some of what they wrote on. One for each
// type, and one that mixes all types under one key.

#include <rapidcheck.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/crdt/site.h"

namespace atolldb::crdt {

enum class Kind { string, set, map, mixed };
inline constexpr Kind kKinds[] = {Kind::string, Kind::set, Kind::map, Kind::mixed};

inline const char* name_of(Kind kind) {
  static constexpr const char* kNames[] = {"string", "set", "map", "mixed"};
  return kNames[static_cast<size_t>(kind)];
}

struct History {
  std::vector<std::unique_ptr<Site>> sites;
  std::vector<Delta> sent;  // in the order of writing

  // One update at a site, or nothing where there was nothing to do. Stamps tie and disagree on purpose.
  std::optional<Delta> write(Kind kind, Site& site) {
    const Dot dot = site.dot();
    const Hlc hlc{*rc::gen::inRange<uint64_t>(1, 5)};
    const Result<Mutation> found = mutate(kind, site, dot, hlc);
    if (!found || !found->delta) {
      --site.counter;
      return std::nullopt;
    }
    return found->delta;
  }

 private:
  static Result<Mutation> mutate(Kind kind, Site& site, const Dot& dot, Hlc hlc) {
    Replica& replica = site.replica;
    if (kind == Kind::mixed) kind = kKinds[*rc::gen::inRange(0, 3)];
    const int choice = *rc::gen::inRange(0, 6);
    if (kind == Kind::set) {
      if (choice < 2) return replica.sadd("k", {"a", "b"}, dot, hlc);
      if (choice == 2) return replica.sadd("k", {"b"}, dot, hlc);
      if (choice == 3) return replica.srem("k", {"a"}, dot, hlc);
      if (choice == 4) return replica.clear("k", dot, hlc);
      return replica.del("k", dot, hlc);
    }
    if (kind == Kind::map) {
      if (choice == 0) return replica.hset("k", {{"a", "1"}, {"b", "x"}}, dot, hlc);
      if (choice == 1) return replica.hset("k", {{"a", "x"}}, dot, hlc);
      if (choice == 2) return replica.hdel("k", {"a", "b"}, dot, hlc);
      if (choice == 3) return replica.clear("k", dot, hlc);
      return replica.hadd("k", "a", choice == 4 ? 5 : -3, dot, hlc);
    }
    if (choice == 0) return replica.set("k", "1", dot, hlc);
    if (choice == 1) return replica.set("k", "x", dot, hlc);
    if (choice == 2) return replica.del("k", dot, hlc);
    if (choice == 3) return replica.set_with_context("k", "2", site.named("k"), dot, hlc);
    return replica.add("k", choice == 4 ? 5 : -3, dot, hlc);
  }
};

inline History random_history(Kind kind, int writes_max = 14) {
  History out;
  for (uint16_t i = 1; i <= 3; ++i) out.sites.push_back(std::make_unique<Site>(i));
  const auto any_site = [&]() -> Site& { return *out.sites[*rc::gen::inRange<size_t>(0, 3)]; };
  for (int n = *rc::gen::inRange(1, writes_max); n > 0; --n) {
    Site& site = any_site();
    if (const std::optional<Delta> delta = out.write(kind, site)) {
      site.replica.apply(*delta);
      out.sent.push_back(*delta);
    }
    for (int m = *rc::gen::inRange(0, 3); m > 0 && !out.sent.empty(); --m)
      any_site().replica.apply(out.sent[*rc::gen::inRange<size_t>(0, out.sent.size())]);
  }
  return out;
}

inline std::vector<size_t> shuffled(size_t count) {
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = i;
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[*rc::gen::inRange<size_t>(0, i)]);
  return order;
}

// Some of what was sent, in any order.
inline void apply_some(const History& history, Site& to) {
  for (const size_t i : shuffled(history.sent.size()))
    if (*rc::gen::inRange(0, 2) == 0) to.replica.apply(history.sent[i]);
}

// Runs the law for every kind of history; says which one broke it.
template <typename Law>
void check_law(Law&& law) {
  for (const Kind kind : kKinds) {
    INFO("histories of kind " << name_of(kind));
    const bool holds = rc::check([&] { law(kind); });
    REQUIRE(holds);
  }
}

}  // namespace atolldb::crdt
