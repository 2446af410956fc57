#pragma once
// The deltas of one partition that some replica or region has not confirmed yet. An index over the node's
// log: the bytes stay there. Every replica keeps one; the coordinator sends from it, to replicas and to
// regions alike (one delta path).
//
// A delta may be logged again, with another verdict: its earlier entries then speak of its newest record.
//
// Entries stand in the order in which they entered this replica, so an actor's deltas stand in counter order.
// A stream remembers a sequence number and goes on from there. Entries go from the front once confirmed, or
// are cut when the log that holds them is dropped; what was cut is repaired by a complete exchange.

#include <cstdint>
#include <deque>
#include <map>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "storage/store.h"

namespace atolldb::storage {

class Outbox {
 public:
  struct Entry {
    Dot dot;
    crdt::Hlc stamp;
    LogPosition at;
    uint32_t bytes = 0;
    bool conditional = false;  // carries a verdict
    uint64_t before = 0;       // bytes of all entries ever added before this one; set by add()
  };

  void add(Entry entry);
  uint64_t begin() const { return first_; }
  uint64_t end() const { return first_ + entries_.size(); }
  const Entry& at(uint64_t sequence) const { return entries_[sequence - first_]; }
  // Where its newest record stands.
  LogPosition newest(const Dot& dot, LogPosition at) const {
    const auto found = again_.empty() ? again_.end() : again_.find(dot);
    return found == again_.end() ? at : found->second;
  }
  // What can still be sent as deltas.
  const crdt::DotSet& dots() const { return dots_; }
  uint64_t bytes() const { return total_ - (entries_.empty() ? total_ : entries_.front().before); }
  // Bytes of the entries from `first` up to `last`, exclusive.
  uint64_t bytes_between(uint64_t first, uint64_t last) const;
  bool empty() const { return entries_.empty(); }

  // Drops entries from the front as long as `confirmed` has them.
  void confirm(const crdt::DotSet& confirmed);
  // Drops every entry whose log record is below `begin`.
  void cut(LogPosition begin);
  // Its log record cannot be read: it no longer counts as something that can be sent.
  void lose(const Dot& dot) { dots_.erase(dot); }
  void clear();

 private:
  void pop();

  uint64_t first_ = 1;
  std::deque<Entry> entries_;
  crdt::DotSet dots_;
  std::map<Dot, LogPosition> again_;  // of those that were added more than once: the newest
  uint64_t total_ = 0;
};

}  // namespace atolldb::storage
