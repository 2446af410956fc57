// The laws of a delta CRDT (Almeida, Shoker and Baquero, 2018): merging is commutative, associative and
// idempotent, and a delta does what the full mutation does.
#include <rapidcheck.h>

#include <catch2/catch.hpp>

#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

// Writes at three sites that pass some of them on; all that was sent, in the order of writing.
std::vector<Delta> random_history(std::vector<std::unique_ptr<Site>>& sites) {
  std::vector<Delta> sent;
  for (uint16_t i = 1; i <= 3; ++i) sites.push_back(std::make_unique<Site>(i));
  for (int n = *rc::gen::inRange(1, 14); n > 0; --n) {
    Site& site = *sites[*rc::gen::inRange<size_t>(0, 3)];
    const Dot dot = site.dot();
    const Hlc hlc{*rc::gen::inRange<uint64_t>(1, 5)};  // ties and disorder on purpose
    const auto mutate = [&]() -> Result<Mutation> {
      switch (*rc::gen::inRange(0, 8)) {
        case 0:
          return site.replica.set("k", "1", dot, hlc);
        case 1:
          return site.replica.set("k", "x", dot, hlc);
        case 2:
          return site.replica.del("k", dot, hlc);
        case 3:
          return site.replica.add("k", 5, dot, hlc);
        case 4:
          return site.replica.sadd("k", {"a", "b"}, dot, hlc);
        case 5:
          return site.replica.srem("k", {"a"}, dot, hlc);
        case 6:
          return site.replica.clear("k", dot, hlc);
        default:
          return site.replica.set_with_context("k", "2", site.named("k"), dot, hlc);
      }
    };
    const Result<Mutation> found = mutate();
    if (!found || !found->delta) {
      --site.counter;
    } else {
      site.replica.apply(*found->delta);
      sent.push_back(*found->delta);
    }
    if (!sent.empty() && *rc::gen::inRange(0, 2) == 0)
      sites[*rc::gen::inRange<size_t>(0, 3)]->replica.apply(sent[*rc::gen::inRange<size_t>(0, sent.size())]);
  }
  return sent;
}

std::vector<size_t> shuffled(size_t count) {
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = i;
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[*rc::gen::inRange<size_t>(0, i)]);
  return order;
}

}  // namespace

TEST_CASE("Replica: all deltas in any order with duplicates, the same bytes", "[crdt]") {
  REQUIRE(rc::check([] {
    std::vector<std::unique_ptr<Site>> sites;
    const std::vector<Delta> sent = random_history(sites);
    Site in_order(8), in_disorder(9);
    for (const Delta& delta : sent) in_order.replica.apply(delta);
    for (const size_t i : shuffled(sent.size())) {
      in_disorder.replica.apply(sent[i]);
      in_disorder.replica.apply(sent[*rc::gen::inRange<size_t>(0, sent.size())]);
    }
    RC_ASSERT(in_order.everything() == in_disorder.everything());
  }));
}

TEST_CASE("Replica: a delta that was applied, changes nothing the second time", "[crdt]") {
  REQUIRE(rc::check([] {
    std::vector<std::unique_ptr<Site>> sites;
    const std::vector<Delta> sent = random_history(sites);
    Site site(9);
    for (const size_t i : shuffled(sent.size())) {
      RC_ASSERT(site.replica.apply(sent[i]));
      const Bytes before = site.everything();
      const uint64_t puts = site.rows.puts;
      RC_ASSERT_FALSE(site.replica.apply(sent[i]));
      RC_ASSERT(site.everything() == before);
      RC_ASSERT(site.rows.puts == puts);
    }
  }));
}

TEST_CASE("coalesce: any grouping of deltas, does what they do one by one", "[crdt]") {
  REQUIRE(rc::check([] {
    std::vector<std::unique_ptr<Site>> sites;
    const std::vector<Delta> sent = random_history(sites);
    if (sent.empty()) return;
    Site one_by_one(8), together(9);
    std::optional<Delta> waiting;
    for (const size_t i : shuffled(sent.size())) {
      one_by_one.replica.apply(sent[i]);
      waiting = waiting ? coalesce(*waiting, sent[i]) : sent[i];
      const Result<Delta> back = decode_delta(encode(*waiting));
      RC_ASSERT((back ? "" : back.error().message) == "");
      RC_ASSERT(encode(*back) == encode(*waiting));
      if (*rc::gen::inRange(0, 3) > 0) continue;
      together.replica.apply(*waiting);
      waiting.reset();
    }
    if (waiting) together.replica.apply(*waiting);
    RC_ASSERT(one_by_one.everything() == together.everything());
  }));
}

TEST_CASE("coalesce: associative", "[crdt]") {
  REQUIRE(rc::check([] {
    std::vector<std::unique_ptr<Site>> sites;
    const std::vector<Delta> sent = random_history(sites);
    if (sent.size() < 3) return;
    const std::vector<size_t> order = shuffled(sent.size());
    const Delta &a = sent[order[0]], &b = sent[order[1]], &c = sent[order[2]];
    Site left(8), right(9);
    left.replica.apply(coalesce(coalesce(a, b), c));
    right.replica.apply(coalesce(a, coalesce(b, c)));
    RC_ASSERT(left.everything() == right.everything());
  }));
}

TEST_CASE("Replica: deltas and complete exchanges, the same live rows", "[crdt]") {
  REQUIRE(rc::check([] {
    std::vector<std::unique_ptr<Site>> sites;
    const std::vector<Delta> sent = random_history(sites);
    Site by_delta(8), by_exchange(9);
    for (const size_t i : shuffled(sent.size())) by_delta.replica.apply(sent[i]);
    for (const size_t i : {0, 1, 2, 0}) exchange(*sites[i], by_exchange, *rc::gen::inRange<size_t>(1, 400));
    RC_ASSERT(by_delta.replica.clock() == by_exchange.replica.clock());
    RC_ASSERT(by_delta.replica.digest() == by_exchange.replica.digest());
  }));
}

TEST_CASE("Replica: state and rows brought back, go on as if nothing had been", "[crdt]") {
  REQUIRE(rc::check([] {
    std::vector<std::unique_ptr<Site>> sites;
    const std::vector<Delta> sent = random_history(sites);
    Site straight(8), restarted(9);
    for (const size_t i : shuffled(sent.size())) {
      straight.replica.apply(sent[i]);
      restarted.replica.apply(sent[i]);
      const Bytes state = restarted.replica.encode_state();
      restarted.replica.reset();
      RC_ASSERT(restarted.replica.digest() == Digest{});
      RC_ASSERT(restarted.replica.restore(state).has_value());
    }
    RC_ASSERT(straight.everything() == restarted.everything());
  }));
}
