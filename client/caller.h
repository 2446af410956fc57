#pragma once
// The ways to carry out a call, which Client and Session share: run() waits for the reply, start() hands out
// a future or calls back, run_all() has many under way at once, at as many nodes as they belong to.
//
// Any number of threads may use one caller. A callback runs on the client's thread: it must not block, may
// start more, and may not run(), end the client or throw: the process would end. What a caller has under way
// is bounded (Options::in_flight_max); beyond it a call is rejected with Errc::busy, except by run_all(),
// which waits for its own.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <type_traits>
#include <utility>
#include <vector>

#include "client/calls.h"
#include "client/reply.h"
#include "client/target.h"
#include "crdt/base/bytes.h"

namespace atolldb::client {

class Caller {
 public:
  template <typename T>
  using Then = std::function<void(Reply<T>&&)>;

  virtual ~Caller() = default;

  // Waits for the reply, for the call's deadline at most; one of several pages has a deadline for each.
  template <typename T>
  Reply<T> run(Call<T> call);
  template <typename T>
  std::future<Reply<T>> start(Call<T> call);
  // Calls back exactly once; at once, on this thread, when too much is under way.
  template <typename T>
  void start(Call<T> call, std::type_identity_t<Then<T>> then);
  // A reply for each call, in their order. Each succeeds or fails by itself.
  template <typename T>
  std::vector<Reply<T>> run_all(std::vector<Call<T>> calls);

  // One operation, waited for; calls.h says what each does and answers.
  Reply<Got> get(BytesView key) { return run(calls::get(key)); }
  Reply<Unit> set(BytesView key, BytesView value) { return run(calls::set(key, value)); }
  Reply<Unit> set(BytesView key, BytesView value, BytesView context) {
    return run(calls::set(key, value, context));
  }
  Reply<Siblings> siblings(BytesView key) { return run(calls::siblings(key)); }
  Reply<int64_t> del(BytesView key) { return run(calls::del(key)); }
  Reply<std::optional<int64_t>> add(BytesView key, int64_t amount) { return run(calls::add(key, amount)); }
  Reply<int64_t> sadd(BytesView key, std::vector<Bytes> elements) {
    return run(calls::sadd(key, std::move(elements)));
  }
  Reply<int64_t> srem(BytesView key, std::vector<Bytes> elements) {
    return run(calls::srem(key, std::move(elements)));
  }
  Reply<std::vector<Bytes>> smembers(BytesView key) { return run(calls::smembers(key)); }
  Reply<bool> sismember(BytesView key, BytesView element) { return run(calls::sismember(key, element)); }
  Reply<int64_t> scard(BytesView key) { return run(calls::scard(key)); }
  Reply<int64_t> hset(BytesView key, const calls::Fields& fields) { return run(calls::hset(key, fields)); }
  Reply<Got> hget(BytesView key, BytesView field) { return run(calls::hget(key, field)); }
  Reply<int64_t> hdel(BytesView key, std::vector<Bytes> fields) {
    return run(calls::hdel(key, std::move(fields)));
  }
  Reply<calls::Fields> hgetall(BytesView key) { return run(calls::hgetall(key)); }
  Reply<int64_t> hlen(BytesView key) { return run(calls::hlen(key)); }
  Reply<std::optional<int64_t>> hadd(BytesView key, BytesView field, int64_t amount) {
    return run(calls::hadd(key, field, amount));
  }

  // Batches: each key by itself, nothing is atomic over several. A key that is named twice by mset gets one
  // of the two values.
  std::vector<Reply<Got>> mget(const std::vector<Bytes>& keys);
  std::vector<Reply<Unit>> mset(const calls::Fields& values);  // key, value

 protected:
  // Takes the request and calls back exactly once. False: too many under way; the request is as it was.
  // deadline_ms 0: the caller's own.
  [[nodiscard]] virtual bool submit(region::Request&& request, Callback callback) = 0;
  // Ends the process on the thread that calls back, which would wait for itself.
  virtual void check_may_wait() const = 0;

 private:
  // Calls of one batch that have no reply yet.
  class Open {
   public:
    void add();
    void end();
    size_t ended();
    // Until more have ended than that. False: none is open but the one that was added last.
    bool wait_past(size_t ended);
    void wait_for_all();

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t added_ = 0, ended_ = 0;
  };
  template <typename T>
  struct Work {
    Call<T> call;
    Then<T> then;
    T value{};
    bool stale = false;
    std::optional<region::Behind> behind = {};
  };

  template <typename T>
  bool go(const std::shared_ptr<Work<T>>& work);
  template <typename T>
  void take(const std::shared_ptr<Work<T>>& work, region::Response&& response);
  template <typename T>
  static Reply<T> busy();
};

// ---- how

template <typename T>
bool Caller::go(const std::shared_ptr<Work<T>>& work) {
  const auto answered = [this, work](region::Response&& response) { take(work, std::move(response)); };
  if (!work->call.paged) return submit(std::move(work->call.request), answered);
  region::Request page = work->call.request;
  return submit(std::move(page), answered);
}

template <typename T>
void Caller::take(const std::shared_ptr<Work<T>>& work, region::Response&& response) {
  const bool done = response.outcome == region::Outcome::done;
  work->stale |= response.stale;
  if (response.behind) work->behind = response.behind;
  if (done) {
    Bytes cursor = work->call.paged ? std::move(response.value) : Bytes();
    work->call.take(response, work->value);
    if (!cursor.empty()) {
      work->call.request.args[0] = std::move(cursor);
      if (!go(work)) work->then(busy<T>());
      return;
    }
  }
  Reply<T> reply;
  reply.outcome = response.outcome;
  reply.code = response.code;
  reply.message = std::move(response.message);
  reply.node = response.node;
  reply.stale = work->stale;
  reply.behind = work->behind;
  if (done) reply.value = std::move(work->value);
  work->then(std::move(reply));
}

template <typename T>
Reply<T> Caller::busy() {
  Reply<T> reply;
  reply.outcome = region::Outcome::rejected;
  reply.code = Errc::busy;
  reply.message = "the client has as many requests under way as it may";
  return reply;
}

template <typename T>
void Caller::start(Call<T> call, std::type_identity_t<Then<T>> then) {
  const auto work = std::make_shared<Work<T>>(Work<T>{std::move(call), std::move(then)});
  if (!go(work)) work->then(busy<T>());
}

template <typename T>
std::future<Reply<T>> Caller::start(Call<T> call) {
  const auto promise = std::make_shared<std::promise<Reply<T>>>();
  std::future<Reply<T>> future = promise->get_future();
  start<T>(std::move(call), [promise](Reply<T>&& reply) { promise->set_value(std::move(reply)); });
  return future;
}

template <typename T>
Reply<T> Caller::run(Call<T> call) {
  check_may_wait();
  Reply<T> out;
  std::binary_semaphore answered{0};
  start<T>(std::move(call), [&](Reply<T>&& reply) {
    out = std::move(reply);
    answered.release();
  });
  answered.acquire();
  return out;
}

template <typename T>
std::vector<Reply<T>> Caller::run_all(std::vector<Call<T>> calls) {
  check_may_wait();
  std::vector<Reply<T>> replies(calls.size());
  Open open;
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto work = std::make_shared<Work<T>>(Work<T>{std::move(calls[i]), [&, i](Reply<T>&& reply) {
                                                          replies[i] = std::move(reply);
                                                          open.end();
                                                        }});
    open.add();
    for (size_t ended = open.ended(); !go(work); ended = open.ended()) {
      if (open.wait_past(ended)) continue;
      work->then(busy<T>());
      break;
    }
  }
  open.wait_for_all();
  return replies;
}

}  // namespace atolldb::client
