#pragma once
// One client's connection without its socket: bytes in, requests out, answers in, bytes out. Commands that
// follow each other without waiting are sent on at once, and answered in their order.
//
// Bounds (G9): commands in work, output that the client has not taken, and input that waits for either. Past
// them nothing more is read, which TCP tells the client: a slow reader hurts only itself. How large replies
// will be is not known when commands begin: a connection begins with few at a time, and has as many in work
// as would fit if they were all like the largest of the latest replies.

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/prng.h"
#include "region/resp/command.h"
#include "region/resp/output.h"
#include "region/resp/parser.h"
#include "region/resp/session.h"

namespace atolldb::resp {

struct ConnectionLimits {
  ParserLimits parser;
  size_t pipeline_max = 1024;               // commands in work
  size_t pipeline_first = 4;                // before any has been answered; one more with each answer
  size_t output_bytes_max = 1u << 20;       // waiting: no further command is begun
  size_t output_bytes_pressed = 64u << 10;  // the same, while all connections together have too much
  size_t input_bytes_max = 256u << 10;      // waiting whole: nothing more is read
};

class Connection {
 public:
  // A request and where its answer belongs.
  struct Asked {
    uint32_t slot, number;
    region::Request request;
  };

  // `node` and `random` outlive the connection.
  Connection(uint64_t id, std::string peer, const Node& node, Prng& random, const ConnectionLimits& limits);
  ~Connection();
  Connection(Connection&&) = default;

  // Bytes that have arrived.
  void receive(BytesView bytes, std::vector<Asked>& asked);
  // The answer to what was asked. Another one to the same is ignored.
  void answer(uint32_t slot, uint32_t number, region::Response&& response, std::vector<Asked>& asked);
  // What is to be written, in order. `unwritten`: what was taken before and has not left yet.
  std::vector<Bytes> take_output();
  // `pressed`: all connections together have too much output that waits.
  void set_unwritten(size_t bytes, bool pressed, std::vector<Asked>& asked);

  bool has_output() const { return !output_.empty(); }
  bool takes_input() const { return !closing() && input_.size() - read_ < input_wanted(); }
  // Once all is answered and written.
  bool closing() const { return session_.closing; }
  bool finished() const { return closing() && slots_.empty() && output_.empty(); }
  bool idle() const { return slots_.empty() && input_.size() == read_; }
  // The beginning of a command waits for its end.
  bool is_half_sent() const { return input_.size() != read_ && !blocked(); }
  size_t input_bytes() const { return input_.capacity(); }
  size_t output_bytes() const { return output_bytes_ + ahead_bytes_; }  // not taken yet
  uint64_t commands() const { return commands_; }
  uint32_t first_slot() const { return first_slot_; }  // of the commands in work
  const Session& session() const { return session_; }

 private:
  struct Slot {
    Render render = nullptr;
    Call::Later later = nullptr;
    std::optional<region::Behind> behind;  // the furthest of its answers
    int64_t option = 0;
    std::unique_ptr<Conversation> conversation;
    Protocol protocol = Protocol::resp2;
    bool done = false;
    bool read = false;
    Hold held;     // by the request, until it is answered
    Output reply;  // rendered before its turn
    size_t reply_bytes = 0;
  };

  size_t input_wanted() const;
  bool blocked() const;
  size_t pipeline_max() const;
  void note_reply(size_t bytes);
  // Begins the commands that lie in `bytes`; how many bytes they were.
  size_t begin_commands(BytesView bytes, std::vector<Asked>& asked);
  void begin_command(std::vector<Asked>& asked);
  bool looks_at_all_keys(const std::vector<BytesView>& words) const;
  void begin_script(const Command& command, std::vector<Asked>& asked);
  void take_asked(uint32_t slot, Conversation& conversation, std::vector<Asked>& asked);
  void prepare(region::Request& request) const;
  void heard(Slot& slot, const region::Response& response);
  void reply_error(BytesView text);
  Output& output_for_new_slot(Slot& slot);
  void push_done(Slot&& slot);
  void finish_slots();
  void go_on(std::vector<Asked>& asked);

  const Node& node_;
  Prng& random_;
  const ConnectionLimits limits_;
  Session session_;
  CommandParser parser_;
  Bytes input_;      // what is not begun
  size_t read_ = 0;  // of input_
  std::deque<Slot> slots_;
  uint32_t first_slot_ = 0;          // the number of slots_.front()
  Conversation* barrier_ = nullptr;  // nothing is begun until it is done
  Output output_;
  size_t output_bytes_ = 0, ahead_bytes_ = 0, unwritten_ = 0;
  size_t answered_ = 0;     // up to pipeline_max
  size_t reply_bytes_ = 1;  // of the largest of the latest replies
  bool pressed_ = false;
  bool awaits_all_ = false;  // the next command begins when those in work are answered
  uint64_t commands_ = 0;
};

}  // namespace atolldb::resp
