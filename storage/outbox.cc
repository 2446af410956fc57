#include "storage/outbox.h"

namespace atolldb::storage {

void Outbox::add(Entry entry) {
  entry.before = total_;
  total_ += entry.bytes;
  if (entry.conditional && dots_.contains(entry.dot)) again_[entry.dot] = entry.at;
  dots_.insert(entry.dot);
  entries_.push_back(entry);
}

uint64_t Outbox::bytes_between(uint64_t first, uint64_t last) const {
  const auto offset = [this](uint64_t sequence) { return sequence == end() ? total_ : at(sequence).before; };
  return first < last ? offset(last) - offset(first) : 0;
}

void Outbox::pop() {
  const Entry& front = entries_.front();
  const bool newest = this->newest(front.dot, front.at) == front.at;
  if (newest) {
    dots_.erase(front.dot);
    again_.erase(front.dot);
  }
  entries_.pop_front();
  ++first_;
}

void Outbox::confirm(const crdt::DotSet& confirmed) {
  while (!entries_.empty() && confirmed.contains(entries_.front().dot)) pop();
}

void Outbox::cut(LogPosition begin) {
  while (!entries_.empty() && entries_.front().at < begin) pop();
}

void Outbox::clear() {
  while (!entries_.empty()) pop();
}

}  // namespace atolldb::storage
