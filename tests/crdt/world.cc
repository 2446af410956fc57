#include "tests/crdt/world.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "crdt/row.h"
#include "crdt/units_codec.h"

namespace atolldb::crdt {

namespace {

Dots dots_of(const std::vector<Live>& live) {
  Dots out;
  for (const Live& l : live) out.insert(l.dot);
  return out;
}

std::string text(const Dots& dots) {
  std::string out = "{";
  for (const Dot& d : dots) out += " " + to_string(d);
  return out + " }";
}

std::string text(const Unit& unit) {
  return std::string(unit.gone ? "-" : "+") + unit.kind + unit.key + "/" + unit.element +
         to_string(unit.loser);
}

bool is_item(const Unit& unit) { return unit.kind == 'e' || unit.kind == 'f'; }
RowName row_name(const Unit& item) {
  return item.kind == 'e' ? element_row(item.element) : field_row(item.element);
}

// A row without live dots does not say which item it is of.
std::optional<Unit> item_unit(const std::string& key, const RowName& name) {
  if (!is_item(name.tag)) return std::nullopt;
  for (const char* item : {"a", "b", "c"})
    for (const Unit& unit : {element_unit(key, item), field_unit(key, item)})
      if (row_name(unit) == name) return unit;
  throw std::runtime_error("an item with a name that no test uses");
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

Row row_at(const MapRows& rows, const Bytes& key, const RowName& name) {
  const auto it = rows.rows.find(key);
  return it == rows.rows.end() ? Row{} : *decode_row(name, it->second);
}

// What goes over a wire must come back as it was.
Delta through_the_wire(const Delta& delta) {
  Result<Delta> back = decode_delta(encode(delta));
  if (!back) fail("a delta does not decode: " + back.error().message);
  if (encode(*back) != encode(delta)) fail("a delta changes on the wire");
  return *back;
}

}  // namespace

World::Site::Site(uint16_t node, PartitionId partition, const Placement& placement,
                  size_t cleared_at_once_max)
    : actor{NodeNumber{node}, 0, 1}, replica(partition, placement, rows, cleared_at_once_max) {}

World::World(size_t replicas, std::vector<std::string> keys, Clocks clocks, size_t cleared_at_once_max)
    : placement_{{3, 4}, 1}, keys_(std::move(keys)), cleared_at_once_max_(cleared_at_once_max) {
  for (size_t i = 0; i < replicas; ++i) {
    sites_.push_back(std::make_unique<Site>(static_cast<uint16_t>(i + 1), PartitionId{0}, placement_,
                                            cleared_at_once_max));
    // Stamps are never adopted: clocks must not matter.
    sites_.back()->skew = clocks == Clocks::equal ? 0 : replicas - i;
  }
}

World::World(const World& other)
    : placement_(other.placement_),
      keys_(other.keys_),
      cleared_at_once_max_(other.cleared_at_once_max_),
      oracle_(other.oracle_),
      deltas_(other.deltas_),
      contexts_(other.contexts_),
      saved_(other.saved_),
      log_(other.log_) {
  for (const auto& from : other.sites_) {
    ensure(!from->replica.pulling(), "worlds are copied between exchanges");
    const auto& site = sites_.emplace_back(std::make_unique<Site>(
        raw(from->actor.node), from->replica.partition(), placement_, cleared_at_once_max_));
    site->rows.rows = from->rows.rows;
    site->actor = from->actor;
    site->counter = from->counter;
    site->skew = from->skew;
    site->facts = from->facts;
    ensure(site->replica.restore(from->replica.encode_state()).has_value(), "a replica's state decodes");
  }
}

// The order in which updates were made is no part of it: what they had seen is.
Digest World::fingerprint() const {
  std::ostringstream out;
  const auto put_facts = [&](const Facts& facts) {
    for (const auto& [dot, unit] : facts) out << to_string(dot) << text(unit) << ",";
  };
  for (const auto& site : sites_) {
    out << to_string(site->actor) << "#" << site->counter << site->replica.encode_state();
    for (const auto& [key, row] : site->rows.rows) out << key << row;
    put_facts(site->facts);
  }
  for (const auto& [dot, op] : oracle_.ops) {
    out << to_string(dot) << static_cast<int>(op.kind) << text(op.shown);
    for (const auto& [unit, kills] : op.kills) out << text(unit) << text(kills);
  }
  std::set<Bytes> sent;  // deltas are named by their dots
  for (const Sent& s : deltas_) sent.insert(encode(s.delta));
  for (const Bytes& bytes : sent) out << bytes;
  for (const Context& context : contexts_) out << text(context.shown);
  return hash_of("world", out.str());
}

std::vector<std::pair<std::string, Dot>> World::records(size_t at) const {
  std::vector<std::pair<std::string, Dot>> out;
  for (const auto& [key, bytes] : sites_[at]->rows.rows) {
    const RowKeyParts parts = *parse_row_key(key);
    if (parts.name.tag != RowTag::journal) continue;
    if (const Row row = *decode_row(parts.name, bytes); !row.live.empty())
      out.emplace_back(parts.key, decode_journal_record(row.subject)->loser);
  }
  return out;
}

bool World::step(const Action& action) {
  log_ += describe(action) + "\n";
  Site& site = *sites_[action.at];
  bool done = true;
  switch (action.kind) {
    case Action::write:
      done = write(site, action);
      break;
    case Action::deliver:
      deliver(site, action);
      break;
    case Action::context:
      remember_context(site, action.key);
      break;
    case Action::repair:
      done = repair(site, *sites_[action.from], action);
      break;
    case Action::exchange:
      done = begin_exchange(action.at, action.from);
      break;
    case Action::pull:
      done = pull(action.at, action.bytes_max);
      break;
    case Action::save:
      saved_[action.at] = {site.rows.rows, site.replica.encode_state(), site.facts};
      break;
    case Action::rollback: {
      stop_exchanges(action.at);
      const auto saved = saved_.find(action.at);
      site.rows.rows.clear();
      site.replica.reset();
      site.facts.clear();
      if (saved != saved_.end()) {
        site.rows.rows = saved->second.rows;
        if (!site.replica.restore(saved->second.state)) fail("a replica's state does not decode");
        site.replica.abandon_pull();  // the sender's scan was for a process that is gone
        site.facts = saved->second.facts;
      }
      restart(site);
      break;
    }
    case Action::damage:  // a damaged row counts as lost memory of the partition
      stop_exchanges(action.at);
      site.rows.rows.clear();
      site.replica.reset();
      site.facts.clear();
      restart(site);
      break;
    case Action::sweep:
      done = site.replica.sweeping();
      site.replica.sweep(1);
      break;
  }
  if (done) check(action.at);
  return done;
}

void World::restart(Site& site) {
  site.actor.start += 1;
  site.counter = 0;
}

bool World::write(Site& site, const Action& action) {
  const Dot dot{site.actor, site.counter + 1};
  Op op = action.op;
  op.stamp = site.skew * 1000 + site.actor.start * 100 + site.counter;
  const Hlc hlc{op.stamp};
  Dots named;
  const auto mutate = [&]() -> Result<Mutation> {
    switch (op.kind) {
      case OpKind::set:
        return site.replica.set(op.key, op.value, dot, hlc);
      case OpKind::del:
        return site.replica.del(op.key, dot, hlc);
      case OpKind::add:
        return site.replica.add(op.key, op.amount, dot, hlc);
      case OpKind::sadd:
        return site.replica.sadd(op.key, {op.element}, dot, hlc);
      case OpKind::srem:
        return site.replica.srem(op.key, {op.element}, dot, hlc);
      case OpKind::clear:
        return site.replica.clear(op.key, dot, hlc);
      case OpKind::hset:
        return site.replica.hset(op.key, {{op.element, op.value}}, dot, hlc);
      case OpKind::hdel:
        return site.replica.hdel(op.key, {op.element}, dot, hlc);
      case OpKind::hadd:
        return site.replica.hadd(op.key, op.element, op.amount, dot, hlc);
      case OpKind::expire:
        return site.replica.expire(op.key, op.loser, dot, hlc);
      case OpKind::set_context:
        named = contexts_[action.named].shown;
        return site.replica.set_with_context(op.key, op.value, contexts_[action.named].named, dot, hlc);
    }
    return {Errc::invalid, "no such operation"};
  };
  const Result<Mutation> found = mutate();
  if (!found || !found->delta) return false;
  ++site.counter;
  const Facts facts = oracle_.issue(site.facts, dot, std::move(op), std::move(named));
  if (!site.replica.apply(*found->delta)) fail("a fresh dot was known already");
  site.facts.insert(facts.begin(), facts.end());
  deltas_.push_back({through_the_wire(*found->delta), facts});
  return true;
}

void World::deliver(Site& site, const Action& action) {
  Delta delta = deltas_[action.deltas.front()].delta;
  for (size_t i = 1; i < action.deltas.size(); ++i) delta = coalesce(delta, deltas_[action.deltas[i]].delta);
  const bool fresh = !site.replica.clock().covers(delta.dots);
  if (site.replica.apply(through_the_wire(delta)) != fresh) fail("apply() does not say what it did");
  for (const size_t i : action.deltas)
    for (const auto& [dot, unit] : deltas_[i].facts) {
      site.facts.emplace(dot, unit);  // the clock has it now: what was gone stays so
      if (site.arrived.contains({dot, unit.void_in()})) site.facts.emplace(dot, unit.void_in());
    }
}

void World::remember_context(Site& site, const std::string& key) {
  Context context;
  const Inspection all = site.replica.inspect(key, 100);
  for (const Sibling& s : all.siblings) context.named.dots.push_back({s.dot, std::nullopt, 0});
  for (const RunningTotal& t : all.totals)
    if (!t.sum.empty()) context.named.dots.push_back({t.dot, t.started, std::stoll(t.sum)});
  const OracleString strings = oracle_.string(site.facts, key);
  context.shown = strings.bases;
  context.shown.insert(strings.adds.begin(), strings.adds.end());
  contexts_.push_back(std::move(context));
}

// -- repair and exchange

Bytes World::place_of(const Unit& unit) const {
  const Bytes prefix = key_prefix(placement_.place(unit.key), unit.key);
  return is_item(unit) ? row_key(prefix, row_name(unit)) : prefix;
}

// The units that a replica holds rows of, in the order of their places; strings stand for their key's unit.
std::map<Bytes, Unit> World::places(const Site& site) const {
  std::map<Bytes, Unit> out;
  for (const auto& [key, bytes] : site.rows.rows) {
    const RowKeyParts parts = *parse_row_key(key);
    if (const auto item = item_unit(std::string(parts.key), parts.name))
      out.emplace(key, *item);
    else
      out.emplace(parts.prefix, string_unit(std::string(parts.key)));
  }
  return out;
}

// What a scan brings of them: without rows in which nothing is left since a clear.
std::map<Bytes, Unit> World::sent_places(Site& sender, uint64_t scan) const {
  std::map<Bytes, Unit> out;
  const Units units = *decode_units(sender.replica.scan(scan, {}, SIZE_MAX).units);
  for (const KeyUnits& key : units.keys) {
    const Bytes prefix = key_prefix(placement_.place(key.key), key.key);
    if (!key.rows.empty()) out.emplace(prefix, string_unit(key.key));
    for (const NamedRow& row : key.elements)
      out.emplace(row_key(prefix, row.name), *item_unit(key.key, row.name));
  }
  return out;
}

bool World::has_record(const Site& site, const Unit& journal) const {
  const Op& op = oracle_.ops.at(journal.loser);
  const RowName name =
      op.element.empty() ? journal_row(journal.loser) : journal_row(journal.loser, op.element);
  return site.rows.rows.contains(row_key(key_prefix(placement_.place(journal.key), journal.key), name));
}

void World::learn_unit(Site& site, const Site& sender, const Unit& unit) const {
  const auto belongs = [&](const Unit& u) {
    if (u.key != unit.key || u.kind == 'h') return false;
    if (is_item(unit)) return u.kind == unit.kind && u.element == unit.element;
    // Of a record that neither holds any more nothing is said.
    return !is_item(u) && (u.kind != 'j' || has_record(site, u) || has_record(sender, u));
  };
  for (const auto& fact : sender.facts)
    if (belongs(fact.second) && !site.arrived.contains({fact.first, fact.second.void_in()}))
      site.facts.insert(fact);
  const Unit header = header_unit(unit.key);
  if (is_item(unit)) {
    for (const Dot& d : oracle_.dead(sender.facts, unit)) site.facts.emplace(d, unit.void_in());
    return;
  }
  // A header brings what its sender's clock does not cover; of the rest the elements speak.
  const Bytes key = row_key(key_prefix(placement_.place(unit.key), unit.key), header_row());
  const DotSet context = row_at(sender.rows, key, header_row()).context;
  for (const Dot& d : oracle_.dead(sender.facts, header))
    if (context.contains(d)) site.facts.emplace(d, header.void_in());
}

// One key's unit and perhaps an element, picked among those the sender has; the sender's rows as a scan of
// one unit at a time brings them.
bool World::repair(Site& site, Site& sender, const Action& action) {
  const Replica::Scan scan = sender.replica.begin_scan();
  std::vector<Bytes> chunks;
  Bytes cursor;
  do {
    Replica::Chunk chunk = sender.replica.scan(scan.number, cursor, 1);
    chunks.push_back(std::move(chunk.units));
    cursor = std::move(chunk.next);
  } while (!cursor.empty());
  const std::map<Bytes, Unit> sent = sent_places(sender, scan.number), own = places(site);
  sender.replica.end_scan(scan.number);
  const Bytes& units = chunks[action.pick % chunks.size()];
  const Units decoded = *decode_units(units);
  if (decoded.keys.empty()) return false;
  for (const KeyUnits& key : decoded.keys) {
    const Unit unit = string_unit(key.key);
    if (sent.contains(place_of(unit)) || own.contains(place_of(unit))) learn_unit(site, sender, unit);
    for (const NamedRow& row : key.elements) learn_unit(site, sender, *item_unit(key.key, row.name));
  }
  if (!site.replica.repair(units)) fail("a repair's units do not decode");
  return true;
}

bool World::begin_exchange(size_t at, size_t from) {
  Site& site = *sites_[at];
  if (site.replica.pulling()) return false;
  const Replica::Scan scan = sites_[from]->replica.begin_scan();
  if (scan.clock != sites_[from]->replica.clock()) fail("a scan's clock is the one from before it");
  site.sender = from;
  site.scan = scan.number;
  site.pull_clock = scan.clock;
  site.replica.begin_pull(scan.clock);
  return true;
}

void World::learn_range(Site& site, Site& sender, const Bytes& cursor, const Bytes& next) {
  std::map<Bytes, Unit> units = places(site);
  units.merge(sent_places(sender, site.scan));
  const auto in_range = [&](const Bytes& place) { return place > cursor && (next.empty() || place <= next); };
  // What is empty on both sides: what was there is gone.
  site.pull_clock.each([&](const Dot& d) {
    for (const Unit& u : oracle_.ops.at(d).units) {
      const Bytes place = place_of(u);
      const bool held = u.kind == 'j' ? has_record(site, u) || has_record(sender, u) : units.contains(place);
      if (u.kind != 'h' && in_range(place) && !held) {
        site.arrived.emplace(d, u);
        site.arrived.emplace(d, u.void_in());
      }
    }
    return true;
  });
  std::set<std::string> brought;  // keys whose unit came along with an element
  for (const auto& [place, unit] : units) {
    if (!in_range(place)) continue;
    if (is_item(unit) && brought.insert(unit.key).second && units.contains(place_of(string_unit(unit.key))))
      learn_unit(site, sender, string_unit(unit.key));
    learn_unit(site, sender, unit);
  }
  // A range that begins inside a key brings its unit along, whether or not elements follow.
  if (const auto at = parse_row_key(cursor); at && units.contains(Bytes(at->prefix)))
    learn_unit(site, sender, string_unit(std::string(at->key)));
}

bool World::pull(size_t at, size_t bytes_max) {
  Site& site = *sites_[at];
  if (!site.replica.pulling()) return false;
  Site& sender = *sites_[site.sender];
  const Bytes cursor(site.replica.pull_cursor());
  const Replica::Chunk chunk = sender.replica.scan(site.scan, cursor, bytes_max);
  learn_range(site, sender, cursor, chunk.next);
  const Result<bool> last = site.replica.receive(cursor, chunk);
  if (!last) fail("a chunk was refused: " + last.error().message);
  if (*last != chunk.next.empty()) fail("receive() does not say whether it was the last");
  if (!*last) return true;
  sender.replica.end_scan(site.scan);
  site.facts.merge(site.arrived);
  site.arrived.clear();
  site.pull_clock.each([&](const Dot& d) {
    for (const Unit& u : oracle_.ops.at(d).units)
      if (u.kind == 'h') site.facts.emplace(d, u);
    return true;
  });
  return true;
}

void World::stop_exchanges(size_t at) {
  for (size_t i = 0; i < sites_.size(); ++i) {
    Site& site = *sites_[i];
    if (!site.replica.pulling() || (i != at && site.sender != at)) continue;
    sites_[site.sender]->replica.end_scan(site.scan);
    site.replica.abandon_pull();
    site.arrived.clear();
  }
}

// -- checks

std::string World::view(const Site& site) const {
  std::ostringstream out;
  for (const std::string& key : keys_) {
    const Result<Shown> shown = const_cast<Site&>(site).replica.read(key);
    if (!shown) fail("a read failed: " + shown.error().message);
    out << key << ": " << static_cast<int>(shown->type) << " " << shown->value;
    const Inspection all = const_cast<Site&>(site).replica.inspect(key, 100);
    Dots bases, totals;
    for (const Sibling& s : all.siblings) bases.insert(s.dot);
    for (const RunningTotal& t : all.totals)
      if (!t.sum.empty()) totals.insert(t.dot);
    out << " siblings " << text(bases) << " totals " << text(totals);
    std::map<std::string, Dots> elements;
    for (const auto& [element, dots] : all.elements) elements[element] = Dots(dots.begin(), dots.end());
    for (const auto& [element, dots] : elements) out << " " << element << text(dots);
    std::map<std::string, std::string> fields;
    for (const InspectedField& field : all.fields) {
      Dots dots;
      for (const Sibling& s : field.siblings) dots.insert(s.dot);
      for (const RunningTotal& t : field.totals) dots.insert(t.dot);
      fields[field.name] = text(dots);
    }
    if (shown->type == Type::map) {
      const Result<Replica::Fields> values = const_cast<Site&>(site).replica.fields(key, {}, 100, 1 << 20);
      for (const auto& [field, value] : values->fields) fields[field] += "=" + value;
    }
    for (const auto& [field, what] : fields) out << " ." << field << what;
    out << "\n";
  }
  std::map<Dot, Dots> journal;
  for (const auto& [key, bytes] : site.rows.rows) {
    const RowKeyParts parts = *parse_row_key(key);
    const Row row = *decode_row(parts.name, bytes);
    if (parts.name.tag == RowTag::journal && !row.live.empty())
      journal[decode_journal_record(row.subject)->loser] = dots_of(row.live);
  }
  for (const auto& [loser, dots] : journal) out << "journal " << to_string(loser) << text(dots) << "\n";
  return out.str();
}

std::string World::expected(const Facts& facts) const {
  std::ostringstream out;
  for (const std::string& key : keys_) {
    const OracleRead read = oracle_.read(facts, key);
    out << key << ": " << read.type << " " << read.value;
    const OracleString strings = oracle_.string(facts, key);
    const Dots totals = Oracle::values({{}, strings.adds});
    out << " siblings " << text(strings.bases) << " totals " << text(totals);
    for (const auto& [element, dots] : oracle_.elements(facts, key)) out << " " << element << text(dots);
    for (const auto& [field, all] : oracle_.fields(facts, key)) {
      out << " ." << field << text(Oracle::values(all));
      if (read.type == OracleRead::map) out << "=" << oracle_.shown(all).second;
    }
    out << "\n";
  }
  for (const auto& [loser, dots] : oracle_.journal(facts))
    out << "journal " << to_string(loser) << text(dots) << "\n";
  return out.str();
}

Facts World::visible(const Site& site) const {
  Facts out = site.facts;
  out.insert(site.arrived.begin(), site.arrived.end());
  return out;
}

void World::check(size_t at) const {
  const Site& site = *sites_[at];
  const std::string got = view(site), want = expected(visible(site));
  if (got != want) fail("replica " + std::to_string(at) + " shows\n" + got + "expected\n" + want);
  Digest root, leaf;
  for (const auto& [key, bytes] : site.rows.rows) {
    const RowKeyParts parts = *parse_row_key(key);
    const Row row = *decode_row(parts.name, bytes);
    if (encode(row, parts.name) != bytes) fail("a row is not canonical");
    if (row.empty()) fail("a row with nothing in it was kept");
    if (const auto digest = digest_of_row(key, parts.name.tag, bytes)) root += *digest;
  }
  for (uint32_t i = 0; i < kTreeLeaves; ++i) leaf += site.replica.leaf(i);
  if (!(root == site.replica.digest()) || !(leaf == root)) fail("the digest does not follow its rows");
  for (const auto& other : sites_) {
    if (other.get() == &site || other->replica.pulling() || site.replica.pulling() ||
        other->replica.clock() != site.replica.clock() || other->facts != site.facts ||
        other->replica.sweeping() || site.replica.sweeping())
      continue;
    if (!(other->replica.digest() == site.replica.digest()))
      fail("equal clocks and knowledge, different digests");
  }
}

void World::exchange_all(size_t at, size_t from, size_t bytes_max) {
  step({.kind = Action::exchange, .at = at, .from = from});
  while (sites_[at]->replica.pulling()) step({.kind = Action::pull, .at = at, .bytes_max = bytes_max});
}

void World::heal(bool audit, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < sites_.size(); ++i)
      while (sites_[i]->replica.pulling()) step({.kind = Action::pull, .at = i, .bytes_max = 1});
    for (size_t i = 0; i < sites_.size(); ++i)
      for (size_t s = 0; s < sites_.size(); ++s) {
        if (i != s) exchange_all(i, s, 200);
      }
  }
  for (size_t i = 0; i < sites_.size(); ++i)
    while (sweeping(i)) step({.kind = Action::sweep, .at = i});
  const Site& first = *sites_.front();
  for (const auto& site : sites_) {
    if (site->replica.clock() != first.replica.clock()) fail("clocks differ after healing");
    if (!(site->replica.digest() == first.replica.digest())) fail("digests differ after healing");
    if (!audit) continue;
    for (const auto& [key, bytes] : site->rows.rows)
      if (!decode_row(parse_row_key(key)->name, bytes)->context.empty()) fail("a context was left over");
  }
  if (!audit) return;
  if (const auto lost = oracle_.silently_lost(first.facts)) fail("silently lost: " + to_string(*lost));
}

std::string describe(const Action& action) {
  static constexpr const char* kKinds[] = {"write", "deliver", "context",  "repair", "exchange",
                                           "pull",  "save",    "rollback", "damage", "sweep"};
  static constexpr const char* kOps[] = {"set",   "del",    "set_context", "add",  "sadd", "srem",
                                         "clear", "expire", "hset",        "hdel", "hadd"};
  std::string out = std::string(kKinds[action.kind]) + " at " + std::to_string(action.at);
  if (action.kind == Action::write)
    out += std::string(" ") + kOps[static_cast<int>(action.op.kind)] + " " + action.op.key + " " +
           action.op.value + action.op.element + " " + std::to_string(action.op.amount);
  if (action.kind == Action::repair || action.kind == Action::exchange)
    out += " from " + std::to_string(action.from);
  for (const size_t d : action.deltas) out += " #" + std::to_string(d);
  return out;
}

}  // namespace atolldb::crdt
