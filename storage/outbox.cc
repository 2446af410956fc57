#include "storage/outbox.h"

#include <algorithm>

#include "crdt/base/ensure.h"

namespace atolldb::storage {

void Outbox::add(Entry entry) {
  entry.before = total_;
  total_ += entry.bytes;
  if (entry.conditional && dots_.contains(entry.dot)) again_[entry.dot] = entry.at;
  dots_.insert(entry.dot);
  recent_.push_back(entry);
  if (recent_.size() == 2 * kBlockEntries) pack();
}

// What has not been packed yet is what a stream that keeps up reads.
void Outbox::pack() {
  if (blocks_.empty()) blocks_first_ = recent_first_;
  Block block{recent_.front().at, recent_.front().before, {}};
  EntryPacker packer(block.packed);
  for (uint64_t i = 0; i < kBlockEntries; ++i) packer.add(recent_[i]);
  block.packed.shrink_to_fit();
  blocks_.push_back(std::move(block));
  recent_.erase(recent_.begin(), recent_.begin() + kBlockEntries);
  recent_first_ += kBlockEntries;
}

const Outbox::Entry& Outbox::unpacked(uint64_t sequence) const {
  const uint64_t number = (sequence - blocks_first_) / kBlockEntries;
  const uint64_t first = blocks_first_ + number * kBlockEntries;
  for (const Unpacked& there : unpacked_)
    if (there.first == first) return there.entries[sequence - first];
  Unpacked& into = unpacked_[unpack_next_];
  unpack_next_ = (unpack_next_ + 1) % unpacked_.size();
  into.first = first;
  into.entries.clear();
  uint64_t before = blocks_[number].before;
  const bool whole = unpack_entries(blocks_[number].packed, [&](Entry entry) {
    entry.before = before;
    before += entry.bytes;
    into.entries.push_back(entry);
  });
  ensure(whole && into.entries.size() == kBlockEntries, "a block holds what was packed");
  return into.entries[sequence - first];
}

uint64_t Outbox::first_from(LogPosition position) const {
  const auto behind = std::upper_bound(blocks_.begin(), blocks_.end(), position,
                                       [](LogPosition p, const Block& block) { return p < block.at; });
  const auto blocks_before = static_cast<uint64_t>(behind - blocks_.begin());
  uint64_t sequence = first_;
  if (blocks_before > 0) sequence = std::max(sequence, blocks_first_ + (blocks_before - 1) * kBlockEntries);
  while (sequence < end() && at(sequence).at < position) ++sequence;
  return sequence;
}

uint64_t Outbox::bytes_between(uint64_t first, uint64_t last) const {
  const auto offset = [this](uint64_t sequence) { return sequence == end() ? total_ : at(sequence).before; };
  return first < last ? offset(last) - offset(first) : 0;
}

void Outbox::pop() {
  const Entry front = at(first_);
  if (newest(front.dot, front.at) == front.at) {
    dots_.erase(front.dot);
    again_.erase(front.dot);
  }
  ++first_;
  if (blocks_.empty()) {
    recent_.pop_front();
    recent_first_ = first_;
    return;
  }
  if (first_ - blocks_first_ < kBlockEntries) return;
  blocks_.pop_front();
  blocks_first_ = first_;
  if (blocks_.empty()) unpacked_ = {};
}

void Outbox::confirm(const crdt::DotSet& confirmed) {
  while (!empty() && confirmed.contains(at(first_).dot)) pop();
}

void Outbox::cut(LogPosition begin) {
  while (!empty() && at(first_).at < begin) pop();
}

void Outbox::clear() {
  while (!empty()) pop();
}

}  // namespace atolldb::storage
