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
//
// Mostly they go soon. While a replica or region is away they stay, millions of them, and nobody asks for
// them but in order: so all but the newest lie packed (packed_entries.h), in blocks of a fixed number.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/dot_set.h"
#include "storage/packed_entries.h"

namespace atolldb::storage {

class Outbox {
 public:
  using Entry = OutboxEntry;

  void add(Entry entry);
  uint64_t begin() const { return first_; }
  uint64_t end() const { return recent_first_ + recent_.size(); }
  // Requires: begin() <= sequence < end().
  Entry at(uint64_t sequence) const {
    return sequence >= recent_first_ ? recent_[sequence - recent_first_] : unpacked(sequence);
  }
  // The first entry whose record stands at `at` or behind it; end(): none.
  uint64_t first_from(LogPosition at) const;
  // Where its newest record stands.
  LogPosition newest(const Dot& dot, LogPosition at) const {
    const auto found = again_.empty() ? again_.end() : again_.find(dot);
    return found == again_.end() ? at : found->second;
  }
  // What can still be sent as deltas.
  const crdt::DotSet& dots() const { return dots_; }
  uint64_t bytes() const { return empty() ? 0 : total_ - at(first_).before; }
  // Bytes of the entries from `first` up to `last`, exclusive.
  uint64_t bytes_between(uint64_t first, uint64_t last) const;
  bool empty() const { return first_ == end(); }

  // Drops entries from the front as long as `confirmed` has them.
  void confirm(const crdt::DotSet& confirmed);
  // Drops every entry whose log record is below `begin`.
  void cut(LogPosition begin);
  // Its log record cannot be read: it no longer counts as something that can be sent.
  void lose(const Dot& dot) { dots_.erase(dot); }
  void clear();

 private:
  static constexpr uint64_t kBlockEntries = 128;
  struct Block {
    LogPosition at;       // of its first entry
    uint64_t before = 0;  // of its first entry
    Bytes packed;
  };
  // A block that was asked for: whoever goes through the outbox comes again.
  struct Unpacked {
    uint64_t first = 0;  // its first sequence number; 0: none
    std::vector<Entry> entries;
  };

  void pop();
  void pack();
  const Entry& unpacked(uint64_t sequence) const;

  uint64_t first_ = 1;
  std::deque<Block> blocks_;
  uint64_t blocks_first_ = 1;  // first_, or as many before it as have gone from the first block
  std::deque<Entry> recent_;   // behind the blocks
  uint64_t recent_first_ = 1;
  mutable std::array<Unpacked, 2> unpacked_;  // of two streams, or of a stream's window
  mutable size_t unpack_next_ = 0;
  crdt::DotSet dots_;
  std::map<Dot, LogPosition> again_;  // of those that were added more than once: the newest
  uint64_t total_ = 0;
};

}  // namespace atolldb::storage
