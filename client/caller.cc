#include "client/caller.h"

namespace atolldb::client {

void Caller::Open::add() {
  const std::lock_guard lock(mutex_);
  ++added_;
}

void Caller::Open::end() {
  const std::lock_guard lock(mutex_);
  ++ended_;
  changed_.notify_one();
}

size_t Caller::Open::ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

bool Caller::Open::wait_past(size_t ended) {
  std::unique_lock lock(mutex_);
  if (ended_ == ended && added_ == ended_ + 1) return false;
  changed_.wait(lock, [&] { return ended_ != ended; });
  return true;
}

void Caller::Open::wait_for_all() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return added_ == ended_; });
}

std::vector<Reply<Got>> Caller::mget(const std::vector<Bytes>& keys) {
  std::vector<Call<Got>> calls;
  calls.reserve(keys.size());
  for (const Bytes& key : keys) calls.push_back(calls::get(key));
  return run_all(std::move(calls));
}

std::vector<Reply<Unit>> Caller::mset(const calls::Fields& values) {
  std::vector<Call<Unit>> calls;
  calls.reserve(values.size());
  for (const auto& [key, value] : values) calls.push_back(calls::set(key, value));
  return run_all(std::move(calls));
}

}  // namespace atolldb::client
