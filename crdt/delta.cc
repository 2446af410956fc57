#include "crdt/delta.h"

#include <algorithm>
#include <map>

#include "crdt/delta_codec.h"

namespace atolldb::crdt {

namespace {

// Which contexts of the two deltas a merged part speaks of, so that parts that shared one share one again.
class Contexts {
 public:
  Contexts(const Delta& first, const Delta& second) : first_(first), second_(second) {}

  uint32_t of(uint32_t a, uint32_t b) {
    if (a == Part::kNoContext && b == Part::kNoContext) return Part::kNoContext;
    for (const Joined& j : joined_)
      if (j.a == a && j.b == b) return j.index;
    DotSet set;
    if (a != Part::kNoContext) set = first_.contexts.at(a);
    if (b != Part::kNoContext) set.join(second_.contexts.at(b));
    const auto same = std::find(sets.begin(), sets.end(), set);
    const auto index = static_cast<uint32_t>(same - sets.begin());
    if (same == sets.end()) sets.push_back(std::move(set));
    joined_.push_back({a, b, index});
    return index;
  }

  std::vector<DotSet> sets;

 private:
  struct Joined {
    uint32_t a, b, index;
  };
  const Delta& first_;
  const Delta& second_;
  std::vector<Joined> joined_;
};

bool has_seen(const Delta& delta, const Part& part, const Dot& dot) {
  return part.extra.contains(dot) ||
         (part.context != Part::kNoContext && delta.contexts[part.context].contains(dot));
}

// Live in the one and not void in the other. A value is kept over a mere name of it.
void keep_live(const Part& from, const Delta& other, const Part& part, std::vector<Live>& live) {
  for (const Live& l : from.live) {
    if (has_seen(other, part, l.dot) && find(part.live, l.dot) == nullptr) continue;
    const auto held = std::find_if(live.begin(), live.end(), [&](const Live& h) { return h.dot == l.dot; });
    if (held == live.end())
      insert_sorted(live, l);
    else if (held->standing)
      *held = l;
  }
}

// Of each actor the latest add before these that is none of them.
std::vector<Dot> after_of(const Part& a, const Part& b, const DotSet& dots) {
  std::map<Actor, uint64_t> latest;
  for (const Part* part : {&a, &b})
    for (const Dot& dot : part->after)
      if (!dots.contains(dot)) latest[dot.actor] = std::max(latest[dot.actor], dot.counter);
  std::vector<Dot> out;
  for (const auto& [actor, counter] : latest) out.push_back({actor, counter});
  return out;
}

// The latest add before these that is none of them; a replica that has it has the ones before it.
uint64_t after_add_of(const Part& a, const Part& b, const DotSet& dots) {
  uint64_t out = 0;
  for (const Part* part : {&a, &b})
    if (part->after_add > 0 && !dots.contains({actor_of(part->name), part->after_add}))
      out = std::max(out, part->after_add);
  return out;
}

Part coalesce_parts(const Delta& first, const Part& p, const Delta& second, const Part& q, Contexts& contexts,
                    const DotSet& dots) {
  Part out;
  out.name = p.name;
  keep_live(p, second, q, out.live);
  keep_live(q, first, p, out.live);
  if (p.name.tag == RowTag::total && out.live.size() > 1)
    out.live.erase(out.live.begin(), out.live.end() - 1);
  if (p.name.tag == RowTag::field) {
    out.baselines = p.baselines;
    join_baselines(out.baselines, q.baselines);
    join_totals(out.live, out.baselines);
    out.after = after_of(p, q, dots);
  }
  if (!out.live.empty()) out.subject = p.subject.empty() ? q.subject : p.subject;
  out.context = contexts.of(p.context, q.context);
  out.extra = join(p.extra, q.extra);
  out.baseline = later(p.baseline, q.baseline);
  if (p.name.tag == RowTag::total) {
    if (out.baseline && !out.live.empty() && out.live.front().dot.counter <= out.baseline->counter)
      out.live.clear();
    out.after_add = after_add_of(p, q, dots);
  }
  return out;
}

Part moved(const Part& part, uint32_t context) {
  Part out = part;
  out.context = context;
  return out;
}

}  // namespace

uint64_t first_after_add(const std::vector<Part>& parts) {
  for (const Part& part : parts)
    if (part.after_add > 0)
      return part.after_add;
    else if (!part.after.empty())
      return part.after.front().counter;
  return 0;
}

Dot Delta::dot() const {
  ensure(dots.size() == 1, "a coalesced delta has no dot of its own");
  const DotSet::Entry& entry = dots.entries().front();
  return {entry.actor, entry.last()};
}

Delta coalesce(const Delta& first, const Delta& second) {
  ensure(first.key == second.key, "only deltas of one key are coalesced");
  Delta out;
  out.key = first.key;
  out.dots = join(first.dots, second.dots);
  Contexts contexts(first, second);
  auto p = first.parts.begin(), q = second.parts.begin();
  while (p != first.parts.end() || q != second.parts.end()) {
    if (q == second.parts.end() || (p != first.parts.end() && p->name < q->name)) {
      out.parts.push_back(moved(*p, contexts.of(p->context, Part::kNoContext)));
      ++p;
    } else if (p == first.parts.end() || q->name < p->name) {
      out.parts.push_back(moved(*q, contexts.of(Part::kNoContext, q->context)));
      ++q;
    } else {
      out.parts.push_back(coalesce_parts(first, *p, second, *q, contexts, out.dots));
      ++p, ++q;
    }
  }
  out.contexts = std::move(contexts.sets);
  out.after_add = first_after_add(out.parts);
  return out;
}

bool only_removes(const Delta& delta) {
  return std::all_of(delta.parts.begin(), delta.parts.end(), [](const Part& part) {
    return part.name.tag == RowTag::journal ||
           std::all_of(part.live.begin(), part.live.end(), [](const Live& l) { return l.standing; });
  });
}

}  // namespace atolldb::crdt
