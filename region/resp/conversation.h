#pragma once
// Commands that take several requests, as coroutines: each is written as if it waited for its answers.
//
//   Script rename(Conversation& c) {
//     Response value = co_await c.ask(get(c.words[1]));
//     if (c.failed(value)) co_return;
//     ...
//     c.reply.ok();
//   }
//
// Sans-I/O: a script that asks stops; whoever drives the conversation takes the requests, sends them, and
// hands in each answer. One thread.

#include <coroutine>
#include <exception>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/prng.h"
#include "region/core/request.h"
#include "region/resp/output.h"
#include "region/resp/room.h"
#include "region/resp/writer.h"

namespace atolldb::resp {

class Conversation;

// The coroutine of one command; destroying it ends it wherever it waits.
class Script {
 public:
  struct promise_type {
    Script get_return_object() { return Script(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };

  explicit Script(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Script(Script&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Script& operator=(Script&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Script() {
    if (handle_) handle_.destroy();
  }
  bool done() const { return handle_.done(); }
  void resume() { handle_.resume(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

class Conversation {
 public:
  static constexpr size_t kAskedAtOnce = 256;
  // What the answers to one command's reads hold together; beyond, the rest of them are refused.
  static constexpr size_t kAnswerBytesMax = 64u << 20;
  // The same with what it takes to keep them apart, where they are many and small.
  static constexpr size_t kHeldBytesMax = 160u << 20;

  // `prng` and the room of `hold` outlive the conversation; `hold` has room for the command itself.
  Conversation(std::vector<Bytes>&& command, Protocol protocol, Prng& prng, Hold&& hold)
      : words(std::move(command)),
        reply(output, protocol),
        random(prng),
        hold_(std::move(hold)),
        command_bytes_(hold_.bytes()) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  const std::vector<Bytes> words;  // of the command, its name first
  Output output;
  Writer reply;
  Prng& random;

  // Answers in the order of the requests.
  auto ask_all(std::vector<region::Request>&& requests) {
    struct Awaiter {
      Conversation& c;
      bool await_ready() const { return c.asked_.empty(); }
      void await_suspend(std::coroutine_handle<>) {}
      std::vector<region::Response> await_resume() { return std::exchange(c.answers_, {}); }
    };
    begin(std::move(requests));
    return Awaiter{*this};
  }
  auto ask(region::Request&& request) {
    struct Awaiter {
      Conversation& c;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<>) {}
      region::Response await_resume() {
        region::Response answer = std::move(c.answers_.front());
        c.answers_.clear();
        return answer;
      }
    };
    std::vector<region::Request> one;
    one.push_back(std::move(request));
    begin(std::move(one));
    return Awaiter{*this};
  }
  // Of the answers to the last question, so much is kept while the next one is asked; without a word it is
  // all let go.
  void keep(const region::Response& answer);
  void keep(size_t bytes, size_t values);
  // True: it failed, and the reply says how.
  bool failed(const region::Response& response);
  bool any_failed(const std::vector<region::Response>& responses);

  // -- whoever drives it
  void run(Script&& script);
  // Requests to send, each with its number.
  struct Asked {
    uint32_t number;
    region::Request request;
  };
  std::vector<Asked> take_asked();
  // Each number is answered once.
  void answer(uint32_t number, region::Response&& response);
  bool done() const { return script_->done(); }
  // Something of what it asks has not been taken yet.
  bool has_more_to_ask() const { return sent_ < asked_.size(); }

 private:
  void begin(std::vector<region::Request>&& requests);
  // Refuses an answer for which there is no room.
  void bound(region::Response& response);

  std::optional<Script> script_;
  std::vector<region::Request> asked_;
  std::vector<region::Response> answers_;
  size_t sent_ = 0, answered_ = 0;
  Hold hold_;
  size_t command_bytes_;              // of hold_
  size_t kept_bytes_ = 0, kept_ = 0;  // of answers; the same with what keeps them apart
  size_t answer_bytes_ = 0;           // those that are kept, and those to the question that is open
};

}  // namespace atolldb::resp
