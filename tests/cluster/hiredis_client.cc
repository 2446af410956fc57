// A program as hiredis' users write it: blocking calls, binary values, a pipeline. Ends 0 and says "hiredis:
// ok".

#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kCommands = 1000;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s does not hold\n", what);
  std::exit(1);
}

class Connection {
 public:
  explicit Connection(int port) : context_(redisConnect("127.0.0.1", port)) {
    expect(context_ != nullptr && context_->err == 0, "a connection");
  }
  ~Connection() { redisFree(context_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  template <typename... Words>
  redisReply* call(int type, const char* format, Words... words) {
    return check(type, format, static_cast<redisReply*>(redisCommand(context_, format, words...)));
  }
  void send(const char* format, int number) { redisAppendCommand(context_, format, number); }
  redisReply* read(int type) {
    void* reply = nullptr;
    expect(redisGetReply(context_, &reply) == REDIS_OK, "an answer to every command");
    return check(type, "a pipeline", static_cast<redisReply*>(reply));
  }

 private:
  redisReply* check(int type, const char* what, redisReply* reply) {
    if (reply != nullptr && reply->type == type) return reply;
    std::fprintf(stderr, "%s: found type %d (%s), expected %d\n", what, reply ? reply->type : -1,
                 reply && reply->str ? reply->str : context_->errstr, type);
    std::exit(1);
  }

  redisContext* context_;
};

// A counter for each port: another region's increments may still be on their way.
void use(Connection& connection, int port) {
  freeReplyObject(connection.call(REDIS_REPLY_INTEGER, "DEL hi:counter:%d", port));
  freeReplyObject(connection.call(REDIS_REPLY_STATUS, "SET hi:%b %b", "a\0b", size_t{3}, "c\0d", size_t{3}));
  redisReply* value = connection.call(REDIS_REPLY_STRING, "GET hi:%b", "a\0b", size_t{3});
  expect(value->len == 3 && std::memcmp(value->str, "c\0d", 3) == 0, "the value that was set");
  freeReplyObject(value);
  for (int i = 0; i < kCommands; ++i) connection.send("INCR hi:counter:%d", port);
  for (int i = 1; i <= kCommands; ++i) {
    redisReply* sum = connection.read(REDIS_REPLY_INTEGER);
    expect(sum->integer == i, "the sums in order");
    freeReplyObject(sum);
  }
  freeReplyObject(connection.call(REDIS_REPLY_NIL, "GET hi:nothing"));
  freeReplyObject(connection.call(REDIS_REPLY_ERROR, "LPUSH hi:list x"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int port = std::atoi(argv[1]);
  Connection connection(port);
  use(connection, port);
  std::puts("hiredis: ok");
  return 0;
}
