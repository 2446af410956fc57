#include "crdt/waiting_rows.h"

namespace atolldb::crdt {

void WaitingRows::wait(const Bytes& row_key, const Dot& dot) {
  const auto [it, fresh] = rows_.try_emplace(row_key, dot);
  if (!fresh) {
    if (it->second == dot) return;
    by_dot_.erase({it->second, row_key});
    it->second = dot;
  }
  by_dot_.emplace(dot, row_key);
}

void WaitingRows::remove(const Bytes& row_key) {
  const auto it = rows_.find(row_key);
  if (it == rows_.end()) return;
  by_dot_.erase({it->second, row_key});
  rows_.erase(it);
}

std::vector<Bytes> WaitingRows::take(const DotSet& dots) {
  std::vector<Bytes> out;
  if (rows_.empty()) return out;
  const auto take_span = [&](const Actor& actor, uint64_t first, uint64_t last) {
    auto it = by_dot_.lower_bound({Dot{actor, first}, Bytes()});
    while (it != by_dot_.end() && it->first <= Dot{actor, last}) {
      out.push_back(it->second);
      rows_.erase(it->second);
      it = by_dot_.erase(it);
    }
  };
  for (const DotSet::Entry& entry : dots.entries()) {
    if (entry.base > 0) take_span(entry.actor, 1, entry.base);
    for (const DotSet::Interval& i : entry.above) take_span(entry.actor, i.first, i.last);
  }
  return out;
}

void WaitingRows::clear() {
  rows_.clear();
  by_dot_.clear();
}

}  // namespace atolldb::crdt
