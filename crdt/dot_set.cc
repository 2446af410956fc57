#include "crdt/dot_set.h"

#include <algorithm>

namespace atolldb::crdt {

namespace {

using Interval = DotSet::Interval;
using Entry = DotSet::Entry;
using Spans =
    std::vector<Interval>;  // sorted, disjoint, not adjacent: an entry with its base as a first interval

Spans spans_of(const Entry& entry) {
  Spans out;
  out.reserve(entry.above.size() + 1);
  if (entry.base > 0) out.push_back({1, entry.base});
  out.insert(out.end(), entry.above.begin(), entry.above.end());
  return out;
}

void assign(Entry& entry, Spans spans) {
  entry.base = 0;
  if (!spans.empty() && spans.front().first == 1) {
    entry.base = spans.front().last;
    spans.erase(spans.begin());
  }
  entry.above = std::move(spans);
}

Spans unite(const Spans& a, const Spans& b) {
  Spans out;
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end()) {
    const bool left = j == b.end() || (i != a.end() && i->first <= j->first);
    const Interval next = left ? *i++ : *j++;
    if (!out.empty() && next.first <= out.back().last + 1)
      out.back().last = std::max(out.back().last, next.last);
    else
      out.push_back(next);
  }
  return out;
}

Spans common(const Spans& a, const Spans& b) {
  Spans out;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    const Interval both{std::max(i->first, j->first), std::min(i->last, j->last)};
    if (both.first <= both.last) out.push_back(both);
    (i->last < j->last) ? ++i : ++j;
  }
  return out;
}

Spans without(const Spans& a, const Spans& b) {
  Spans out;
  auto j = b.begin();
  for (Interval rest : a) {
    while (j != b.end() && j->last < rest.first) ++j;
    for (auto k = j; k != b.end() && k->first <= rest.last; ++k) {
      if (k->first > rest.first) out.push_back({rest.first, k->first - 1});
      rest.first = k->last + 1;
    }
    if (rest.first <= rest.last) out.push_back(rest);
  }
  return out;
}

bool has(const Entry& entry, uint64_t counter) {
  if (counter <= entry.base) return counter > 0;
  const auto it = std::lower_bound(entry.above.begin(), entry.above.end(), counter,
                                   [](const Interval& i, uint64_t c) { return i.last < c; });
  return it != entry.above.end() && it->first <= counter;
}

// base + 1 is never in, so a longer prefix is never covered.
bool covers_entry(const Entry& a, const Entry& b) {
  if (b.base > a.base) return false;
  auto i = a.above.begin();
  for (const Interval& want : b.above) {
    if (want.last <= a.base) continue;
    while (i != a.above.end() && i->last < want.first) ++i;
    if (i == a.above.end() || i->first > want.first || i->last < want.last) return false;
  }
  return true;
}

void insert_span(Entry& entry, uint64_t first, uint64_t last) {
  if (entry.above.empty() && first <= entry.base + 1) {
    entry.base = std::max(entry.base, last);
    return;
  }
  if (first > entry.last() + 1) {
    entry.above.push_back({first, last});
    return;
  }
  if (has(entry, first) && first == last) return;
  assign(entry, unite(spans_of(entry), {{first, last}}));
}

void join_entry(Entry& a, const Entry& b) {
  if (a.above.empty() && b.above.empty())
    a.base = std::max(a.base, b.base);
  else if (b.base == 0 && b.above.size() == 1)  // mostly one dot
    insert_span(a, b.above.front().first, b.above.front().last);
  else if (!covers_entry(a, b))
    assign(a, unite(spans_of(a), spans_of(b)));
}

auto lower(std::vector<Entry>& entries, const Actor& actor) {
  return std::lower_bound(entries.begin(), entries.end(), actor,
                          [](const Entry& e, const Actor& a) { return e.actor < a; });
}

}  // namespace

const Entry* DotSet::find(const Actor& actor) const {
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), actor,
                                   [](const Entry& e, const Actor& a) { return e.actor < a; });
  return it != entries_.end() && it->actor == actor ? &*it : nullptr;
}

bool DotSet::contains(const Dot& dot) const {
  const Entry* entry = find(dot.actor);
  return entry != nullptr && has(*entry, dot.counter);
}

bool DotSet::covers(const DotSet& other) const {
  if (other.entries_.size() > entries_.size()) return false;
  auto i = entries_.begin();
  for (const Entry& want : other.entries_) {
    while (i != entries_.end() && i->actor < want.actor) ++i;
    if (i == entries_.end() || i->actor != want.actor || !covers_entry(*i, want)) return false;
  }
  return true;
}

bool DotSet::intersects(const DotSet& other) const {
  for (auto i = entries_.begin(), j = other.entries_.begin();
       i != entries_.end() && j != other.entries_.end();) {
    if (i->actor < j->actor) {
      ++i;
    } else if (j->actor < i->actor) {
      ++j;
    } else {
      if (i->base > 0 && j->base > 0) return true;
      if (!common(spans_of(*i), spans_of(*j)).empty()) return true;
      ++i, ++j;
    }
  }
  return false;
}

void DotSet::insert(const Dot& dot) { insert(dot.actor, dot.counter, dot.counter); }

void DotSet::insert(const Actor& actor, uint64_t first, uint64_t last) {
  ensure(first >= 1 && first <= last && last <= kDotCounterMax, "counters run from 1 to kDotCounterMax");
  auto it = lower(entries_, actor);
  if (it == entries_.end() || it->actor != actor) it = entries_.insert(it, Entry{actor, 0, {}});
  insert_span(*it, first, last);
}

void DotSet::erase(const Dot& dot) {
  if (!contains(dot)) return;
  const auto it = lower(entries_, dot.actor);
  assign(*it, without(spans_of(*it), {{dot.counter, dot.counter}}));
  if (it->base == 0 && it->above.empty()) entries_.erase(it);
}

void DotSet::join(const DotSet& other) {
  auto i = entries_.begin();
  for (auto j = other.entries_.begin(); j != other.entries_.end(); ++j) {
    while (i != entries_.end() && i->actor < j->actor) ++i;
    if (i != entries_.end() && i->actor == j->actor) {
      join_entry(*i, *j);
      continue;
    }
    // An actor that is new here: from now on merge into a vector of its own.
    std::vector<Entry> out;
    out.reserve(entries_.size() + static_cast<size_t>(other.entries_.end() - j));
    std::move(entries_.begin(), i, std::back_inserter(out));
    while (i != entries_.end() || j != other.entries_.end()) {
      if (j == other.entries_.end() || (i != entries_.end() && i->actor < j->actor)) {
        out.push_back(std::move(*i++));
      } else if (i == entries_.end() || j->actor < i->actor) {
        out.push_back(*j++);
      } else {
        join_entry(*i, *j++);
        out.push_back(std::move(*i++));
      }
    }
    entries_ = std::move(out);
    return;
  }
}

void DotSet::subtract(const DotSet& other) {
  if (entries_.empty() || other.entries_.empty()) return;
  auto j = other.entries_.begin();
  std::erase_if(entries_, [&](Entry& entry) {
    while (j != other.entries_.end() && j->actor < entry.actor) ++j;
    if (j == other.entries_.end() || j->actor != entry.actor) return false;
    if (covers_entry(*j, entry)) return true;
    assign(entry, without(spans_of(entry), spans_of(*j)));
    return false;
  });
}

void DotSet::intersect(const DotSet& other) {
  auto j = other.entries_.begin();
  std::erase_if(entries_, [&](Entry& entry) {
    while (j != other.entries_.end() && j->actor < entry.actor) ++j;
    if (j == other.entries_.end() || j->actor != entry.actor) return true;
    if (covers_entry(*j, entry)) return false;
    assign(entry, common(spans_of(entry), spans_of(*j)));
    return entry.base == 0 && entry.above.empty();
  });
}

uint64_t DotSet::last_of(const Actor& actor) const {
  const Entry* entry = find(actor);
  return entry == nullptr ? 0 : entry->last();
}

uint64_t DotSet::size() const {
  uint64_t total = 0;
  const auto add = [&total](uint64_t n) { total = total > UINT64_MAX - n ? UINT64_MAX : total + n; };
  for (const Entry& entry : entries_) {
    add(entry.base);
    for (const Interval& i : entry.above) add(i.last - i.first + 1);
  }
  return total;
}

void DotSet::each(const std::function<bool(const Dot&)>& visit) const {
  for (const Entry& entry : entries_)
    for (const Interval& span : spans_of(entry))
      for (uint64_t counter = span.first; counter <= span.last; ++counter)
        if (!visit({entry.actor, counter})) return;
}

DotSet join(DotSet a, const DotSet& b) {
  a.join(b);
  return a;
}

DotSet minus(DotSet a, const DotSet& b) {
  a.subtract(b);
  return a;
}

}  // namespace atolldb::crdt
