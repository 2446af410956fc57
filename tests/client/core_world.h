#pragma once
// A client's core and a network as the test wants it, and the requests and answers that tests play with.

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "client/core.h"
#include "region/core/request_codec.h"
#include "tests/client/small_cluster.h"

namespace atolldb::client {

using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

inline CoreConfig config_of(size_t regions) {
  CoreConfig config;
  for (size_t i = 0; i < regions; ++i) config.regions.push_back(RegionId{static_cast<uint16_t>(i)});
  config.seed = 7;
  return config;
}

// A core, and the network as the test wants it: links open unless their node is in `dead`; what leaves stands
// in `sent` until the test answers it.
struct World {
  explicit World(size_t regions = 1, CoreConfig config = {})
      : topology(small_cluster(regions)), core(with_regions(config, regions), topology) {}
  static CoreConfig with_regions(CoreConfig config, size_t regions) {
    config.regions = config_of(regions).regions;
    config.seed = 7;
    return config;
  }

  struct Sent {
    LinkId link;
    NodeNumber node;
    Request request;
  };

  void submit(Request request, Target target = {}) {
    const size_t mine = answers.size();
    answers.emplace_back();
    REQUIRE(core.submit(now, std::move(request), target, [this, mine](Response&& response) {
      REQUIRE_FALSE(answers[mine].has_value());
      answers[mine] = std::move(response);
    }));
    settle();
  }
  void settle() {
    for (bool more = true; more;) {
      more = false;
      for (Completion& one : core.take_completions()) one.callback(std::move(one.response)), more = true;
      for (const LinkId link : core.take_opens()) {
        more = true;
        if (dead.contains(core.node_of(link)))
          core.handle_link_down(now, link, "connection refused");
        else if (slow_open > Duration{})
          opening.emplace_back(now + slow_open, link);
        else
          core.handle_link_up(now, link), open.insert(link.index);
      }
      for (const LinkId link : core.take_ready()) more |= take(link);
    }
  }
  bool take(LinkId link) {
    bool any = false;
    for (Bytes frame = core.take_frame(now, link); !frame.empty(); frame = core.take_frame(now, link)) {
      auto requests = region::decode_requests(frame);
      REQUIRE(requests);
      for (Request& request : *requests)
        (request.op == Op::ping ? signs : sent).push_back({link, core.node_of(link), std::move(request)});
      any = true;
    }
    return any;
  }
  Sent next_sent() {
    REQUIRE_FALSE(sent.empty());
    Sent out = std::move(sent.front());
    sent.pop_front();
    return out;
  }
  void answer(const Sent& to, Response response) {
    response.correlation = to.request.correlation;
    core.handle_response(now, to.link, std::move(response));
    settle();
  }
  void lose_if_open(LinkId link) {
    if (open.erase(link.index) > 0) lose(link);
  }
  void lose(LinkId link) {
    core.handle_link_down(now, link, "connection lost");
    settle();
  }
  void pass(Duration time) {
    const Instant end = now + time;
    for (;;) {
      const Instant up = opening.empty() ? Instant::never() : opening.front().first;
      const Instant next = std::min(core.next_deadline(), up);
      if (next > end) break;
      now = std::max(now, next);
      if (up <= now) {
        core.handle_link_up(now, opening.front().second);
        opening.pop_front();
      }
      core.handle_tick(now);
      settle();
    }
    now = end;
  }
  const Response& last() {
    REQUIRE_FALSE(answers.empty());
    REQUIRE(answers.back().has_value());
    return *answers.back();
  }

  topology::Topology topology;
  Core core;
  Instant now{1'000'000'000};
  std::set<NodeNumber> dead;
  std::set<uint32_t> open;
  Duration slow_open;  // how long a link takes to open
  std::deque<std::pair<Instant, LinkId>> opening;
  std::deque<Sent> sent, signs;  // requests; questions for a sign of life
  std::vector<std::optional<Response>> answers;
};

inline Response done() { return {}; }
inline Response refused(Outcome outcome, Errc code) {
  Response response;
  response.outcome = outcome;
  response.code = code;
  response.message = "for a reason";
  return response;
}
inline Response rejected(Errc code) { return refused(Outcome::rejected, code); }
inline Response under(Epoch epoch, Response response) {
  response.epoch = epoch;
  response.coordinator = epoch.node;
  response.stamp_ms = 5'000;
  return response;
}

inline const Epoch kFirst{1, NodeNumber{1}, 1};
inline const Epoch kSecond{2, NodeNumber{2}, 1};

inline Request get(Bytes key = "k") { return {.op = Op::get, .key = std::move(key)}; }
inline Request set(Bytes key = "k") { return {.op = Op::set, .key = std::move(key), .value = "v"}; }
inline Request add(Bytes key = "k") { return {.op = Op::add, .key = std::move(key), .amount = 1}; }

inline NodeNumber other_than(NodeNumber a, NodeNumber b = {}) {
  for (uint16_t n = 1; n <= 3; ++n)
    if (NodeNumber{n} != a && NodeNumber{n} != b) return NodeNumber{n};
  return {};
}

}  // namespace atolldb::client
