// Strings: sibling values and, per actor, a running total of adds with its baseline; register and counter in
// one. Siblings after dvvset (Gonçalves and Almeida), totals after the PN-counter with resets that name what
// they saw.
#include <algorithm>
#include <charconv>

#include "crdt/base/canary.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

Error overflow() { return {Errc::overflow, "increment or decrement would overflow"}; }
Error no_number() { return {Errc::invalid, "value is not an integer or out of range"}; }

Status check_value(BytesView value) {
  if (value.size() <= kValueBytesMax) return ok();
  return {Errc::too_large, "a value of " + std::to_string(value.size()) + " bytes, at most " +
                               std::to_string(kValueBytesMax) + " are allowed"};
}

Live sibling(const Dot& dot, Hlc hlc, BytesView value) {
  Live out;
  out.dot = dot;
  out.hlc = hlc;
  out.value = value;
  return out;
}

JournalRecord record_of(const Live& l, const std::optional<Bytes>& field) {
  if (l.is_total())
    return {.type = RowTag::total, .loser = l.dot, .started = l.started, .sum = l.sum, .field = field};
  return {.type = RowTag::string, .loser = l.dot, .hlc = l.hlc, .value = l.value, .field = field};
}

Part journal_part(const Dot& dot, const JournalRecord& record) {
  Part part;
  part.name = name_of(record);
  part.subject = encode(record);
  part.live.push_back({.dot = dot});
  return part;
}

void sort_parts(std::vector<Part>& parts) {
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.name < b.name; });
}

bool Replica::View::has_string() const {
  return !string.row.live.empty() ||
         std::any_of(totals.begin(), totals.end(), [](const Held& t) { return !t.row.live.empty(); });
}

Type Replica::View::type() const {
  if (has_string()) return Type::string;
  if (elements) return Type::set;
  return fields ? Type::map : Type::none;
}

void Register::count(const Live& l, const std::optional<Baseline>& baseline) {
  if (l.is_total()) {
    ++totals;
    sum += counting(l, baseline);
    return;
  }
  ++siblings;
  const auto less = [](const Live& a, const Live& b) {
    return a.hlc != b.hlc ? a.hlc < b.hlc : a.dot < b.dot;
  };
  if (winner != nullptr && less(l, *winner)) return;
  if (winner != nullptr && l.hlc == winner->hlc && canary(Canary::stamps_alone)) return;
  winner = &l;
  number = parse_integer(l.value);
}

uint32_t Register::hidden() const { return siblings - (winner == nullptr ? 0 : 1) + (number ? 0 : totals); }

Result<Bytes> Register::value() const {
  ensure(!empty(), "a register is read where there is one");
  if (totals == 0 || !number) return winner->value;  // no adds, or adds behind a winner that is no number
  const Int128 total = *number + sum;
  if (!fits_64_bits(total)) return overflow();
  return to_decimal(total);
}

Register register_of(const Row& field) {
  Register out;
  for (const Live& l : field.live) out.count(l, baseline_of(field.baselines, l.dot.actor));
  return out;
}

Register Replica::View::string_register() const {
  Register out;
  for (const Live& l : string.row.live) out.count(l, std::nullopt);
  for (const Held& total : totals)
    for (const Live& l : total.row.live) out.count(l, total.row.baseline);
  return out;
}

Int128 counting(const Live& total, const std::optional<Baseline>& baseline) {
  const bool before = baseline && baseline->counter < total.started;
  if (before && canary(Canary::baseline_of_another_start)) return total.sum - baseline->sum;
  return !baseline || before ? total.sum : total.sum - baseline->sum;
}

std::optional<int64_t> parse_integer(BytesView text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const BytesView digits = text.front() == '-' ? text.substr(1) : text;
  if (digits.front() == '0' && text.size() > 1) return std::nullopt;  // one spelling a number
  return value;
}

std::string to_decimal(Int128 value) {
  if (value == 0) return "0";
  auto left = static_cast<Uint128>(value);
  if (value < 0) left = -left;
  std::string out;
  for (; left > 0; left /= 10) out.push_back(static_cast<char>('0' + static_cast<int>(left % 10)));
  if (value < 0) out.push_back('-');
  return {out.rbegin(), out.rend()};
}

bool fits_64_bits(Int128 value) { return value >= INT64_MIN && value <= INT64_MAX; }

// Mostly one walk: the rows before the items, and items until one with a live dot is found. Fields lie behind
// the journal's rows, which are stepped over.
Replica::View Replica::view(const At& at, bool to_write) const {
  View out;
  const bool sweeping = sweep_of(at.prefix) != nullptr;
  bool at_journal = false;
  const auto visit = [&](BytesView key, BytesView bytes) {
    const std::optional<RowKeyParts> parts = parse_row_key(key);
    ensure(parts.has_value(), "the store holds row keys");
    switch (parts->name.tag) {
      case RowTag::header:
        out.header = held_row(*parts, key, bytes, to_write);
        return true;
      case RowTag::string:
        out.string = held_row(*parts, key, bytes, to_write);
        return true;
      case RowTag::total:
        out.totals.push_back(held_row(*parts, key, bytes, to_write));
        return true;
      case RowTag::element:
        out.item_rows = true;
        if (sweeping) return false;
        out.elements = holds_live(bytes);
        return !out.elements;
      case RowTag::journal:
        at_journal = true;
        return false;
      case RowTag::field:
        out.item_rows = true;
        if (sweeping) return false;
        out.fields = holds_live(bytes);
        return !out.fields;
    }
    return false;
  };
  rows_.walk(at.prefix, key_end(at.prefix), std::cref(visit));
  if (sweeping) {
    out.item_rows = true;
    out.elements = any_live(at, RowTag::element);
    out.fields = !out.elements && any_live(at, RowTag::field);
  } else if (at_journal) {
    rows_.walk(tag_begin(at.prefix, RowTag::field), key_end(at.prefix), std::cref(visit));
  }
  return out;
}

bool Replica::any_live(const At& at, RowTag tag) const {
  bool found = false;
  const auto visit = [&](BytesView, BytesView bytes) { return !(found = holds_live(bytes)); };
  walk_items(at.prefix, tag, {}, true, std::cref(visit));
  return found;
}

Type Replica::type(BytesView key) {
  if (!check_key(key)) return Type::none;
  const At at = locate(key);
  if (sweep_of(at.prefix) != nullptr) return view(at, false).type();
  Type out = Type::none;
  const auto visit = [&](BytesView row_key, BytesView bytes) {
    const RowTag tag = parse_row_key(row_key)->name.tag;
    if (tag == RowTag::journal) return false;  // any number of them; fields lie behind
    if (tag == RowTag::header || !holds_live(bytes)) return true;
    out = tag == RowTag::element ? Type::set : tag == RowTag::field ? Type::map : Type::string;
    return false;
  };
  rows_.walk(at.prefix, key_end(at.prefix), std::cref(visit));
  return out == Type::none && any_live(at, RowTag::field) ? Type::map : out;
}

// A write is merged right after it was made: what was read for it need not be read again.
void Replica::remember(At&& at, View&& view) {
  remembered_ = std::make_unique<Remembered>();
  remembered_->prefix = std::move(at.prefix);
  remembered_->item_rows = view.item_rows;
  remembered_->rows.reserve(4 + view.totals.size());
  for (Held* held : {&view.header, &view.string})
    if (held->present) remembered_->rows.push_back(std::move(*held));
  std::move(view.totals.begin(), view.totals.end(), std::back_inserter(remembered_->rows));
}

Result<Shown> Replica::read(BytesView key) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  const View view = this->view(at, false);
  Shown out;
  out.type = view.type();
  if (out.type == Type::none) return out;
  const bool fields = view.fields || (view.elements && any_live(at, RowTag::field));
  if (out.type != Type::string) {
    out.hidden = out.type == Type::set && fields ? 1 : 0;
    return out;
  }
  const Register string = view.string_register();
  out.hidden = string.hidden() + (view.elements ? 1 : 0) + (fields ? 1 : 0);
  Result<Bytes> value = string.value();
  if (!value) return value.error();
  out.value = std::move(value).value();
  return out;
}

Result<Replica::Siblings> Replica::siblings(BytesView key) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  View view = this->view(at, false);
  Siblings out;
  if (view.type() == Type::none) return out;
  if (view.type() != Type::string) return wrong_type();
  out.set = view.elements;
  out.map = view.fields || (view.elements && any_live(at, RowTag::field));
  const Register shown = view.string_register();
  if (shown.totals > 0) out.added = to_decimal(shown.sum);
  std::vector<Live>& live = view.string.row.live;
  std::sort(live.begin(), live.end(),
            [](const Live& a, const Live& b) { return a.hlc != b.hlc ? a.hlc > b.hlc : a.dot > b.dot; });
  for (Live& l : live) {
    out.context.dots.push_back({l.dot, std::nullopt, 0});
    out.values.push_back(std::move(l.value));
  }
  for (const Held& total : view.totals)
    for (const Live& l : total.row.live) out.context.dots.push_back({l.dot, l.started, l.sum});
  return out;
}

// What a row's own context adds to the clock that the update's parts share: the kept context, and live dots
// that a repair brought ahead of the clock.
DotSet Replica::uncovered(const DotSet& context, const std::vector<Live>& live) const {
  DotSet out;
  if (!context.empty()) out = minus(context, clock_);
  for (const Live& l : live)
    if (!clock_.contains(l.dot)) out.insert(l.dot);
  return out;
}

// A part that has seen all that this replica has of the row, and adds nothing yet.
Part Replica::seen_part(const RowName& name, const Row& row, const DotSet& excluded) const {
  Part part;
  part.name = name;
  part.context = 0;
  part.extra = uncovered(row.context, row.live);
  if (!excluded.empty()) part.extra.join(minus(excluded, clock_));
  return part;
}

Delta Replica::begin_delta(const At& at, const Dot& dot) const {
  Delta delta;
  delta.key = at.key;
  delta.dots.insert(dot);
  return delta;
}

// Over a field's row: as much as this replica has seen of it, and the totals that it holds as baselines.
Part Replica::over_field(const RowName& name, const Row& row, const View& view) const {
  Part part = seen_part(name, row, view.header.row.context);
  part.baselines = row.baselines;
  for (const Live& l : row.live)
    if (l.is_total()) join_baseline(part.baselines, l.dot.actor, {l.dot.counter, l.sum});
  return part;
}

// The header has seen clock, kept context and live dots. What an item's row kept is a part of its own, since
// a context speaks of one row (rule 7), and so are a field's totals, of which contexts do not speak at all
// (rule 4). What a plain read of the key did not show goes to the journal.
//
// A set that is shown goes without a look at its elements: only those that keep a context have a part, and
// these are listed. Of fields each is looked at, and most have nothing to say but a value that is shown.
void Replica::clear_parts(const At& at, const View& view, const Dot& dot, std::vector<Part>& parts) const {
  Part header = seen_part(header_row(), view.header.row, {});
  const Type shown = view.type();
  const bool fields = view.fields || (view.elements && any_live(at, RowTag::field));
  const bool elements_unread = !any_ahead() && (shown == Type::set || !view.elements);
  const bool fields_unread = !any_ahead() && (shown == Type::map || !fields);
  const auto visit = [&](BytesView key, BytesView bytes) {
    const RowName name = parse_row_key(key)->name;
    if (name.tag == RowTag::field && fields_unread && is_plain_field(bytes)) return true;
    Row row = decode_stored(name, bytes);
    strip_cleared(at.prefix, name, row);
    header.extra.join(uncovered({}, row.live));
    if (name.tag == RowTag::element) {
      if (canary(Canary::contexts_of_rows_merged))
        header.extra.join(row.context);
      else if (!row.context.empty())
        parts.push_back(seen_part(name, row, view.header.row.context));
      for (const Live& l : row.live)
        if (shown != Type::set)
          parts.push_back(journal_part(dot, {.type = RowTag::element, .loser = l.dot, .value = row.subject}));
      return true;
    }
    Part part = over_field(name, row, view);
    if (!row.context.empty() || !part.baselines.empty()) parts.push_back(std::move(part));
    const Register field = register_of(row);
    for (const Live& l : row.live)
      if (shown != Type::map || !field.shows(l))
        parts.push_back(journal_part(dot, record_of(l, row.subject)));
    return true;
  };
  const Bytes begin = tag_begin(at.prefix, RowTag::element), end = tag_begin(at.prefix, RowTag::journal);
  if (view.item_rows && elements_unread)
    walk_waiting(begin, end, std::cref(visit));
  else if (view.item_rows)
    rows_.walk(begin, end, std::cref(visit));
  if (view.item_rows) rows_.walk(tag_begin(at.prefix, RowTag::field), key_end(at.prefix), std::cref(visit));
  parts.push_back(std::move(header));
}

// The rows that keep a context.
void Replica::walk_waiting(const Bytes& begin, const Bytes& end,
                           const std::function<bool(BytesView, BytesView)>& visit) const {
  Bytes bytes;
  const auto& waiting = waiting_.rows();
  for (auto row = waiting.lower_bound(begin); row != waiting.end() && row->first < end; ++row)
    if (rows_.get(row->first, bytes) && !visit(row->first, bytes)) return;
}

// SET and DEL supersede all that they hold, and have been shown what a plain read shows and nothing else: the
// rest goes to the conflict journal, whole (rule 6). They record totals as baselines and pass on those they
// hold.
Delta Replica::plain(const At& at, const View& view, const Dot& dot, std::vector<Live> live) const {
  Delta delta = begin_delta(at, dot);
  delta.contexts.push_back(clock_);
  Part string = seen_part(string_row(), view.string.row, {});
  string.live = std::move(live);
  const Register shown = view.string_register();
  if (canary(Canary::siblings_left))
    for (const Live& l : view.string.row.live)
      if (!shown.shows(l)) insert_sorted(string.live, {.dot = l.dot, .standing = true});
  delta.parts.push_back(std::move(string));

  for (const Live& l : view.string.row.live)
    if (!shown.shows(l) && !canary(Canary::journal_dropped))
      delta.parts.push_back(journal_part(dot, record_of(l, std::nullopt)));
  for (const Held& total : view.totals) {
    Part part;
    part.name = total.name;
    part.baseline = total.row.baseline;
    for (const Live& l : total.row.live) {
      if (!canary(Canary::set_leaves_totals))
        part.baseline = later(part.baseline, Baseline{l.dot.counter, l.sum});
      if (!shown.shows(l)) delta.parts.push_back(journal_part(dot, record_of(l, std::nullopt)));
    }
    delta.parts.push_back(std::move(part));
  }
  clear_parts(at, view, dot, delta.parts);
  sort_parts(delta.parts);
  return delta;
}

Result<Mutation> Replica::set(BytesView key, BytesView value, const Dot& dot, Hlc hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (Status checked = check_value(value); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  Mutation out{plain(at, view, dot, {sibling(dot, hlc, value)}), 1, {}};
  remember(std::move(at), std::move(view));
  return out;
}

Result<Mutation> Replica::del(BytesView key, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  if (view.type() == Type::none) return Mutation{};
  Mutation out{plain(at, view, dot, {}), 1, {}};
  remember(std::move(at), std::move(view));
  return out;
}

// The total runs on while an add of it still counts, else it starts anew and names that counter (rule 5). It
// needs no context, and takes along the baseline that this replica holds of it (rule 4).
Result<Mutation> Replica::add(BytesView key, int64_t amount, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  if (!view.has_string() && view.type() != Type::none) return wrong_type();
  const Register shown = view.string_register();
  if (!shown.number) return no_number();
  const Int128 sum = *shown.number + shown.sum + amount;
  if (!fits_64_bits(sum)) return overflow();

  Part part;
  part.name = total_row(dot.actor);
  Live total;
  total.dot = dot;
  total.started = dot.counter;
  total.sum = amount;
  for (const Held& held : view.totals) {
    if (held.name != part.name) continue;
    part.baseline = held.row.baseline;
    for (const Live& l : held.row.live) {
      total.started = l.started;
      total.sum = l.sum + amount;
      part.after_add = l.dot.counter;
    }
  }
  part.live.push_back(std::move(total));
  Delta delta = begin_delta(at, dot);
  delta.after_add = part.after_add;
  delta.parts.push_back(std::move(part));
  remember(std::move(at), std::move(view));
  return Mutation{std::move(delta), 0, to_decimal(sum)};
}

namespace {

// Up to the smaller of the named and the held counter: what a client names is not trusted further.
std::optional<Baseline> named_baseline(const Live& total, const NamedContext& named) {
  std::optional<Baseline> out;
  for (const NamedContext::Named& name : named.dots) {
    if (!name.total_started || name.dot.actor != total.dot.actor) continue;
    if (name.dot.counter >= total.dot.counter)
      out = later(out, Baseline{total.dot.counter, total.sum});
    else if (*name.total_started == total.started && name.dot.counter >= total.started)
      out = later(out, Baseline{name.dot.counter, name.total_sum});
  }
  return out;
}

}  // namespace

Result<Mutation> Replica::set_with_context(BytesView key, BytesView value, const NamedContext& named,
                                           const Dot& dot, Hlc hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (Status checked = check_value(value); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  Delta delta = begin_delta(at, dot);
  delta.contexts.push_back(clock_);
  Part string = seen_part(string_row(), view.string.row, {});
  string.live.push_back(sibling(dot, hlc, value));
  for (const Live& l : view.string.row.live) {
    const bool is_named =
        std::any_of(named.dots.begin(), named.dots.end(), [&](const auto& n) { return n.dot == l.dot; });
    if (!is_named) insert_sorted(string.live, {.dot = l.dot, .standing = true});
  }
  if (canary(Canary::context_of_the_future))
    for (const auto& name : named.dots) string.extra.insert(name.dot);
  delta.parts.push_back(std::move(string));
  for (const Held& total : view.totals) {
    Part part;
    part.name = total.name;
    part.baseline = total.row.baseline;
    for (const Live& l : total.row.live) part.baseline = later(part.baseline, named_baseline(l, named));
    delta.parts.push_back(std::move(part));
  }
  remember(std::move(at), std::move(view));
  return Mutation{std::move(delta), 1, {}};
}

// A remove like any other. One update's items may have several records.
Result<Mutation> Replica::expire(BytesView key, const Dot& loser, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  Mutation out;
  Delta delta = begin_delta(at, dot);
  const auto visit = [&](BytesView row_key, BytesView bytes) {
    const RowName name = parse_row_key(row_key)->name;
    const Row row = decode_stored(name, bytes);
    if (row.live.empty() || decode_journal_record(row.subject)->loser != loser) return true;
    delta.parts.push_back(seen_part(name, row, {}));
    ++out.count;
    return true;
  };
  rows_.walk(tag_begin(at.prefix, RowTag::journal), tag_begin(at.prefix, RowTag::field), std::cref(visit));
  if (out.count == 0) return out;
  delta.contexts.push_back(clock_);
  out.delta = std::move(delta);
  return out;
}

}  // namespace atolldb::crdt
