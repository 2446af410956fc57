#pragma once
// What the log has and LMDB has not yet: an ordered table from key to value or erasure, ranges in which
// everything below was erased, and the count of the bytes that it takes. One thread changes it; once frozen,
// any number may read it.
//
// Entries lie in an arena that goes as a whole with the memtable. They are found through sorted chunks of
// slots, each with the first eight bytes of its key beside it: row keys begin with a hash, so that a search
// compares numbers that lie together and looks at one key in the end.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"

namespace atolldb::storage {

class Memtable {
  struct Item;

 public:
  struct Entry {
    BytesView key;
    bool erased = false;
    BytesView value;  // until the next change of this key
  };
  using Ranges = std::map<Bytes, Bytes, std::less<>>;  // from -> to, disjoint

  // No value: the key is erased.
  void change(BytesView key, std::optional<Bytes>&& value);
  // Everything with from <= key < to, here and below. Entries made later stand above it.
  void erase_range(Bytes from, Bytes to);

  // Nothing: this memtable does not speak of the key.
  std::optional<Entry> find(BytesView key) const;
  // The end of the erased range that the key lies in; nothing when it lies in none.
  const Bytes* erased_until(BytesView key) const;

  // In the order of the keys; valid until the next change.
  class Iterator {
   public:
    Entry operator*() const;
    BytesView key() const;
    Iterator& operator++();
    // Asks for the entry that a walk comes to a little later: entries lie in the order in which they came.
    void prefetch() const;
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.chunk_ == b.chunk_ && a.slot_ == b.slot_;
    }

   private:
    friend class Memtable;
    Iterator(const Memtable& table, size_t chunk, size_t slot) : table_(&table), chunk_(chunk), slot_(slot) {}
    const Memtable* table_;
    size_t chunk_, slot_;
  };
  Iterator begin() const { return {*this, 0, 0}; }
  Iterator end() const { return {*this, chunks_.size(), 0}; }
  Iterator lower_bound(BytesView key) const;
  const Ranges& ranges() const { return ranges_; }

  size_t bytes() const { return bytes_; }
  size_t size() const { return size_ + ranges_.size(); }

 private:
  static constexpr size_t kChunkSlots = 64;
  struct Slot {
    uint64_t prefix = 0;
    Item* item = nullptr;
  };
  struct Chunk {
    size_t count = 0;
    std::array<Slot, kChunkSlots> slots;
  };

  static uint64_t prefix_of(BytesView key);
  static bool before(const Slot& slot, uint64_t prefix, BytesView key);
  Iterator search(uint64_t prefix, BytesView key) const;
  bool stands_at(const Iterator& at, uint64_t prefix, BytesView key) const;
  const Slot& slot(const Iterator& at) const { return chunks_[at.chunk_]->slots[at.slot_]; }
  void insert(Iterator at, const Slot& slot);
  Iterator split(const Iterator& at);
  Item* make_item(BytesView key, size_t room);
  char* allocate(size_t bytes);
  void set_value(Slot& slot, std::optional<Bytes>&& value);
  void drop_large(Item& item);
  Entry entry(const Item& item) const;

  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t block_bytes_ = 0, block_used_ = 0;  // of the last one
  std::vector<Bytes> large_;
  std::vector<std::unique_ptr<Chunk>> chunks_;  // none is empty
  std::vector<Slot> firsts_;                    // of each chunk
  size_t size_ = 0;
  Ranges ranges_;
  size_t bytes_ = 0;
};

}  // namespace atolldb::storage
