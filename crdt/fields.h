#pragma once
// One description of a message serves both directions: a codec file lists a struct's fields once, as
//
//   template <typename Io> void fields(Io& io, Append& m) { io(m.partition, m.epoch, m.entries); }
//
// and FieldsOut writes them in that order, FieldsIn reads them back. A message is an array whose first
// element is its type. Readers take messages that have more fields than they know (a newer version's) and
// refuse those that have fewer. Fields that most messages do without stand last, and are left out there:
//
//   io.behind(m.verdict != Verdict::none, m.verdict, m.judged);

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "crdt/wire.h"

namespace atolldb::crdt {

class FieldsCount {
 public:
  template <typename... T>
  void operator()(const T&...) {
    count += sizeof...(T);
  }
  template <typename... T>
  void behind(bool there, const T&...) {
    if (there) count += sizeof...(T);
  }
  size_t count = 0;
};

class FieldsOut {
 public:
  explicit FieldsOut(Bytes& out) : out_(out), writer_(out) {}
  template <typename... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  // Requires: where these are there, those behind before them are.
  template <typename... T>
  void behind(bool there, const T&... values) {
    if (there) (put(values), ...);
  }

 private:
  template <typename T>
  requires std::is_enum_v<T>
  void put(T value) { writer_.uint(static_cast<uint64_t>(value)); }
  template <typename T>
  requires std::is_unsigned_v<T>
  void put(T value) {
    if constexpr (std::is_same_v<T, bool>)
      writer_.boolean(value);
    else
      writer_.uint(value);
  }
  void put(PartitionId p) { writer_.uint(raw(p)); }
  void put(NodeNumber n) { writer_.uint(raw(n)); }
  void put(RegionId r) { writer_.uint(raw(r)); }
  void put(Hlc h) { writer_.uint(h.value); }
  void put(const Actor& a) {
    writer_.array(3);
    (*this)(a.node, a.start, a.random);
  }
  void put(const Dot& d) {
    writer_.array(2);
    (*this)(d.actor, d.counter);
  }
  void put(const Epoch& e) {
    writer_.array(3);
    (*this)(e.number, e.node, e.start);
  }
  void put(BytesView b) { writer_.bin(b); }
  void put(const Bytes& b) { writer_.bin(b); }
  void put(const DotSet& set) { encode(set, out_); }
  template <typename A, typename B>
  void put(const std::pair<A, B>& p) {
    writer_.array(2);
    (*this)(p.first, p.second);
  }
  template <typename T>
  void put(const std::vector<T>& list) {
    writer_.array(list.size());
    for (const T& item : list) put(item);
  }
  template <typename T>
  requires std::is_class_v<T>
  void put(const T& nested) {
    FieldsCount count;
    fields(count, const_cast<T&>(nested));
    writer_.array(count.count);
    fields(*this, const_cast<T&>(nested));
  }

  Bytes& out_;
  Writer writer_;
};

class FieldsIn {
 public:
  // `more`: how many elements there are beyond those that every message has.
  FieldsIn(Reader& reader, size_t more) : reader_(reader), more_(more) {}
  template <typename... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  template <typename... T>
  void behind(bool, T&... values) {
    if (more_ < sizeof...(T)) return;
    more_ -= sizeof...(T);
    (get(values), ...);
  }
  // What a newer version has put there.
  void skip_rest() {
    for (; more_ > 0 && reader_.ok(); --more_) reader_.skip();
  }

 private:
  template <typename T>
  requires std::is_unsigned_v<T>
  void get(T& value) {
    if constexpr (std::is_same_v<T, bool>)
      value = reader_.boolean();
    else
      value = static_cast<T>(reader_.uint(std::numeric_limits<T>::max()));
  }
  template <typename T>
  requires std::is_enum_v<T>
  void get(T& value) {
    value = static_cast<T>(reader_.uint(std::numeric_limits<std::underlying_type_t<T>>::max()));
  }
  void get(PartitionId& p) { p = PartitionId{static_cast<uint16_t>(reader_.uint(0xffff))}; }
  void get(NodeNumber& n) { n = NodeNumber{static_cast<uint16_t>(reader_.uint(0xffff))}; }
  void get(RegionId& r) { r = RegionId{static_cast<uint16_t>(reader_.uint(0xffff))}; }
  void get(Hlc& h) { h.value = reader_.uint(); }
  void get(Actor& a) {
    reader_.array_of(3);
    (*this)(a.node, a.start, a.random);
  }
  void get(Dot& d) {
    reader_.array_of(2);
    (*this)(d.actor, d.counter);
    if (d.counter > kDotCounterMax) reader_.fail("a dot's counter is over 48 bits");
  }
  void get(Epoch& e) {
    reader_.array_of(3);
    (*this)(e.number, e.node, e.start);
  }
  void get(BytesView& b) { b = reader_.bin(); }
  void get(Bytes& b) { b = Bytes(reader_.bin()); }
  void get(DotSet& set) {
    BytesView bytes = reader_.value();
    if (!reader_.ok()) return;
    auto decoded = decode_dot_set(bytes);
    if (!decoded) return reader_.fail("not a canonical set of dots");
    set = std::move(*decoded);
  }
  template <typename A, typename B>
  void get(std::pair<A, B>& p) {
    reader_.array_of(2);
    (*this)(p.first, p.second);
  }
  template <typename T>
  void get(std::vector<T>& list) {
    const size_t count = reader_.array();
    list.clear();
    for (size_t i = 0; i < count && reader_.ok(); ++i) get(list.emplace_back());
  }
  template <typename T>
  requires std::is_class_v<T>
  void get(T& nested) {
    FieldsCount count;
    fields(count, nested);
    const size_t found = reader_.array();
    if (found < count.count) return reader_.fail("a field is missing");
    FieldsIn inner(reader_, found - count.count);
    fields(inner, nested);
    inner.skip_rest();
  }

  Reader& reader_;
  size_t more_;
};

// [type, fields...]
template <typename Message>
void encode_typed(uint8_t type, const Message& message, Bytes& out) {
  FieldsCount count;
  fields(count, const_cast<Message&>(message));
  Writer writer(out);
  writer.array(1 + count.count);
  writer.uint(type);
  FieldsOut io(out);
  fields(io, const_cast<Message&>(message));
}

// The fields of a message whose array header (of `elements`) and type have been read.
template <typename Message>
bool decode_typed(Reader& reader, size_t elements, Message& message) {
  FieldsCount count;
  fields(count, message);
  if (elements < 1 + count.count) {
    reader.fail("a field is missing");
    return false;
  }
  FieldsIn io(reader, elements - 1 - count.count);
  fields(io, message);
  io.skip_rest();
  return reader.ok();
}

}  // namespace atolldb::crdt
