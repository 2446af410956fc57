#include "storage/log_group.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace atolldb::storage {
namespace {

constexpr size_t kBytesMin = 64u << 10, kBytesKept = 4u << 20;

}  // namespace

void LogGroup::Free::operator()(char* bytes) const { std::free(bytes); }

void LogGroup::start(uint64_t begin) {
  places_.clear();
  begin_ = end_ = begin;
  if (capacity_ <= kBytesKept) return;
  bytes_.reset();
  capacity_ = 0;
}

void LogGroup::grow(size_t bytes) {
  capacity_ = std::max({bytes, 2 * capacity_, kBytesMin});
  void* const larger = std::realloc(bytes_.get(), capacity_);
  if (!larger) throw std::bad_alloc();
  static_cast<void>(bytes_.release());
  bytes_.reset(static_cast<char*>(larger));
}

LogPosition LogGroup::add(BytesView record, uint64_t incarnation) {
  const LogPosition at{end_};
  const uint64_t end = end_ + record_extent(record.size());
  if (end - begin_ > capacity_) grow(end - begin_);
  encode_record(bytes_.get() + (end_ - begin_), record, end_, incarnation, begin_);
  places_.push_back({at, record.size()});
  end_ = end;
  return at;
}

void LogGroup::seal(size_t first, size_t last, uint64_t incarnation, uint64_t synced_below) {
  for (size_t i = first; i < last; ++i)
    seal_record(head(places_[i]), record(places_[i]), places_[i].at.value, incarnation, synced_below);
}

std::optional<BytesView> LogGroup::find(LogPosition at) const {
  const auto found =
      std::lower_bound(places_.begin(), places_.end(), at,
                       [](const Place& place, LogPosition sought) { return place.at < sought; });
  if (found == places_.end() || found->at != at) return std::nullopt;
  return record(*found);
}

}  // namespace atolldb::storage
