#pragma once
// A session: what it reads is never older than what it has read or written before, in whichever region it is
// answered: read your writes, monotonic reads, monotonic writes, writes follow reads (Terry et al., "Session
// Guarantees for Weakly Consistent Replicated Data", PDIS 1994).
//
//   Session session(**client);
//   session.set("cart", "apples");
//   const Bytes token = session.token();          // to be handed to whoever goes on, here or elsewhere
//   ...
//   Session later(**other_client, WhenBehind::stale);
//   later.join(token);
//   const auto cart = later.get("cart");          // apples or newer, or marked stale
//
// A token holds for each region that has answered the session up to where it has seen that region: 26 bytes a
// region, however many keys it touched. What counts are the replies: a call that is started before another
// one's reply came does not know of it, and a reply that is unknown adds nothing.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "client/caller.h"
#include "client/client.h"
#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "region/core/request.h"
#include "region/core/request_token.h"

namespace atolldb::client {

// What a call does in a region that has not got yet all that the session has seen.
enum class WhenBehind : uint8_t {
  wait,  // until it has, or the deadline: then rejected with Errc::behind, and Reply::behind says by how much
  elsewhere,  // asks the next nearest region, and waits in the nearest one when all are behind
  stale,      // takes what is there; Reply::stale says so, and Reply::behind by how much. Writes go ahead
};

class Session final : public Caller {
 public:
  // The client outlives the session. A session has no thread and no connection of its own.
  explicit Session(Client& client, WhenBehind when_behind = WhenBehind::wait);
  // Waits for what the session has under way. Not from a callback.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // What the session has seen so far; empty: nothing yet. region::token_text makes letters of it.
  Bytes token() const;
  // From now on the session has seen this as well. Errc::version, Errc::corrupt, Errc::too_large: no token;
  // then nothing has changed. Whether it is genuine the first node says: rejected with Errc::refused.
  Status join(BytesView token);

 private:
  bool submit(region::Request&& request, Callback callback) override;
  void check_may_wait() const override;
  void end();

  Client& client_;
  const WhenBehind when_behind_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  Bytes token_;      // guarded by mutex_
  size_t open_ = 0;  // guarded by mutex_; calls under way
};

}  // namespace atolldb::client
