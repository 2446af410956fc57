#include "storage/memtable.h"

#include <algorithm>
#include <cstring>

namespace atolldb::storage {
namespace {

constexpr size_t kBlockBytesMin = 1u << 10, kBlockBytesMax = 64u << 10;
constexpr size_t kInlineBytesMax = 4096;  // larger values are not copied
constexpr size_t kRangeBytes = 112;       // a tree node with its two strings' heads
constexpr uint32_t kErased = UINT32_MAX;
constexpr size_t kAhead = 8, kCacheLine = 64;

constexpr size_t round_up(size_t n) { return (n + 7) / 8 * 8; }

}  // namespace

// The head of an entry in the arena; behind it the key, and room for a value.
struct Memtable::Item {
  uint32_t key_bytes = 0;
  uint32_t value_bytes = kErased;
  uint32_t room = 0;
  uint32_t large = 0;  // where in large_ a value is that has no place here, counted from 1

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  BytesView key() const { return {bytes(), key_bytes}; }
};

uint64_t Memtable::prefix_of(BytesView key) {
  unsigned char first[8] = {};
  std::memcpy(first, key.data(), std::min(key.size(), sizeof first));
  uint64_t prefix = 0;
  for (const unsigned char byte : first) prefix = prefix << 8 | byte;
  return prefix;
}

bool Memtable::before(const Slot& slot, uint64_t prefix, BytesView key) {
  return slot.prefix != prefix ? slot.prefix < prefix : slot.item->key() < key;
}

// The first slot that is not before the key.
Memtable::Iterator Memtable::search(uint64_t prefix, BytesView key) const {
  const auto is_before = [&](const Slot& slot, int) { return before(slot, prefix, key); };
  const auto behind = std::lower_bound(firsts_.begin(), firsts_.end(), 0, is_before);
  if (behind == firsts_.begin()) return begin();
  const auto chunk = static_cast<size_t>(behind - firsts_.begin()) - 1;
  const Chunk& within = *chunks_[chunk];
  const auto slots = within.slots.begin();
  const auto at = std::lower_bound(slots, slots + static_cast<ptrdiff_t>(within.count), 0, is_before) - slots;
  if (static_cast<size_t>(at) == within.count) return {*this, chunk + 1, 0};
  return {*this, chunk, static_cast<size_t>(at)};
}

Memtable::Iterator Memtable::lower_bound(BytesView key) const { return search(prefix_of(key), key); }

Memtable::Iterator& Memtable::Iterator::operator++() {
  if (++slot_ == table_->chunks_[chunk_]->count) {
    ++chunk_;
    slot_ = 0;
  }
  return *this;
}

void Memtable::Iterator::prefetch() const {
  size_t chunk = chunk_, slot = slot_ + kAhead;
  if (slot >= table_->chunks_[chunk]->count) {
    slot -= table_->chunks_[chunk]->count;
    if (++chunk == table_->chunks_.size() || slot >= table_->chunks_[chunk]->count) return;
  }
  const auto* const item = reinterpret_cast<const char*>(table_->chunks_[chunk]->slots[slot].item);
  for (size_t line = 0; line < 3; ++line) __builtin_prefetch(item + line * kCacheLine);
}

BytesView Memtable::Iterator::key() const { return table_->slot(*this).item->key(); }
Memtable::Entry Memtable::Iterator::operator*() const { return table_->entry(*table_->slot(*this).item); }

Memtable::Entry Memtable::entry(const Item& item) const {
  if (item.value_bytes == kErased) return {item.key(), true, {}};
  if (item.value_bytes > kInlineBytesMax) return {item.key(), false, large_[item.large - 1]};
  return {item.key(), false, {item.bytes() + item.key_bytes, item.value_bytes}};
}

// The number first: most keys differ in it, and the other one's lies elsewhere.
bool Memtable::stands_at(const Iterator& at, uint64_t prefix, BytesView key) const {
  return at != end() && slot(at).prefix == prefix && at.key() == key;
}

std::optional<Memtable::Entry> Memtable::find(BytesView key) const {
  const uint64_t prefix = prefix_of(key);
  const Iterator at = search(prefix, key);
  if (stands_at(at, prefix, key)) return *at;
  if (erased_until(key)) return Entry{key, true, {}};
  return std::nullopt;
}

const Bytes* Memtable::erased_until(BytesView key) const {
  if (ranges_.empty()) return nullptr;
  auto range = ranges_.upper_bound(key);
  if (range == ranges_.begin()) return nullptr;
  --range;
  return key < range->second ? &range->second : nullptr;
}

void Memtable::change(BytesView key, std::optional<Bytes>&& value) {
  const uint64_t prefix = prefix_of(key);
  const Iterator at = search(prefix, key);
  if (stands_at(at, prefix, key)) {
    set_value(chunks_[at.chunk_]->slots[at.slot_], std::move(value));
    // The entry may have moved.
    if (at.slot_ == 0) firsts_[at.chunk_] = slot(at);
    return;
  }
  const size_t bytes = value ? value->size() : 0;
  Slot fresh{prefix, make_item(key, bytes > kInlineBytesMax ? 0 : bytes)};
  set_value(fresh, std::move(value));
  insert(at, fresh);
  ++size_;
}

void Memtable::insert(Iterator at, const Slot& slot) {
  // What belongs between two chunks goes to the end of the first, if that one has room or both are full.
  const auto full = [&](size_t chunk) {
    return chunk >= chunks_.size() || chunks_[chunk]->count == kChunkSlots;
  };
  if (at.slot_ == 0 && at.chunk_ > 0 && (!full(at.chunk_ - 1) || full(at.chunk_)))
    at = {*this, at.chunk_ - 1, chunks_[at.chunk_ - 1]->count};
  if (chunks_.empty() || chunks_[at.chunk_]->count == kChunkSlots) at = split(at);
  Chunk& chunk = *chunks_[at.chunk_];
  const auto slots = chunk.slots.begin();
  std::copy_backward(slots + static_cast<ptrdiff_t>(at.slot_), slots + static_cast<ptrdiff_t>(chunk.count),
                     slots + static_cast<ptrdiff_t>(chunk.count) + 1);
  chunk.slots[at.slot_] = slot;
  ++chunk.count;
  firsts_[at.chunk_] = chunk.slots[0];
}

// Makes room at a place in a full chunk, and says where the place is then. Keys that come in order leave full
// chunks behind.
Memtable::Iterator Memtable::split(const Iterator& at) {
  const size_t kept = chunks_.empty() ? 0 : at.slot_ == kChunkSlots ? kChunkSlots : kChunkSlots / 2;
  const size_t next = chunks_.empty() ? 0 : at.chunk_ + 1;
  auto fresh = std::make_unique<Chunk>();
  if (!chunks_.empty()) {
    Chunk& full = *chunks_[at.chunk_];
    fresh->count = full.count - kept;
    std::copy_n(full.slots.begin() + static_cast<ptrdiff_t>(kept), fresh->count, fresh->slots.begin());
    full.count = kept;
  }
  firsts_.insert(firsts_.begin() + static_cast<ptrdiff_t>(next), fresh->slots[0]);
  chunks_.insert(chunks_.begin() + static_cast<ptrdiff_t>(next), std::move(fresh));
  bytes_ += sizeof(Chunk) + sizeof(Slot) + sizeof(void*);
  if (at.slot_ <= kept && kept < kChunkSlots && next > 0) return at;
  return {*this, next, at.slot_ - kept};
}

char* Memtable::allocate(size_t bytes) {
  if (block_bytes_ - block_used_ < bytes) {
    block_bytes_ = std::max(round_up(bytes), std::clamp(2 * block_bytes_, kBlockBytesMin, kBlockBytesMax));
    block_used_ = 0;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes_));
  }
  char* const at = blocks_.back().get() + block_used_;
  block_used_ += bytes;
  bytes_ += bytes;
  return at;
}

Memtable::Item* Memtable::make_item(BytesView key, size_t room) {
  const size_t bytes = round_up(sizeof(Item) + key.size() + room);
  Item* const item = new (allocate(bytes)) Item;
  item->key_bytes = static_cast<uint32_t>(key.size());
  item->room = static_cast<uint32_t>(bytes - sizeof(Item) - key.size());
  std::memcpy(item->bytes(), key.data(), key.size());
  return item;
}

void Memtable::set_value(Slot& slot, std::optional<Bytes>&& value) {
  Item* item = slot.item;
  const size_t bytes = value ? value->size() : 0;
  if (item->value_bytes != kErased && item->value_bytes > kInlineBytesMax) drop_large(*item);
  if (bytes > kInlineBytesMax) {
    if (item->large == 0) {
      large_.emplace_back();
      item->large = static_cast<uint32_t>(large_.size());
    }
    bytes_ += bytes;
    large_[item->large - 1] = std::move(*value);
  } else if (bytes > item->room) {
    // A value that grows again and again shall not fill the arena with what it was.
    Item* const larger = make_item(item->key(), std::min(kInlineBytesMax, bytes + bytes / 2));
    larger->large = item->large;
    slot.item = item = larger;
  }
  item->value_bytes = value ? static_cast<uint32_t>(bytes) : kErased;
  if (value && bytes <= kInlineBytesMax) std::memcpy(item->bytes() + item->key_bytes, value->data(), bytes);
}

void Memtable::drop_large(Item& item) {
  Bytes& value = large_[item.large - 1];
  bytes_ -= value.size();
  Bytes().swap(value);
}

void Memtable::erase_range(Bytes from, Bytes to) {
  if (from >= to) return;
  std::vector<Slot> kept;
  kept.reserve(size_);
  for (const auto& chunk : chunks_)
    for (size_t i = 0; i < chunk->count; ++i) {
      Item& item = *chunk->slots[i].item;
      if (item.key() < from || item.key() >= to)
        kept.push_back(chunk->slots[i]);
      else if (item.value_bytes != kErased && item.value_bytes > kInlineBytesMax)
        drop_large(item);
    }
  if (kept.size() < size_) {
    bytes_ -= chunks_.size() * (sizeof(Chunk) + sizeof(Slot) + sizeof(void*));
    chunks_.clear();
    firsts_.clear();
    size_ = kept.size();
    for (const Slot& slot : kept) insert(end(), slot);
  }
  // Joined with the ranges that it overlaps or touches.
  auto range = ranges_.upper_bound(to);
  while (range != ranges_.begin()) {
    --range;
    if (range->second < from) break;
    bytes_ -= range->first.size() + range->second.size() + kRangeBytes;
    from = std::min(from, range->first);
    to = std::max(to, range->second);
    range = ranges_.erase(range);
  }
  bytes_ += from.size() + to.size() + kRangeBytes;
  ranges_.emplace(std::move(from), std::move(to));
}

}  // namespace atolldb::storage
