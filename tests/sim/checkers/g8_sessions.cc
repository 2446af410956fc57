// G8: a client's session reads its own writes, its reads never go back, and its writes supersede what it has
// seen. With a token that goes for all regions; without one for each region by itself: where such a client
// moves, its session in the region it left is set aside and goes on when it comes back.

#include <map>

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

namespace {

using region::Op;

struct Session {
  const Update* observed = nullptr;  // the last update of the key that the client wrote or was shown
  const Operation* by = nullptr;
  const Operation* absent = nullptr;  // the last read that found nothing
};

constexpr uint32_t kEverywhere = UINT32_MAX;
using SessionName = std::tuple<uint32_t, uint32_t, uint32_t, Bytes>;

SessionName session_of(const Operation& o) {
  return {o.client, o.session_number, o.session ? kEverywhere : o.region, o.key};
}

// The value was acknowledged in a region before a read there that found nothing: it had been deleted.
bool was_gone(const Evidence& e, const Update& shown, const Operation& absent) {
  if (shown.op < 0) return false;
  const Operation& set = e.history[static_cast<size_t>(shown.op)];
  return set.done() && set.region == absent.region && set.returned <= absent.invoked;
}

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
  std::map<SessionName, Session> sessions;
  for (const Operation& o : e.history) {  // a client's operations are in the order of time
    if (!o.done() || o.local || o.stale || adds[o.key]) continue;
    Session& session = sessions[session_of(o)];
    if (o.op == Op::set || o.op == Op::del) {
      if (o.update < 0) continue;
      const Update& update = e.facts.updates()[static_cast<size_t>(o.update)];
      const bool goes_ahead =
          o.carries && o.on_behind == region::OnBehind::stale;  // without what it has seen
      if (session.observed != nullptr && !goes_ahead) {
        ++verdict.judged;
        if (!update.saw(crdt::string_row(), session.observed->dot))
          verdict.fail("a session's write has not seen what the session has: " + describe(*session.by) +
                           "; then " + describe(o),
                       {o.key});
      }
      session = {&update, &o, nullptr};
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
    if (now != nullptr && session.absent != nullptr) {
      ++verdict.judged;
      if (was_gone(e, *now, *session.absent))
        verdict.fail("a client's session goes back: " + describe(*session.absent) + "; then " + describe(o),
                     {o.key});
    }
    if (now != nullptr) session = {now, &o, nullptr};
    if (!o.found) session.absent = &o;
  }
  return verdict;
}

}  // namespace atolldb::sim
