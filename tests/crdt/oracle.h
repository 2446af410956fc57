#pragma once
// The naive model: the whole history of one partition, with each update's true causal past, judged from the
// definitions of docs/data-model.md alone. It shares no code and no idea with crdt/. (Class Oracle of
// tests/model/data_model.py.)
//
// What a replica knows is a set of facts (dot, unit): "the effect of this update on this unit has arrived
// here", or, of a unit that is `gone`, "that this dot is void in this unit is known here". An update's past
// is what its coordinator knew, transitively.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "crdt/base/ids.h"

namespace atolldb::crdt {

struct Unit {
  bool gone = false;
  char kind = 0;  // 's' string, 'e' element, 'f' field, 'h' header, 'j' journal record
  std::string key;
  std::string element;  // of 'e'; of 'f' the field's name
  Dot loser;            // of 'j'
  friend auto operator<=>(const Unit&, const Unit&) = default;
  Unit bare() const { return {false, kind, key, element, loser}; }
  Unit void_in() const { return {true, kind, key, element, loser}; }
};
Unit string_unit(const std::string& key);
Unit header_unit(const std::string& key);
Unit element_unit(const std::string& key, const std::string& element);
Unit field_unit(const std::string& key, const std::string& field);
Unit journal_unit(const std::string& key, const Dot& loser);

using Dots = std::set<Dot>;
using Facts = std::set<std::pair<Dot, Unit>>;

enum class OpKind { set, del, set_context, add, sadd, srem, clear, expire, hset, hdel, hadd };

struct Op {
  OpKind kind{};
  std::string key;
  std::string value;  // of set, set_context and hset
  int64_t amount = 0;
  std::string element;  // or field
  Dot loser;            // of expire
  uint64_t stamp = 0;
  std::map<Unit, Dots> kills;
  std::set<Unit> units;
  Dots shown;
};

struct OracleRead {
  enum Type { none, string, set, map } type = none;
  Dots shown;
  std::string value;  // of a string
};

struct OracleString {
  Dots bases, adds;  // that stand
  bool empty() const { return bases.empty() && adds.empty(); }
};

class Oracle {
 public:
  OracleString string(const Facts& facts, const std::string& key) const;
  std::map<std::string, OracleString> fields(const Facts& facts, const std::string& key) const;
  // What a plain read shows of siblings and adds.
  std::pair<Dots, std::string> shown(const OracleString& of) const;
  std::map<std::string, Dots> elements(const Facts& facts, const std::string& key) const;
  OracleRead read(const Facts& facts, const std::string& key) const;
  std::map<Dot, Dots> journal(const Facts& facts) const;
  Dots dead(const Facts& facts, const Unit& unit) const;  // what the known superseded or removed
  // Records an update; the facts that it makes. `named`: the dots that its client's context listed.
  Facts issue(const Facts& facts, const Dot& dot, Op op, Dots named);
  // G4: every set that is known is a sibling, was shown to one that superseded it, or was journalled. The dot
  // of one that is not.
  std::optional<Dot> silently_lost(const Facts& facts) const;

  static Dots values(const OracleString& of);  // its siblings, and of each actor the last add

  std::map<Dot, Op> ops;

 private:
  OracleString at(const Facts& facts, const Unit& unit) const;
  Dots known(const Facts& facts, const Unit& unit) const;
  Dots past(const Facts& facts, const Unit& unit) const;
};

}  // namespace atolldb::crdt
