// G8 inside a region: a client that stays reads its own writes, and its reads never go back. Tokens, which
// carry a session to other regions, are not built yet: where a client moves, its session in the region it
// left is set aside and goes on when it comes back. When operations carry tokens, the map below is keyed by
// client and key alone, and this file is where the four promises across regions belong.

#include <map>

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

namespace {

using region::Op;

struct Session {
  const Update* observed = nullptr;  // the last update of the key that the client wrote or was shown
  const Operation* by = nullptr;
};

// A delete, made before the answer came, explains that nothing is shown.
bool deleted_since(const Evidence& e, const Update& observed, Instant until) {
  for (const uint32_t index : e.facts.of_key(observed.key)) {
    const Update& u = e.facts.updates()[index];
    if (u.kind == UpdateKind::del && u.issued <= until && u.saw(crdt::string_row(), observed.dot))
      return true;
  }
  return false;
}

}  // namespace

Verdict check_sessions(const Evidence& e) {
  Verdict verdict{"G8"};
  std::map<std::pair<Bytes, Bytes>, const Update*> by_value;
  std::map<Bytes, bool> adds;
  for (const Update& u : e.facts.updates()) {
    if (u.kind == UpdateKind::set) by_value.emplace(std::pair(u.key, u.value), &u);
    if (u.kind == UpdateKind::add || u.kind == UpdateKind::sadd) adds[u.key] = true;
  }
  std::map<std::tuple<uint32_t, uint32_t, Bytes>, Session> sessions;
  for (const Operation& o : e.history) {  // a client's operations are in the order of time
    if (!o.done() || o.local || o.stale || adds[o.key]) continue;
    Session& session = sessions[{o.client, o.region, o.key}];
    if (o.op == Op::set || o.op == Op::del) {
      if (o.update < 0) continue;
      session = {&e.facts.updates()[static_cast<size_t>(o.update)], &o};
      continue;
    }
    if (o.op != Op::get) continue;
    const auto shown = o.found ? by_value.find({o.key, o.shown}) : by_value.end();
    const Update* now = shown == by_value.end() ? nullptr : shown->second;
    if (session.observed != nullptr) {
      ++verdict.judged;
      const Update& before = *session.observed;
      const bool back = now != nullptr
                            ? now != &before && before.saw(crdt::string_row(), now->dot)
                            : before.kind == UpdateKind::set && !deleted_since(e, before, o.returned);
      if (back)
        verdict.fail("a client's session goes back: " + describe(*session.by) + "; then " + describe(o),
                     {o.key});
    }
    if (now != nullptr) session = {now, &o};
  }
  return verdict;
}

}  // namespace atolldb::sim
