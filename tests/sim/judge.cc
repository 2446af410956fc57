#include "tests/sim/judge.h"

#include <algorithm>
#include <charconv>

#include "crdt/row_key.h"

namespace atolldb::sim {

namespace {

bool replaces(const Update& update) {
  return update.kind == UpdateKind::set || update.kind == UpdateKind::del;
}

// Does `by` void what `update` added to the row, where both have arrived?
bool supersedes(const Update& by, const Update& update, const crdt::RowName& row) {
  if (&by == &update || by.kind == UpdateKind::add) return false;
  if (row.tag != crdt::RowTag::element && !replaces(by)) return false;
  if (row.tag == crdt::RowTag::element && !replaces(by) && !by.touches(row.id)) return false;
  return by.saw(row, update.dot);
}

std::optional<int64_t> number(const Bytes& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const size_t sign = text.front() == '-' ? 1 : 0;
  if (text[sign] == '0' && text.size() > 1) return std::nullopt;
  return value;
}

}  // namespace

const Update* Judge::superseder(const Update& update, const crdt::RowName& row,
                                const crdt::DotSet& had) const {
  const auto& indices = facts_.of_key(update.key);
  for (auto at = std::upper_bound(indices.begin(), indices.end(), update.index); at != indices.end(); ++at) {
    const Update& by = facts_.updates()[*at];
    if (supersedes(by, update, row) && had.contains(by.dot)) return &by;
  }
  return nullptr;
}

KeyState Judge::state(const Bytes& key, const crdt::DotSet& had) const {
  KeyState out;
  for (const uint32_t index : facts_.of_key(key)) {
    const Update& update = facts_.updates()[index];
    if (!had.contains(update.dot)) continue;
    switch (update.kind) {
      case UpdateKind::set:
        if (superseder(update, crdt::string_row(), had) == nullptr) out.siblings.push_back(&update);
        break;
      case UpdateKind::add:
        if (superseder(update, crdt::total_row(update.dot.actor), had) == nullptr)
          out.adds.push_back(&update);
        break;
      case UpdateKind::sadd:
        for (const crdt::RowId& row : update.rows)
          if (superseder(update, {crdt::RowTag::element, row}, had) == nullptr)
            out.elements[row].push_back(&update);
        break;
      case UpdateKind::del:
      case UpdateKind::srem:
      case UpdateKind::superseded:
        break;
    }
  }
  std::sort(out.siblings.begin(), out.siblings.end(), [](const Update* a, const Update* b) {
    return a->stamp != b->stamp ? a->stamp > b->stamp : a->dot > b->dot;
  });
  return out;
}

Int128 Judge::amount(const Update& add) const {
  if (add.started == add.dot.counter) return add.total;
  const Update* before = nullptr;
  for (const uint32_t index : facts_.of_key(add.key)) {
    const Update& other = facts_.updates()[index];
    if (other.kind == UpdateKind::add && other.dot.actor == add.dot.actor &&
        other.dot.counter < add.dot.counter && (before == nullptr || other.dot.counter > before->dot.counter))
      before = &other;
  }
  return before == nullptr ? add.total : add.total - before->total;
}

std::optional<Bytes> Judge::shown(const KeyState& state) const {
  if (!state.is_string()) return std::nullopt;
  std::optional<int64_t> base = 0;
  if (!state.siblings.empty()) base = number(state.siblings.front()->value);
  if (state.adds.empty() || !base) return state.siblings.front()->value;
  Int128 sum = *base;
  for (const Update* add : state.adds) sum += amount(*add);
  if (sum < INT64_MIN || sum > INT64_MAX) return std::nullopt;
  return std::to_string(static_cast<int64_t>(sum));
}

bool Judge::was_shown(const Update& set, const Update& by) const {
  if (!by.seen.contains(set.dot) || superseder(set, crdt::string_row(), by.seen) != nullptr) return false;
  for (const uint32_t index : facts_.of_key(set.key)) {
    const Update& other = facts_.updates()[index];
    if (other.kind == UpdateKind::set && std::pair(other.stamp, other.dot) > std::pair(set.stamp, set.dot) &&
        by.seen.contains(other.dot) && superseder(other, crdt::string_row(), by.seen) == nullptr)
      return false;
  }
  return true;
}

}  // namespace atolldb::sim
