#pragma once
// What will happen, in the order of true time; of two things at one moment, the one that was scheduled first.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "crdt/base/time.h"

namespace atolldb::sim {

enum class EventKind : uint8_t { frame, tick, storage, link, call };

struct Event {
  Instant at;
  uint64_t sequence = 0;
  EventKind kind{};
  uint32_t a = 0, b = 0;  // machines, or a link
  uint64_t payload = 0;   // a slot, or the generation of what it is about
};

class EventQueue {
 public:
  void push(Instant at, EventKind kind, uint32_t a, uint32_t b, uint64_t payload) {
    heap_.push_back({at, ++sequence_, kind, a, b, payload});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  Instant next() const { return heap_.empty() ? Instant::never() : heap_.front().at; }
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event event = heap_.back();
    heap_.pop_back();
    return event;
  }

 private:
  static bool later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }
  std::vector<Event> heap_;
  uint64_t sequence_ = 0;
};

// Values that wait for their event, in slots that are used again.
template <typename T>
class Slots {
 public:
  uint64_t put(T&& value) {
    if (free_.empty()) {
      values_.push_back(std::move(value));
      return values_.size() - 1;
    }
    const uint64_t slot = free_.back();
    free_.pop_back();
    values_[slot] = std::move(value);
    return slot;
  }
  T take(uint64_t slot) {
    T out = std::move(values_[slot]);
    free_.push_back(slot);
    return out;
  }

 private:
  std::vector<T> values_;
  std::vector<uint64_t> free_;
};

}  // namespace atolldb::sim
