#include "region/io/in_flight.h"

#include <cstring>

namespace atolldb::region {
namespace {

struct Name {
  uint32_t slot = 0, generation = 0;
};

}  // namespace

std::optional<Bytes> InFlight::take(const Place& place) {
  if (requests_ >= limits_.requests_max || bytes_ + place.bytes > limits_.bytes_max) return std::nullopt;
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  Name name{free_.back(), 0};
  free_.pop_back();
  Slot& slot = slots_[name.slot];
  name.generation = ++slot.generation;
  slot.place = place;
  ++requests_;
  bytes_ += place.bytes;
  Bytes text(sizeof name, '\0');
  std::memcpy(text.data(), &name, sizeof name);
  return text;
}

std::optional<InFlight::Place> InFlight::give_back(BytesView text) {
  Name name;
  if (text.size() != sizeof name) return std::nullopt;
  std::memcpy(&name, text.data(), sizeof name);
  if (name.slot >= slots_.size() || slots_[name.slot].generation != name.generation) return std::nullopt;
  Slot& slot = slots_[name.slot];
  ++slot.generation;
  free_.push_back(name.slot);
  --requests_;
  bytes_ -= slot.place.bytes;
  return slot.place;
}

}  // namespace atolldb::region
