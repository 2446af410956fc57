// Maps: OR-maps whose fields are strings (after riak_dt_map and the composition of Almeida, Shoker and
// Baquero, 2018, section 7), a field a row with its siblings and the totals of all actors: reading and
// writing one field costs the same in a map of ten and of a million. Each field follows the rules of a
// string; what empties the map (SET, DEL, clear) names its dots in the header's context, as a set's, and
// records totals field by field.
#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

namespace {

struct NamedField {
  RowName name;
  BytesView field;
  BytesView value;
};

// In row order and each once: of several with one name the last.
std::vector<NamedField> in_row_order(std::vector<NamedField> fields) {
  std::stable_sort(fields.begin(), fields.end(),
                   [](const NamedField& a, const NamedField& b) { return a.name < b.name; });
  const auto same = [](const NamedField& a, const NamedField& b) { return a.name == b.name; };
  fields.erase(fields.begin(), std::unique(fields.rbegin(), fields.rend(), same).base());
  return fields;
}

Error not_an_integer() { return {Errc::invalid, "hash value is not an integer"}; }

}  // namespace

Result<Mutation> Replica::hset(BytesView key, const std::vector<FieldValue>& fields, const Dot& dot,
                               Hlc hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  std::vector<NamedField> named;
  named.reserve(fields.size());
  for (const auto& [field, value] : fields) {
    if (Status checked = check_items("a field's name", {field}); !checked) return checked.error();
    if (Status checked = check_value(value); !checked) return checked.error();
    named.push_back({field_row(field), field, value});
  }
  At at = locate(key);
  View view = this->view(at, true);
  if (is_other(view.type(), Type::map)) return wrong_type();
  if (fields.empty()) return Mutation{};
  Mutation out;
  Delta delta = begin_delta(at, dot);
  delta.contexts.push_back(clock_);
  for (const NamedField& item : in_row_order(std::move(named))) {
    const Row row = get(row_key(at.prefix, item.name), item.name).value_or(Row{});
    if (row.live.empty()) ++out.count;
    Part part = over_field(item.name, row, view);
    if (canary(Canary::field_keeps_totals)) part.baselines.clear();
    part.live.push_back(sibling(dot, hlc, item.value));
    part.subject = item.field;
    delta.parts.push_back(std::move(part));
    journal_hidden(row, dot, delta.parts);
  }
  sort_parts(delta.parts);
  out.delta = std::move(delta);
  remember(std::move(at), std::move(view));
  return out;
}

Result<Mutation> Replica::hdel(BytesView key, const std::vector<BytesView>& fields, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (Status checked = check_items("a field's name", fields); !checked) return checked.error();
  std::vector<NamedField> named;
  named.reserve(fields.size());
  for (const BytesView field : fields) named.push_back({field_row(field), field, {}});
  At at = locate(key);
  View view = this->view(at, true);
  if (is_other(view.type(), Type::map)) return wrong_type();
  Mutation out;
  Delta delta = begin_delta(at, dot);
  for (const NamedField& item : in_row_order(std::move(named))) {
    const Row row = get(row_key(at.prefix, item.name), item.name).value_or(Row{});
    if (row.live.empty()) continue;
    ++out.count;
    delta.parts.push_back(over_field(item.name, row, view));
    journal_hidden(row, dot, delta.parts);
  }
  if (out.count == 0) return out;
  delta.contexts.push_back(clock_);
  sort_parts(delta.parts);
  out.delta = std::move(delta);
  remember(std::move(at), std::move(view));
  return out;
}

// Of a field's siblings an add says nothing, so that it has no context.
Result<Mutation> Replica::hadd(BytesView key, BytesView field, int64_t amount, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (Status checked = check_items("a field's name", {field}); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  if (is_other(view.type(), Type::map)) return wrong_type();
  Part part;
  part.name = field_row(field);
  const Row row = get(row_key(at.prefix, part.name), part.name).value_or(Row{});
  const Register shown = register_of(row);
  if (!shown.number) return not_an_integer();
  const Int128 sum = *shown.number + shown.sum + amount;
  if (!fits_64_bits(sum)) return overflow();

  Live total;
  total.dot = dot;
  total.started = dot.counter;
  total.sum = amount;
  for (const Live& l : row.live) {
    if (!l.is_total() || l.dot.actor != dot.actor) continue;
    total.started = l.started;
    total.sum = l.sum + amount;
    part.after.push_back(l.dot);
  }
  if (const auto held = baseline_of(row.baselines, dot.actor)) part.baselines.push_back({dot.actor, *held});
  part.live.push_back(std::move(total));
  part.subject = field;
  Delta delta = begin_delta(at, dot);
  if (!part.after.empty()) delta.after_add = part.after.front().counter;
  delta.parts.push_back(std::move(part));
  remember(std::move(at), std::move(view));
  return Mutation{std::move(delta), row.live.empty() ? 1 : 0, to_decimal(sum)};
}

Result<std::optional<Bytes>> Replica::field(BytesView key, BytesView field) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  if (is_other(view(at, false).type(), Type::map)) return wrong_type();
  const RowName name = field_row(field);
  const std::optional<Row> row = get(row_key(at.prefix, name), name);
  if (!row || row->live.empty()) return std::optional<Bytes>();
  Result<Bytes> value = register_of(*row).value();
  if (!value) return value.error();
  return std::optional<Bytes>(std::move(value).value());
}

Result<uint64_t> Replica::count_fields(BytesView key) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  if (is_other(view(at, false).type(), Type::map)) return wrong_type();
  return count_live(at.prefix, RowTag::field);
}

uint64_t Replica::count_live(BytesView prefix, RowTag tag) const {
  uint64_t count = 0;
  const auto visit = [&](BytesView, BytesView bytes) {
    if (holds_live(bytes)) ++count;
    return true;
  };
  walk_items(prefix, tag, {}, true, std::cref(visit));
  return count;
}

Result<Replica::Fields> Replica::fields(BytesView key, BytesView after, size_t limit, size_t bytes_max) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (!after.empty() && after.size() != sizeof(RowId))
    return {Errc::invalid, "a position in a map has 16 bytes, this one " + std::to_string(after.size())};
  const At at = locate(key);
  if (is_other(view(at, false).type(), Type::map)) return wrong_type();
  Fields out;
  Bytes from;
  if (!after.empty()) (from = tag_begin(at.prefix, RowTag::field)).append(after).push_back('\0');
  Bytes last;
  size_t size = 0;
  std::optional<Error> failed;
  const auto visit = [&](BytesView row_key, BytesView bytes) {
    if (!holds_live(bytes)) return true;
    if (out.fields.size() == limit || size >= bytes_max) {
      out.next = last;
      return false;
    }
    const RowName name = parse_row_key(row_key)->name;
    Row row = decode_stored(name, bytes);
    Result<Bytes> value = register_of(row).value();
    if (!value) {
      failed = value.error();
      failed->message += ", in field \"" + row.subject + "\"";
      return false;
    }
    size += row.subject.size() + value->size();
    out.fields.emplace_back(std::move(row.subject), std::move(value).value());
    last.assign(name.id.data(), name.id.size());
    return true;
  };
  walk_items(at.prefix, RowTag::field, from, true, std::cref(visit));
  if (failed) return *failed;
  return out;
}

// What a read of a field did not show goes to the journal when it is overwritten (rule 6).
void journal_hidden(const Row& field, const Dot& dot, std::vector<Part>& parts) {
  const Register shown = register_of(field);
  for (const Live& l : field.live)
    if (!shown.shows(l)) parts.push_back(journal_part(dot, record_of(l, field.subject)));
}

}  // namespace atolldb::crdt
