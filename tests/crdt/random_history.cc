#include "tests/crdt/random_history.h"

#include "tests/crdt/world.h"

namespace atolldb::crdt {

namespace {

enum class Theme { strings, sets, maps, all };

Op random_op(Prng& prng, Theme theme, const std::string& key) {
  static const std::vector<Op> kStrings{{.kind = OpKind::set, .value = "1"},
                                        {.kind = OpKind::set, .value = "x"},
                                        {.kind = OpKind::del},
                                        {.kind = OpKind::add, .amount = 1},
                                        {.kind = OpKind::add, .amount = -2}};
  static const std::vector<Op> kSets{{.kind = OpKind::sadd, .element = "a"},
                                     {.kind = OpKind::sadd, .element = "b"},
                                     {.kind = OpKind::srem, .element = "a"},
                                     {.kind = OpKind::clear},
                                     {.kind = OpKind::del}};
  static const std::vector<Op> kMaps{{.kind = OpKind::hset, .value = "1", .element = "a"},
                                     {.kind = OpKind::hset, .value = "x", .element = "a"},
                                     {.kind = OpKind::hset, .value = "2", .element = "b"},
                                     {.kind = OpKind::hdel, .element = "a"},
                                     {.kind = OpKind::hadd, .amount = 1, .element = "a"},
                                     {.kind = OpKind::hadd, .amount = -2, .element = "a"},
                                     {.kind = OpKind::clear},
                                     {.kind = OpKind::del}};
  if (theme == Theme::all) theme = std::vector{Theme::strings, Theme::sets, Theme::maps}[prng.below(3)];
  const auto& ops = theme == Theme::strings ? kStrings : theme == Theme::sets ? kSets : kMaps;
  Op op = ops[prng.below(ops.size())];
  op.key = key;
  return op;
}

template <typename T>
const T& one_of(Prng& prng, const std::vector<T>& items) {
  return items[prng.below(items.size())];
}

Action random_action(Prng& prng, const World& world, Theme theme, bool harm, bool journal) {
  Action act;
  act.at = prng.below(world.replicas());
  act.from = (act.at + 1 + prng.below(world.replicas() - 1)) % world.replicas();
  const std::string& key = one_of(prng, world.keys());
  act.kind = Action::write;
  if (world.sweeping(act.at) && prng.chance(1, 3)) {
    act.kind = Action::sweep;
    return act;
  }
  const uint64_t x = prng.below(100);
  if (x < 34) {
    act.op = random_op(prng, theme, key);
  } else if (x < 42 && theme != Theme::sets && theme != Theme::maps) {
    if (world.contexts() > 0 && prng.chance(1, 2)) {
      act.op = {
          .kind = OpKind::set_context, .key = world.keys().front(), .value = prng.chance(1, 2) ? "2" : "y"};
      act.named = prng.below(world.contexts());
    } else {
      act.kind = Action::context;
      act.key = world.keys().front();
    }
  } else if (x < 45 && journal && !world.records(act.at).empty()) {
    const auto records = world.records(act.at);
    const auto& [record_key, loser] = one_of(prng, records);
    act.op = {.kind = OpKind::expire, .key = record_key, .loser = loser};
  } else if (x < 72 && world.deltas() > 0) {
    act.kind = Action::deliver;
    std::set<size_t> picked{prng.below(world.deltas())};
    for (uint64_t more = prng.below(4) / 2 * prng.below(3); more > 0; --more) {
      const size_t other = prng.below(world.deltas());
      if (world.key_of(other) == world.key_of(*picked.begin())) picked.insert(other);
    }
    act.deltas.assign(picked.begin(), picked.end());
  } else if (x < 78) {
    act.kind = Action::repair;
    act.pick = prng.next();
  } else if (x < 81) {
    act.kind = Action::exchange;
  } else if (x < 92) {
    act.kind = Action::pull;
    act.bytes_max = prng.chance(1, 3) ? 300 : 1;
  } else if (harm) {
    act.kind = x < 95 ? Action::save : x < 98 ? Action::rollback : Action::damage;
  } else {
    act.op = random_op(prng, theme, key);
  }
  return act;
}

}  // namespace

std::optional<std::string> random_history(uint64_t seed) {
  Prng prng(seed);
  const size_t replicas = prng.chance(1, 3) ? 2 : 3;
  const Theme theme =
      std::vector{Theme::strings, Theme::sets, Theme::maps, Theme::all, Theme::all}[prng.below(5)];
  const bool harm = prng.chance(3, 10), journal = prng.chance(3, 10);
  std::vector<std::string> keys{"k"};
  if (prng.chance(1, 3)) keys.push_back("l");
  World world(replicas, keys, seed % 5 == 0 ? World::Clocks::equal : World::Clocks::skewed,
              seed % 3 == 0 ? seed / 3 % 2 : kClearedAtOnceMax);
  try {
    for (uint64_t steps = 6 + prng.below(24); steps > 0; --steps)
      world.step(random_action(prng, world, theme, harm, journal));
    world.heal(!harm);
  } catch (const std::exception& failure) {
    return std::string(failure.what()) + "\nafter\n" + world.log();
  }
  return std::nullopt;
}

}  // namespace atolldb::crdt
