#include "client/session.h"

#include <utility>

namespace atolldb::client {
namespace {

region::OnBehind on_behind(WhenBehind when) {
  switch (when) {
    case WhenBehind::wait:
      return region::OnBehind::wait;
    case WhenBehind::elsewhere:
      return region::OnBehind::refuse;
    case WhenBehind::stale:
      return region::OnBehind::stale;
  }
  return region::OnBehind::wait;
}

}  // namespace

Session::Session(Client& client, WhenBehind when_behind) : client_(client), when_behind_(when_behind) {}

Session::~Session() {
  check_may_wait();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return open_ == 0; });
}

Bytes Session::token() const {
  const std::lock_guard lock(mutex_);
  return token_;
}

Status Session::join(BytesView token) {
  const std::lock_guard lock(mutex_);
  auto joined = region::join_tokens(token_, token);
  if (!joined) return joined.error();
  token_ = std::move(*joined);
  return ok();
}

bool Session::submit(region::Request&& request, Callback callback) {
  {
    const std::lock_guard lock(mutex_);
    ++open_;
    request.token = token_;
  }
  request.session = true;
  request.on_behind = on_behind(when_behind_);
  const auto answered = [this, callback = std::move(callback)](region::Response&& response) {
    // A piece that is none is a node's fault; what the session knows stays as it is.
    if (!response.token.empty()) (void)join(response.token);
    callback(std::move(response));
    end();
  };
  const bool taken =
      client_.submit_of_session(std::move(request), when_behind_ == WhenBehind::elsewhere, answered);
  if (!taken) end();
  return taken;
}

void Session::end() {
  const std::lock_guard lock(mutex_);
  if (--open_ == 0) idle_.notify_all();
}

void Session::check_may_wait() const { client_.check_may_wait(); }

}  // namespace atolldb::client
