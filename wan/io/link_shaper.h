#pragma once
// What a link to another region does to frames beyond what the network does: a delay (dev clusters on one
// machine) and a cap on bytes per second. Frames wait here, at the sender, in order, in bounded memory; a
// frame that does not fit is gone. Pure: time is handed in.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/time.h"

namespace atolldb::wan {

class LinkShaper {
 public:
  struct Config {
    Duration delay;                     // one way
    uint64_t bytes_per_second_max = 0;  // of all that this node sends over the link; 0 = no cap
    size_t bytes_max = 64u << 20;       // held at most
  };
  struct Held {
    Instant due;
    NodeNumber to{};
    Bytes frame;
  };

  explicit LinkShaper(const Config& config) : config_(config) {}

  // False: frames pass straight through and push() need not be called.
  bool shapes() const { return config_.delay > Duration{} || config_.bytes_per_second_max > 0; }
  // False: no room, the frame is gone.
  bool push(Instant now, NodeNumber to, Bytes&& frame);
  // The next frame whose time has come.
  std::optional<Held> pop(Instant now);
  Instant next_due() const { return held_.empty() ? Instant::never() : held_.front().due; }
  // The link was cut: what was on its way is gone. Returns how many frames that were.
  size_t clear();
  size_t bytes() const { return bytes_; }

 private:
  Config config_;
  std::deque<Held> held_;  // due times never decrease: one delay, one line
  size_t bytes_ = 0;
  Instant line_free_{INT64_MIN};  // when the last byte accepted so far has left, under the cap
};

}  // namespace atolldb::wan
