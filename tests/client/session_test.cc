// Sessions over real sockets, against regions that are played by FakeNode: what leaves with a request, and
// what becomes of the tokens that come back.

#include "client/session.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/client/fake_node.h"
#include "tests/client/small_cluster.h"

namespace atolldb::client {
namespace {

using region::OnBehind;
using region::Outcome;
using region::Request;
using region::Response;
using region::Seen;

Bytes token_of(RegionId region, uint64_t stamp) {
  return region::format_token({{{region, stamp}, Bytes(region::TokenPiece::kMacBytes, 'm')}});
}

Seen seen_of(BytesView token) {
  Seen seen;
  if (token.empty()) return seen;
  const auto pieces = region::parse_token(token);
  REQUIRE(pieces);
  for (const auto& piece : *pieces) seen.push_back(piece.seen);
  return seen;
}

// Regions of one node each that answer at growing stamps; one that is behind does as the protocol says.
class Regions {
 public:
  explicit Regions(size_t count) : topology_(small_cluster(count, 1)), behind_(count) {
    for (topology::Node& node : topology_.nodes) {
      nodes_.push_back(std::make_unique<FakeNode>(
          [this, &node](const Request& request) { return answer(node, request); }));
      node.client.port = nodes_.back()->port();
    }
  }
  std::unique_ptr<Client> client(Options options = {.region = "eu"}) {
    auto opened = Client::open(topology_, options);
    REQUIRE(opened);
    return std::move(*opened);
  }
  void set_behind(size_t region, bool behind) { behind_[region] = behind; }
  std::vector<Request> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::optional<Response> answer(const topology::Node& node, const Request& request) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(request);
    Response out;
    out.node = out.coordinator = node.number;
    out.epoch = {3, node.number, 1};
    out.stamp_ms = 1'000;
    if (request.op == region::Op::smembers && request.args[0].empty()) out.value = "next";
    if (request.session) out.token = token_of(node.region, 100 + asked_.size());
    if (!behind_[raw(node.region)]) return out;
    out.behind = region::Behind{RegionId{0}, 250};
    out.stale = request.on_behind == OnBehind::stale;
    if (out.stale) return out;
    out.outcome = Outcome::rejected;
    out.code = Errc::behind;
    out.message = "us lacks 250 ms of eu";
    out.token.clear();
    return out;
  }

  std::mutex mutex_;
  std::vector<Request> asked_;
  topology::Topology topology_;
  std::vector<std::atomic<bool>> behind_;
  std::vector<std::unique_ptr<FakeNode>> nodes_;
};

}  // namespace

TEST_CASE("session: each request carries what the replies before it brought", "[client]") {
  Regions regions(2);
  const auto client = regions.client();
  Session session(*client);
  CHECK(session.token().empty());
  CHECK(session.set("k", "v").done());
  CHECK(session.get("k").done());
  const auto asked = regions.asked();
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].session);
  CHECK(asked[0].token.empty());
  CHECK(asked[1].token == token_of(RegionId{0}, 101));
  CHECK(session.token() == token_of(RegionId{0}, 102));
}

TEST_CASE("session: its client's other calls, no part of it", "[client]") {
  Regions regions(1);
  const auto client = regions.client();
  Session session(*client);
  CHECK(session.get("k").done());
  CHECK(client->get("k").done());
  CHECK_FALSE(regions.asked().back().session);
  CHECK(regions.asked().back().token.empty());
}

TEST_CASE("session: handed on as bytes, and joined with another one's", "[client]") {
  Regions regions(2);
  const auto eu = regions.client(), us = regions.client({.region = "us"});
  Session first(*eu), second(*us);
  CHECK(first.set("k", "v").done());
  CHECK(second.get("other").done());
  REQUIRE(second.join(first.token()));
  CHECK(seen_of(second.token()) == Seen{{RegionId{0}, 101}, {RegionId{1}, 102}});
  CHECK(second.get("k").done());
  CHECK(seen_of(regions.asked().back().token) == Seen{{RegionId{0}, 101}, {RegionId{1}, 102}});

  SECTION("an older token takes nothing back") {
    REQUIRE(second.join(token_of(RegionId{0}, 7)));
    CHECK(seen_of(second.token()).front().stamp == 101);
  }
  SECTION("what is no token is refused, and changes nothing") {
    const Bytes before = second.token();
    CHECK(second.join("nonsense").error().code == Errc::version);
    CHECK(second.join(before.substr(0, before.size() - 1)).error().code == Errc::corrupt);
    CHECK(second.token() == before);
  }
}

TEST_CASE("session: many calls at once, the highest stamps remain", "[client]") {
  Regions regions(1);
  const auto client = regions.client();
  Session session(*client);
  for (const auto& reply : session.mset({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}))
    CHECK(reply.done());
  CHECK(seen_of(session.token()) == Seen{{RegionId{0}, 104}});
}

TEST_CASE("session: the second page of a set knows what the first one saw", "[client]") {
  Regions regions(1);
  const auto client = regions.client();
  Session session(*client);
  CHECK(session.smembers("s").done());
  REQUIRE(regions.asked().size() == 2);
  CHECK(seen_of(regions.asked()[1].token) == Seen{{RegionId{0}, 101}});
}

TEST_CASE("session: the region is behind, as the caller chose", "[client]") {
  Regions regions(3);
  regions.set_behind(0, true);
  const auto client = regions.client();
  SECTION("wait: told by how much when the deadline has passed") {
    Session session(*client, WhenBehind::wait);
    const auto got = session.get("k");
    CHECK(regions.asked().back().on_behind == OnBehind::wait);
    CHECK(got.rejected());
    CHECK(got.code == Errc::behind);
    REQUIRE(got.behind.has_value());
    CHECK(got.behind->ms == 250);
    CHECK(session.token().empty());
  }
  SECTION("stale: marked, and by how much") {
    Session session(*client, WhenBehind::stale);
    const auto got = session.get("k");
    CHECK(got.done());
    CHECK(got.stale);
    CHECK(got.behind == region::Behind{RegionId{0}, 250});
  }
  SECTION("elsewhere: the next nearest region answers") {
    Session session(*client, WhenBehind::elsewhere);
    regions.set_behind(1, true);
    const auto got = session.set("k", "v");
    CHECK(got.done());
    CHECK(got.node == NodeNumber{3});
    CHECK(seen_of(session.token()).front().region == RegionId{2});
    CHECK(session.get("k").done());  // the home region is asked first again
    REQUIRE(regions.asked().size() == 6);
  }
  SECTION("elsewhere, and all are behind: it waits at home") {
    Session session(*client, WhenBehind::elsewhere);
    regions.set_behind(1, true);
    regions.set_behind(2, true);
    const auto got = session.get("k");
    CHECK(got.code == Errc::behind);
    const auto asked = regions.asked();
    REQUIRE(asked.size() == 4);
    CHECK(asked[2].on_behind == OnBehind::refuse);
    CHECK(asked[3].on_behind == OnBehind::wait);
    CHECK(got.node == NodeNumber{1});
  }
}

TEST_CASE("session: ended with calls under way, they are waited for", "[client]") {
  Regions regions(1);
  const auto client = regions.client();
  std::atomic<int> called{0};
  {
    Session session(*client);
    for (int i = 0; i < 500; ++i)
      session.start<Got>(calls::get("k" + std::to_string(i)),
                         [&](Reply<Got>&& reply) { called += reply.done(); });
  }
  CHECK(called == 500);
}

}  // namespace atolldb::client
