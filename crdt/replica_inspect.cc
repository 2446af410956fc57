#include <algorithm>

#include "crdt/replica_impl.h"

namespace atolldb::crdt {

namespace {

void add_total(const RowName& name, const Row& row, Inspection& out) {
  RunningTotal total;
  total.dot.actor = actor_of(name);
  if (row.baseline) {
    total.baseline_counter = row.baseline->counter;
    total.baseline = to_decimal(row.baseline->sum);
  }
  for (const Live& l : row.live) {
    total.dot = l.dot;
    total.started = l.started;
    total.sum = to_decimal(l.sum);
  }
  out.totals.push_back(std::move(total));
}

void sort_siblings(std::vector<Sibling>& siblings) {
  std::sort(siblings.begin(), siblings.end(), [](const Sibling& a, const Sibling& b) {
    return a.hlc != b.hlc ? a.hlc > b.hlc : a.dot > b.dot;
  });
}

void add_field(Row&& row, size_t fields_max, Inspection& out) {
  if (row.live.empty()) return;
  ++out.field_count;
  if (out.fields.size() >= fields_max) return;
  InspectedField field;
  field.name = std::move(row.subject);
  for (Live& l : row.live) {
    if (!l.is_total()) {
      field.siblings.push_back({l.dot, l.hlc, std::move(l.value)});
      continue;
    }
    RunningTotal total{l.dot, l.started, to_decimal(l.sum), 0, {}};
    if (const auto baseline = baseline_of(row.baselines, l.dot.actor)) {
      total.baseline_counter = baseline->counter;
      total.baseline = to_decimal(baseline->sum);
    }
    field.totals.push_back(std::move(total));
  }
  sort_siblings(field.siblings);
  out.fields.push_back(std::move(field));
}

void add_element(Row&& row, size_t elements_max, Inspection& out) {
  if (row.live.empty()) return;
  ++out.element_count;
  if (out.elements.size() >= elements_max) return;
  std::vector<Dot> dots;
  for (const Live& l : row.live) dots.push_back(l.dot);
  out.elements.emplace_back(std::move(row.subject), std::move(dots));
}

void add_record(const Row& row, Inspection& out) {
  if (row.live.empty()) return;
  Result<JournalRecord> record = decode_journal_record(row.subject);
  ensure(record.has_value(), "a stored journal record was validated");
  Bytes value = record->type == RowTag::total ? to_decimal(record->sum) : std::move(record->value);
  out.journal.push_back({{record->loser, record->hlc, std::move(value)}, std::move(record->field)});
}

}  // namespace

Inspection Replica::inspect(BytesView key, size_t elements_max) {
  Inspection out;
  if (!check_key(key)) return out;
  const At at = locate(key);
  const auto visit = [&](BytesView row_key, BytesView bytes) {
    const RowName name = parse_row_key(row_key)->name;
    Row row = decode_stored(name, bytes);
    strip_cleared(at.prefix, name, row);
    out.context.join(row.context);
    switch (name.tag) {
      case RowTag::header:
        break;
      case RowTag::string:
        for (Live& l : row.live) out.siblings.push_back({l.dot, l.hlc, std::move(l.value)});
        break;
      case RowTag::total:
        add_total(name, row, out);
        break;
      case RowTag::element:
        add_element(std::move(row), elements_max, out);
        break;
      case RowTag::journal:
        add_record(row, out);
        break;
      case RowTag::field:
        add_field(std::move(row), elements_max, out);
        break;
    }
    return true;
  };
  rows_.walk(at.prefix, key_end(at.prefix), std::cref(visit));
  sort_siblings(out.siblings);
  const bool adds =
      std::any_of(out.totals.begin(), out.totals.end(), [](const auto& t) { return !t.sum.empty(); });
  if (!out.siblings.empty() || adds)
    out.type = Type::string;
  else if (out.element_count > 0)
    out.type = Type::set;
  else if (out.field_count > 0)
    out.type = Type::map;
  return out;
}

}  // namespace atolldb::crdt
