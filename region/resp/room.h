#pragma once
// The memory that commands in work hold, of all connections of a node together: requests that are not
// answered yet, and answers that a command gathers before it can reply. A bound on each connection is none
// on ten thousand of them (G9); past this one a command is answered BUSY, and nothing of it has happened.

#include <algorithm>
#include <utility>

#include "crdt/base/bytes.h"

namespace atolldb::resp {

class Room {
 public:
  static constexpr size_t kSmall = 16u << 10;

  explicit Room(size_t bytes_max = 256u << 20) : bytes_max_(bytes_max) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  // What is small finds room a little longer: large commands do not shut it out.
  bool take(size_t bytes) {
    if (bytes_ + bytes > bytes_max_ + (bytes < kSmall ? bytes_max_ / 4 : 0)) return false;
    bytes_ += bytes;
    return true;
  }
  void give_back(size_t bytes) { bytes_ -= bytes; }
  size_t bytes() const { return bytes_; }

  // Replies that clients have not taken, as whoever writes them says. A large one that is still to be made
  // has to fit beside them; half of the room is for clients that have none waiting.
  void set_unread(size_t bytes) { unread_ = bytes; }
  bool fits_unread(size_t more, size_t own) const {
    return more < kSmall || unread_ + more <= (own < kSmall ? bytes_max_ : bytes_max_ / 2);
  }

 private:
  const size_t bytes_max_;
  size_t bytes_ = 0, unread_ = 0;
};

// A part of the room, given back with its owner.
class Hold {
 public:
  Hold() = default;
  explicit Hold(Room& room) : room_(&room) {}
  Hold(Hold&& other) noexcept
      : room_(std::exchange(other.room_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Hold& operator=(Hold&& other) noexcept {
    std::swap(room_, other.room_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Hold() { shrink_to(0); }

  bool grow(size_t bytes) {
    if (room_ == nullptr || !room_->take(bytes)) return false;
    bytes_ += bytes;
    return true;
  }
  void shrink_to(size_t bytes) {
    if (room_ == nullptr || bytes >= bytes_) return;
    room_->give_back(bytes_ - bytes);
    bytes_ = bytes;
  }
  size_t bytes() const { return bytes_; }

 private:
  Room* room_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace atolldb::resp
