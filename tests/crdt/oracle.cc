#include "tests/crdt/oracle.h"

#include <algorithm>
#include <tuple>

#include "crdt/base/ensure.h"

namespace atolldb::crdt {

namespace {

void unite(Dots& a, const Dots& b) { a.insert(b.begin(), b.end()); }
void subtract(Dots& a, const Dots& b) {
  for (const Dot& d : b) a.erase(d);
}
bool of_field(OpKind kind) { return kind == OpKind::hset || kind == OpKind::hdel || kind == OpKind::hadd; }
bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("-0123456789") == std::string::npos;
}

}  // namespace

Unit string_unit(const std::string& key) { return {false, 's', key, {}, {}}; }
Unit header_unit(const std::string& key) { return {false, 'h', key, {}, {}}; }
Unit element_unit(const std::string& key, const std::string& element) {
  return {false, 'e', key, element, {}};
}
Unit field_unit(const std::string& key, const std::string& field) { return {false, 'f', key, field, {}}; }
Unit journal_unit(const std::string& key, const Dot& loser) { return {false, 'j', key, {}, loser}; }

// What may be lost of a string or a field: its siblings, and each actor's adds as one total, named by the
// last.
Dots Oracle::values(const OracleString& of) {
  Dots out = of.bases;
  for (const Dot& d : of.adds)
    if (std::none_of(of.adds.begin(), of.adds.end(),
                     [&](const Dot& a) { return a.actor == d.actor && a.counter > d.counter; }))
      out.insert(d);
  return out;
}

Dots Oracle::known(const Facts& facts, const Unit& unit) const {
  Dots out;
  for (const auto& [dot, u] : facts)
    if (u == unit) out.insert(dot);
  return out;
}

Dots Oracle::past(const Facts& facts, const Unit& unit) const {
  Dots out = dead(facts, unit);
  unite(out, known(facts, unit));
  return out;
}

// A clear is known of the key or of this element. Of a field's adds a header says nothing: a total may hold
// some that the clear has not seen.
Dots Oracle::dead(const Facts& facts, const Unit& unit) const {
  Dots out = known(facts, unit.void_in());
  const auto add_kills = [&](const Dots& by, const Unit& of) {
    for (const Dot& d : by) {
      const auto& kills = ops.at(d).kills;
      if (const auto it = kills.find(of); it != kills.end()) unite(out, it->second);
    }
  };
  const Dots here = known(facts, unit);
  add_kills(here, unit);
  if (unit.kind != 'e' && unit.kind != 'f') return out;
  const Dots own = out;
  const Unit header = header_unit(unit.key);
  unite(out, known(facts, header.void_in()));
  Dots clears = here;
  unite(clears, known(facts, header));
  add_kills(clears, header);
  std::erase_if(out, [&](const Dot& d) {
    const Op& op = ops.at(d);
    return op.element != unit.element || (unit.kind == 'f') != of_field(op.kind) ||
           (op.kind == OpKind::hadd && !own.contains(d));
  });
  return out;
}

// A known add makes known its actor's earlier ones: they are one total.
OracleString Oracle::at(const Facts& facts, const Unit& unit) const {
  const OpKind add = unit.kind == 's' ? OpKind::add : OpKind::hadd;
  OracleString out;
  for (const Dot& d : known(facts, unit)) {
    const Op& op = ops.at(d);
    if (op.kind == add) {
      for (const auto& [e, o] : ops)
        if (o.kind == add && o.units.contains(unit) && e.actor == d.actor && e.counter <= d.counter)
          out.adds.insert(e);
    } else if (unit.kind == 's' ? op.kind == OpKind::set || op.kind == OpKind::set_context
                                : op.kind == OpKind::hset) {
      out.bases.insert(d);
    }
  }
  const Dots gone = dead(facts, unit);
  subtract(out.bases, gone);
  subtract(out.adds, gone);
  return out;
}

OracleString Oracle::string(const Facts& facts, const std::string& key) const {
  return at(facts, string_unit(key));
}

std::map<std::string, OracleString> Oracle::fields(const Facts& facts, const std::string& key) const {
  std::map<std::string, OracleString> out;
  for (const auto& [dot, unit] : facts) {
    if (unit.gone || unit.kind != 'f' || unit.key != key || out.contains(unit.element)) continue;
    if (OracleString here = at(facts, unit); !here.empty()) out[unit.element] = std::move(here);
  }
  return out;
}

std::pair<Dots, std::string> Oracle::shown(const OracleString& of) const {
  std::pair<Dots, std::string> out;
  int64_t sum = 0;
  if (!of.bases.empty()) {
    const Dot win = *std::max_element(of.bases.begin(), of.bases.end(), [&](const Dot& a, const Dot& b) {
      return std::pair(ops.at(a).stamp, a) < std::pair(ops.at(b).stamp, b);
    });
    out = {{win}, ops.at(win).value};
    if (!is_number(out.second)) return out;
    sum = std::stoll(out.second);
  }
  for (const Dot& d : of.adds) sum += ops.at(d).amount;
  unite(out.first, of.adds);
  out.second = std::to_string(sum);
  return out;
}

std::map<std::string, Dots> Oracle::elements(const Facts& facts, const std::string& key) const {
  std::map<std::string, Dots> out;
  std::set<Unit> units;
  for (const auto& [dot, unit] : facts)
    if (!unit.gone && unit.kind == 'e' && unit.key == key) units.insert(unit);
  for (const Unit& unit : units) {
    Dots live = known(facts, unit);
    std::erase_if(live, [&](const Dot& d) { return ops.at(d).kind != OpKind::sadd; });
    subtract(live, dead(facts, unit));
    if (!live.empty()) out[unit.element] = std::move(live);
  }
  return out;
}

// The fixed order of types: string, set, map.
OracleRead Oracle::read(const Facts& facts, const std::string& key) const {
  OracleRead out;
  if (const OracleString all = string(facts, key); !all.empty()) {
    out.type = OracleRead::string;
    std::tie(out.shown, out.value) = shown(all);
    return out;
  }
  for (const auto& [element, dots] : elements(facts, key)) {
    out.type = OracleRead::set;
    unite(out.shown, dots);
  }
  if (out.type == OracleRead::set) return out;
  for (const auto& [field, all] : fields(facts, key)) {
    out.type = OracleRead::map;
    unite(out.shown, shown(all).first);
  }
  return out;
}

std::map<Dot, Dots> Oracle::journal(const Facts& facts) const {
  std::map<Dot, Dots> out;
  for (const auto& [dot, unit] : facts)
    if (!unit.gone && unit.kind == 'j' && ops.at(dot).kind != OpKind::expire &&
        !dead(facts, unit).contains(dot))
      out[unit.loser].insert(dot);
  return out;
}

Facts Oracle::issue(const Facts& facts, const Dot& dot, Op op, Dots named) {
  ensure(!ops.contains(dot), "no dot is issued twice");
  const std::string& key = op.key;
  const Unit s = string_unit(key);
  const auto [bases, adds] = string(facts, key);
  const auto sets = elements(facts, key);
  const auto maps = fields(facts, key);
  op.shown = read(facts, key).shown;
  Dots losers;
  const bool plain = op.kind == OpKind::set || op.kind == OpKind::del;
  if (plain) {
    op.kills[s] = past(facts, s);
    unite(op.kills[s], adds);
    losers = values(string(facts, key));
  } else if (op.kind == OpKind::set_context) {
    for (const Dot& d : adds)  // an actor's adds are shown as one total, up to the last
      if (std::any_of(named.begin(), named.end(), [&](const Dot& e) {
            const auto it = ops.find(e);
            return it != ops.end() && it->second.kind == OpKind::add && e.actor == d.actor &&
                   d.counter < e.counter;
          }))
        named.insert(d);
    Dots kills = past(facts, s);
    subtract(kills, bases);
    subtract(kills, adds);
    for (const Dot& d : named)
      if (bases.contains(d) || adds.contains(d)) kills.insert(d);
    op.kills[s] = kills;
  } else if (op.kind == OpKind::add) {
    Dots own;
    for (const auto& [d, o] : ops)
      if (o.kind == OpKind::add && o.key == key && d.actor == dot.actor) own.insert(d);
    subtract(own, adds);
    op.kills[s] = own;
  } else if (op.kind == OpKind::expire) {
    const Unit unit = journal_unit(key, op.loser);
    op.kills[unit] = past(facts, unit);
  } else if (op.kind == OpKind::sadd || op.kind == OpKind::srem) {
    const Unit unit = element_unit(key, op.element);
    op.kills[unit] = past(facts, unit);
  } else if (op.kind == OpKind::hset || op.kind == OpKind::hdel) {
    const Unit unit = field_unit(key, op.element);
    const OracleString here = at(facts, unit);
    op.kills[unit] = past(facts, unit);
    unite(op.kills[unit], here.adds);
    losers = values(here);
  } else if (op.kind == OpKind::hadd) {
    const Unit unit = field_unit(key, op.element);
    Dots own;
    for (const auto& [d, o] : ops)
      if (o.kind == OpKind::hadd && o.units.contains(unit) && d.actor == dot.actor) own.insert(d);
    subtract(own, at(facts, unit).adds);
    op.kills[unit] = own;
  }
  if (plain || op.kind == OpKind::clear) {
    const Unit header = header_unit(key);
    Dots kills = dead(facts, header);
    std::set<Unit> units;
    for (const auto& [d, unit] : facts)
      if (!unit.gone && (unit.kind == 'e' || unit.kind == 'f') && unit.key == key) units.insert(unit);
    for (const Unit& unit : units) unite(kills, past(facts, unit));
    op.kills[header] = kills;
    for (const Unit& unit : units) {  // what a header cannot say of adds, the field is told itself
      if (unit.kind != 'f') continue;
      op.kills[unit] = past(facts, unit);
      unite(op.kills[unit], at(facts, unit).adds);
    }
    for (const auto& [element, dots] : sets) unite(losers, dots);
    for (const auto& [field, all] : maps) unite(losers, values(all));
  }
  subtract(losers, op.shown);
  for (const auto& [unit, kills] : op.kills) op.units.insert(unit);
  for (const Dot& d : losers) op.units.insert(journal_unit(key, d));
  Facts out;
  for (const Unit& unit : op.units) out.emplace(dot, unit);
  ops.emplace(dot, std::move(op));
  return out;
}

std::optional<Dot> Oracle::silently_lost(const Facts& facts) const {
  Dots all;
  for (const auto& [dot, unit] : facts) all.insert(dot);
  for (const Dot& d : all) {
    const Op& op = ops.at(d);
    if (op.kind != OpKind::set && op.kind != OpKind::set_context && op.kind != OpKind::hset) continue;
    const Unit unit = op.kind == OpKind::hset ? field_unit(op.key, op.element) : string_unit(op.key);
    if (at(facts, unit).bases.contains(d)) continue;
    const bool answered = std::any_of(all.begin(), all.end(), [&](const Dot& e) {
      const Op& over = ops.at(e);
      const auto superseded = [&](const Unit& in) {
        const auto kills = over.kills.find(in);
        return kills != over.kills.end() && kills->second.contains(d);
      };
      if (!superseded(unit) && (unit.kind != 'f' || !superseded(header_unit(op.key)))) return false;
      return over.shown.contains(d) || over.units.contains(journal_unit(op.key, d)) ||
             over.kind == OpKind::set_context;
    });
    if (!answered) return d;
  }
  return std::nullopt;
}

}  // namespace atolldb::crdt
