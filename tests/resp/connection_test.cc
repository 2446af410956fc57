// One connection against a node that answers when and in which order the test wants.

#include "region/resp/connection.h"

#include <catch2/catch.hpp>

#include "tests/resp/encode.h"

namespace atolldb::resp {
namespace {

using region::Op;
using region::Outcome;
using region::Response;

struct Fixture {
  Node node;
  Prng random{1};
  ConnectionLimits limits;
  std::optional<Connection> connection;
  std::vector<Connection::Asked> asked;

  Connection& get() {
    if (!connection) connection.emplace(1, "test:1", node, random, limits);
    return *connection;
  }
  void send(const std::vector<Bytes>& words) { get().receive(encode(words), asked); }
  Connection::Asked next() {
    REQUIRE_FALSE(asked.empty());
    Connection::Asked first = std::move(asked.front());
    asked.erase(asked.begin());
    return first;
  }
  void answer(const Connection::Asked& to, Response&& response) {
    get().answer(to.slot, to.number, std::move(response), asked);
  }
  void answer_value(const Connection::Asked& to, BytesView value) {
    Response response;
    response.found = true;
    response.value = value;
    answer(to, std::move(response));
  }
  Bytes output() {
    Bytes out;
    for (const Bytes& buffer : get().take_output()) out += buffer;
    get().set_unwritten(0, false, asked);
    return out;
  }
};

TEST_CASE("RESP connection: answers in any order, replies in the commands' order", "[resp]") {
  Fixture f;
  f.send({"GET", "a"});
  f.send({"GET", "b"});
  f.send({"PING"});
  const auto a = f.next(), b = f.next();
  CHECK(a.request.key == "a");
  CHECK(b.request.op == Op::get);
  f.answer_value(b, "2");
  CHECK(f.output().empty());
  f.answer_value(a, "1");
  CHECK(f.output() == "$1\r\n1\r\n$1\r\n2\r\n+PONG\r\n");
  f.answer_value(a, "again");
  CHECK(f.output().empty());
}

TEST_CASE("RESP connection: outcomes have first words of their own", "[resp]") {
  const auto reply_to = [](Outcome outcome, Errc code) {
    Fixture f;
    f.send({"GET", "a"});
    Response response;
    response.outcome = outcome;
    response.code = code;
    response.message = "why\r\nnot";
    f.answer(f.next(), std::move(response));
    return f.output();
  };
  CHECK(reply_to(Outcome::unknown, Errc::timeout) == "-UNKNOWN why  not\r\n");
  CHECK(reply_to(Outcome::rejected, Errc::busy) == "-BUSY why  not\r\n");
  CHECK(reply_to(Outcome::rejected, Errc::full) == "-FULL why  not\r\n");
  CHECK(reply_to(Outcome::rejected, Errc::unavailable) == "-UNAVAILABLE why  not\r\n");
  CHECK(reply_to(Outcome::rejected, Errc::wrong_type) == "-WRONGTYPE why  not\r\n");
}

TEST_CASE("RESP connection: a command of several steps, what follows waits for its end", "[resp]") {
  Fixture f;
  f.send({"SMOVE", "from", "to", "x"});
  f.send({"SET", "from", "1"});
  const auto from = f.next(), to = f.next();
  CHECK(f.asked.empty());
  CHECK_FALSE(f.get().idle());
  Response set;
  set.found = true;
  set.value = "set";
  f.answer(from, Response(set));
  f.answer(to, Response(set));
  Response yes;
  yes.found = true;
  yes.number = 1;
  for (const Op op : {Op::sismember, Op::sadd, Op::srem}) {
    const auto step = f.next();
    CHECK(step.request.op == op);
    CHECK(f.asked.empty());
    f.answer(step, Response(yes));
  }
  CHECK(f.output() == ":1\r\n");
  CHECK(f.next().request.op == Op::set);
}

TEST_CASE("RESP connection: many keys at once, asked in portions and answered together", "[resp]") {
  Fixture f;
  std::vector<Bytes> words = {"MGET"};
  for (int i = 0; i < 1000; ++i) words.push_back(std::to_string(i));
  f.send(words);
  CHECK(f.asked.size() == Conversation::kAskedAtOnce);
  for (int answered = 0; answered < 1000; ++answered) {
    auto last = std::move(f.asked.back());
    f.asked.pop_back();
    const Bytes key = last.request.key;
    f.answer_value(last, key);
    CHECK(f.asked.size() <= Conversation::kAskedAtOnce);
  }
  Bytes expected = "*1000\r\n";
  for (int i = 0; i < 1000; ++i)
    expected += "$" + std::to_string(std::to_string(i).size()) + "\r\n" + std::to_string(i) + "\r\n";
  CHECK(f.output() == expected);
}

TEST_CASE("RESP connection: a long pipeline, no more in work than its bound", "[resp]") {
  Fixture f;
  f.limits.pipeline_max = f.limits.pipeline_first = 10;
  f.limits.input_bytes_max = 1000;
  Bytes stream;
  for (int i = 0; i < 100; ++i) stream += encode({"GET", std::to_string(i)});
  f.get().receive(stream, f.asked);
  CHECK(f.asked.size() == 10);
  CHECK_FALSE(f.get().takes_input());
  Bytes output;
  for (int i = 0; i < 100; ++i) {
    const auto asked = f.next();
    CHECK(asked.request.key == std::to_string(i));
    f.answer_value(asked, "v");
    CHECK(f.asked.size() <= 10);
    output += f.output();
  }
  CHECK(output.size() == 100 * 7);
  CHECK(f.get().idle());
  CHECK(f.get().takes_input());
}

TEST_CASE("RESP connection: large replies, as many in work as would fit", "[resp]") {
  Fixture f;
  Bytes stream;
  for (int i = 0; i < 2000; ++i) stream += encode({"GET", std::to_string(i)});
  f.get().receive(stream, f.asked);
  CHECK(f.asked.size() == f.limits.pipeline_first);
  const auto answer_oldest = [&](size_t size) {
    f.answer_value(f.next(), Bytes(size, 'v'));
    for (const Bytes& buffer : f.get().take_output()) CHECK_FALSE(buffer.empty());
    f.get().set_unwritten(0, false, f.asked);
  };
  for (int i = 0; i < 100; ++i) answer_oldest(10);
  CHECK(f.asked.size() == f.limits.pipeline_first + 100);
  while (f.asked.size() > 1) {  // one large reply, and nothing is begun until those in work would fit
    const size_t in_work = f.asked.size();
    answer_oldest(f.limits.output_bytes_max);
    CHECK(f.asked.size() == in_work - 1);
  }
  for (int i = 0; i < 200; ++i) answer_oldest(10);  // the large one fades
  CHECK(f.asked.size() > 200);
}

TEST_CASE("RESP connection: too much waits for all clients together, only who reads goes on", "[resp]") {
  Fixture f;
  f.get().set_unwritten(f.limits.output_bytes_pressed, true, f.asked);
  f.send({"GET", "a"});
  CHECK(f.asked.empty());
  f.get().set_unwritten(f.limits.output_bytes_pressed - 1, true, f.asked);
  CHECK(f.asked.size() == 1);
}

TEST_CASE("RESP connection: the values of one command are too large together, it is refused", "[resp]") {
  Fixture f;
  f.send({"MGET", "a", "b", "c"});
  for (int i = 0; i < 3; ++i) f.answer_value(f.next(), Bytes(Conversation::kAnswerBytesMax / 2, 'v'));
  const Bytes output = f.output();
  CHECK(output.substr(0, 5) == "-ERR ");
  CHECK(output.find("64 MiB") != Bytes::npos);
}

TEST_CASE("RESP connection: more keys than are asked at once, nothing overtakes the rest", "[resp]") {
  Fixture f;
  std::vector<Bytes> words = {"MSET"};
  for (int i = 0; i < 300; ++i) words.insert(words.end(), {std::to_string(i), "v"});
  f.send(words);
  f.send({"GET", "299"});
  CHECK(f.asked.size() == Conversation::kAskedAtOnce);
  for (int i = 0; i < 300; ++i) {
    const auto set = f.next();
    CHECK(set.request.key == std::to_string(i));
    f.answer(set, Response());
  }
  const auto get = f.next();
  CHECK(get.request.op == Op::get);
  f.answer_value(get, "v");
  CHECK(f.output() == "+OK\r\n$1\r\nv\r\n");
}

TEST_CASE("RESP connection: a set of many pages, what they hold together is bounded", "[resp][G9]") {
  Fixture f;
  for (const char* command : {"SMEMBERS", "HGETALL", "HKEYS", "SINTER"}) {
    INFO(command);
    f.send({command, "large"});
    int pages = 0;
    while (!f.asked.empty()) {
      REQUIRE(++pages < 100);
      Response page;
      page.values = {std::to_string(pages), Bytes(1u << 20, 'v'), "x", Bytes(1u << 20, 'w')};
      page.value = "there is more";
      f.answer(f.next(), std::move(page));
    }
    CHECK(pages <= 33);
    CHECK(f.output().starts_with("-ERR "));
    CHECK(f.node.room->bytes() == 0);
  }
}

TEST_CASE("RESP connection: members at random are larger together than a reply may be, refused",
          "[resp][G9]") {
  Fixture f;
  for (const std::vector<Bytes>& words : std::vector<std::vector<Bytes>>{
           {"SRANDMEMBER", "k", "-100000"}, {"HRANDFIELD", "k", "-100000", "WITHVALUES"}}) {
    f.send(words);
    while (!f.asked.empty()) {
      Response page;
      page.values = {Bytes(1u << 10, 'm'), Bytes(1u << 10, 'v')};
      f.answer(f.next(), std::move(page));
    }
    CHECK(f.output() == Bytes("-") + kTooManyAgain + "\r\n");
  }
}

TEST_CASE("RESP connection: commands of all connections fill the room, busy and nothing is asked",
          "[resp][G9]") {
  Fixture f, other;
  f.node.room = other.node.room = std::make_shared<Room>(10u << 20);
  for (int i = 0; i < 3; ++i) f.send({"SET", "k", Bytes(3u << 20, 'v')});
  CHECK(f.asked.size() == 3);
  other.send({"SET", "k", Bytes(3u << 20, 'v')});
  other.send({"MSET", "k", Bytes(1u << 20, 'v')});
  CHECK(other.asked.empty());
  const Bytes refused = other.output();
  CHECK(refused.starts_with("-BUSY "));
  CHECK(refused.find("-BUSY ", 1) != Bytes::npos);
  other.send({"SET", "k", "small"});  // what is small is not shut out
  CHECK(other.asked.size() == 1);
  f.answer(f.next(), Response());
  other.send({"SET", "k", Bytes(3u << 20, 'v')});
  CHECK(other.asked.size() == 2);
  f.connection.reset();  // it has gone, with what it had in work
  other.connection.reset();
  CHECK(other.node.room->bytes() == 0);
}

TEST_CASE("RESP connection: replies that nobody takes fill the room, a large one more is refused",
          "[resp][G9]") {
  Fixture f;
  f.node.room = std::make_shared<Room>(10u << 20);
  f.node.room->set_unread(8u << 20);
  f.send({"GET", "a"});
  f.send({"GET", "b"});
  f.send({"GETDEL", "c"});
  f.answer_value(f.next(), Bytes(3u << 20, 'v'));
  f.answer_value(f.next(), "small");
  f.answer_value(f.next(), Bytes(3u << 20, 'v'));  // it is gone: only this reply has it
  const Bytes output = f.output();
  CHECK(output.starts_with("-BUSY "));
  CHECK(output.find("$5\r\nsmall\r\n$3145728\r\n") != Bytes::npos);
}

TEST_CASE("RESP connection: a command of more keys than one may have, refused before it costs",
          "[resp][G9]") {
  Fixture f;
  std::vector<Bytes> words(200'000, "k");
  words.front() = "DEL";
  f.send(words);
  CHECK(f.asked.empty());
  CHECK(f.output() == "-ERR found 200000 words, expected at most 131072 in a command of several keys\r\n");
  words.front() = "SADD";  // is one request
  f.send(words);
  CHECK(f.asked.size() == 1);
}

TEST_CASE("RESP connection: a command about all keys begins when those before it are answered", "[resp]") {
  Fixture f;
  f.node.partitions = 1;
  f.send({"SETNX", "a", "1"});
  f.send({"SET", "b", "2"});
  f.send({"DBSIZE"});
  f.send({"GET", "a"});
  const auto a = f.next(), b = f.next();
  CHECK(f.asked.empty());
  f.answer(b, Response());
  CHECK(f.asked.empty());
  f.answer(a, Response());
  const auto keys = f.next();
  CHECK(keys.request.op == Op::keys);
  CHECK(f.asked.empty());
  Response two;
  two.values = {"a", "string", "b", "string"};
  f.answer(keys, std::move(two));
  CHECK(f.next().request.key == "a");
  const Bytes output = f.output();
  CHECK(output.substr(output.size() - 4) == ":2\r\n");
}

TEST_CASE("RESP connection: a client that does not read, nothing more is begun", "[resp]") {
  Fixture f;
  f.limits.output_bytes_max = 100;
  f.send({"ECHO", Bytes(200, 'x')});
  f.send({"GET", "a"});
  CHECK(f.asked.empty());
  for (const Bytes& buffer : f.get().take_output()) CHECK(buffer.size() > 200);
  f.get().set_unwritten(150, false, f.asked);
  CHECK(f.asked.empty());
  f.get().set_unwritten(50, false, f.asked);
  CHECK(f.asked.size() == 1);
}

TEST_CASE("RESP connection: an increment that was counted before its sum was told, no sum is made up",
          "[resp][G4]") {
  Fixture f;
  f.send({"INCR", "n"});
  f.send({"HINCRBY", "m", "f", "2"});
  f.answer(f.next(), Response());
  f.answer(f.next(), Response());
  const Bytes output = f.output();
  CHECK(output.starts_with("-COUNTED "));
  CHECK(output.find("-COUNTED ", 1) != Bytes::npos);
}

TEST_CASE("RESP connection: broken input, what came before is answered and then the end", "[resp]") {
  Fixture f;
  f.send({"GET", "a"});
  f.get().receive("*1\r\nx", f.asked);
  CHECK(f.get().closing());
  CHECK_FALSE(f.get().finished());
  f.answer_value(f.next(), "1");
  CHECK(f.output() == "$1\r\n1\r\n-ERR Protocol error: expected '$', got 'x'\r\n");
  CHECK(f.get().finished());
}

TEST_CASE("RESP connection: HELLO 3, replies in the new form from there on", "[resp]") {
  Fixture f;
  f.send({"GET", "a"});
  f.send({"HELLO", "3"});
  f.send({"GET", "b"});
  const auto a = f.next(), b = f.next();
  f.answer(a, Response());
  f.answer(b, Response());
  const Bytes output = f.output();
  CHECK(output.substr(0, 5) == "$-1\r\n");
  CHECK(output.substr(output.size() - 3) == "_\r\n");
}

TEST_CASE("RESP connection: large values, in buffers of their own", "[resp]") {
  Fixture f;
  f.send({"GET", "a"});
  Response response;
  response.found = true;
  response.value = Bytes(1 << 20, 'v');
  const char* memory = response.value.data();
  f.answer(f.next(), std::move(response));
  const auto buffers = f.get().take_output();
  REQUIRE(buffers.size() == 3);
  CHECK(buffers[1].data() == memory);
}

TEST_CASE("RESP commands: every one of them has a name in order and words to say", "[resp]") {
  const auto commands = all_commands();
  REQUIRE(commands.size() > 80);
  for (size_t i = 0; i < commands.size(); ++i) {
    INFO(commands[i].name);
    CHECK((i == 0 || BytesView(commands[i - 1].name) < commands[i].name));
    CHECK((commands[i].run == nullptr) != (commands[i].script == nullptr));
    CHECK(BytesView(commands[i].summary).size() > 5);
    CHECK(find_command(commands[i].name) == &commands[i]);
  }
  CHECK(find_command("GeT") != nullptr);
  CHECK(find_command("getx") == nullptr);
  CHECK(find_command(Bytes(1000, 'x')) == nullptr);
}

// A node whose tokens are the stamps themselves.
struct SessionFixture : Fixture {
  SessionFixture() {
    node.region_id = RegionId{1};
    node.region_name = [](RegionId region) { return region == RegionId{0} ? "eu" : "us"; };
    node.make_token = [](const region::Seen& seen) {
      Bytes out(1, '\1');
      for (const region::SeenIn& one : seen) {
        out.push_back(static_cast<char>(raw(one.region)));
        out.push_back(static_cast<char>(one.stamp));
      }
      return out;
    };
    node.open_token = [](BytesView token) -> Result<region::Seen> {
      if (token.front() != '\1') return {Errc::corrupt, "token: found another one"};
      region::Seen out;
      for (size_t i = 1; i + 1 < token.size(); i += 2)
        region::join(out, {RegionId{static_cast<uint16_t>(token[i])}, static_cast<uint64_t>(token[i + 1])});
      return out;
    };
  }
  Bytes token(const region::Seen& seen) const { return region::token_text(node.make_token(seen)); }
  static Bytes bulk(const Bytes& text) { return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n"; }
  void answer_at(const Connection::Asked& to, uint64_t stamp) {
    Response response;
    response.seen = stamp;
    response.number = 1;  // SET has set
    answer(to, std::move(response));
  }
};

TEST_CASE("RESP connection: its token has what the commands before it were answered at", "[resp][G8]") {
  SessionFixture f;
  f.send({"ATOLL.TOKEN"});
  CHECK(f.output() == SessionFixture::bulk(f.token({})));
  f.send({"SET", "a", "1"});
  f.send({"SET", "b", "2"});
  f.send({"ATOLL.TOKEN"});
  f.send({"SET", "c", "3"});
  const auto a = f.next(), b = f.next(), c = f.next();
  CHECK(a.request.session);
  CHECK(a.request.seen.empty());  // its own region answers for itself
  f.answer_at(c, 9);
  f.answer_at(b, 5);
  CHECK(f.output().empty());
  f.answer_at(a, 4);
  CHECK(f.output() == "+OK\r\n+OK\r\n" + SessionFixture::bulk(f.token({{RegionId{1}, 9}})) + "+OK\r\n");
}

TEST_CASE("RESP connection: goes on with a token, its requests say what it has seen", "[resp][G8]") {
  SessionFixture f;
  f.send({"ATOLL.TOKEN", f.token({{RegionId{0}, 7}}), "stale"});
  CHECK(f.output() == "+OK\r\n");
  f.send({"GET", "a"});
  const auto a = f.next();
  CHECK(a.request.seen == region::Seen{{RegionId{0}, 7}});
  CHECK(a.request.on_behind == region::OnBehind::stale);
  Response stale;
  stale.seen = 8;
  stale.stale = true;
  stale.behind = region::Behind{RegionId{0}, 1200};
  f.answer(a, std::move(stale));
  f.output();
  f.send({"ATOLL.TOKEN", "BEHIND"});
  CHECK(f.output() == "*2\r\n$2\r\neu\r\n:1200\r\n");
  f.send({"MGET", "a", "b"});
  const auto first = f.next(), second = f.next();
  CHECK(second.request.seen == region::Seen{{RegionId{0}, 7}, {RegionId{1}, 8}});
  f.answer_at(first, 9);
  f.answer_at(second, 10);
  f.output();
  f.send({"ATOLL.TOKEN", "BEHIND"});
  CHECK(f.output() == "$-1\r\n");
  f.send({"ATOLL.TOKEN"});
  CHECK(f.output() == SessionFixture::bulk(f.token({{RegionId{0}, 7}, {RegionId{1}, 10}})));
  f.send({"ATOLL.TOKEN", "FAIL"});
  f.send({"GET", "a"});
  CHECK(f.next().request.on_behind == region::OnBehind::refuse);
  f.send({"RESET"});
  f.send({"GET", "a"});
  CHECK(f.next().request.seen.empty());
}

TEST_CASE("RESP connection: a token that is none, an error and nothing has changed", "[resp][G8][G10]") {
  SessionFixture f;
  for (const std::vector<Bytes>& words :
       std::vector<std::vector<Bytes>>{{"ATOLL.TOKEN", "A"},
                                       {"ATOLL.TOKEN", "Ag"},
                                       {"ATOLL.TOKEN", f.token({{RegionId{0}, 7}}), "NEVER"},
                                       {"ATOLL.TOKEN", f.token({{RegionId{0}, 7}}), "STALE", "FAIL"}}) {
    f.send(words);
    CHECK(f.output().starts_with("-ERR "));
  }
  f.send({"GET", "a"});
  const auto a = f.next();
  CHECK(a.request.seen.empty());
  CHECK(a.request.on_behind == region::OnBehind::wait);
}

}  // namespace
}  // namespace atolldb::resp
