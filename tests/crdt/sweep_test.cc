// Clears of collections that are too large to go at once (docs/decisions/0018): nothing but the digest may
// tell the difference, whatever happens between two steps.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

constexpr size_t kAtOnce = 3;

std::vector<Bytes> names(size_t count) {
  std::vector<Bytes> out;
  for (size_t i = 0; i < count; ++i) out.push_back("element" + std::to_string(i));
  return out;
}

std::vector<BytesView> views(const std::vector<Bytes>& of) { return {of.begin(), of.end()}; }

size_t item_rows(const Site& site) {
  return static_cast<size_t>(std::count_if(site.rows.rows.begin(), site.rows.rows.end(), [](const auto& row) {
    return is_item(parse_row_key(row.first)->name.tag);
  }));
}

std::vector<Bytes> members(Site& site, BytesView key) {
  auto page = site.replica.members(key, {}, 1000);
  REQUIRE(page);
  std::sort(page->elements.begin(), page->elements.end());
  return page->elements;
}

// As every read tells it.
void require_members(Site& site, BytesView key, const std::vector<Bytes>& expected) {
  REQUIRE(members(site, key) == expected);
  REQUIRE(*site.replica.count_members(key) == expected.size());
  REQUIRE(site.replica.type(key) == (expected.empty() ? Type::none : Type::set));
  REQUIRE(site.replica.read(key)->type == site.replica.type(key));
  REQUIRE(site.replica.inspect(key, 100).element_count == expected.size());
  for (const Bytes& element : expected) REQUIRE(*site.replica.contains(key, element));
  REQUIRE_FALSE(*site.replica.contains(key, "element0"));
}

void finish(Site& site) {
  for (size_t steps = 0; site.replica.sweeping(); ++steps) {
    REQUIRE(steps < 1000);
    site.replica.sweep(2);
  }
}

// Its rows and what a checkpoint keeps, in another process.
std::unique_ptr<Site> restarted(const Site& site, size_t at_once = kAtOnce) {
  auto out = std::make_unique<Site>(raw(site.actor.node), at_once);
  out->rows.rows = site.rows.rows;
  out->counter = site.counter;
  out->actor.start = site.actor.start + 1;
  REQUIRE(out->replica.restore(site.replica.encode_state()));
  return out;
}

}  // namespace

TEST_CASE("clear in steps: a large set, nothing is shown from the first moment on", "[crdt]") {
  Site site(1, kAtOnce);
  site.sadd("s", views(names(20)));
  REQUIRE(site.clear("s").count == 20);
  REQUIRE(site.replica.sweeping());
  REQUIRE(item_rows(site) == 20);
  require_members(site, "s", {});
  for (size_t left = 20; left > 2; left -= 3) {
    site.replica.sweep(3);
    require_members(site, "s", {});
    REQUIRE(item_rows(site) == left - 3);
  }
  site.replica.sweep(3);
  REQUIRE_FALSE(site.replica.sweeping());
  REQUIRE(site.rows.rows.empty());
  REQUIRE(site.replica.digest() == Digest{});
}

TEST_CASE("clear in steps: a small set, goes at once", "[crdt]") {
  Site site(1, kAtOnce);
  site.sadd("s", views(names(kAtOnce)));
  site.del("s");
  REQUIRE_FALSE(site.replica.sweeping());
  REQUIRE(site.rows.rows.empty());
}

TEST_CASE("clear in steps: a set of thousands, few of its rows are looked at", "[crdt]") {
  Site site(1, kAtOnce), other(2, kAtOnce);
  other.take(site.sadd("s", views(names(5000))));
  const auto visited = [](Site& at, auto&& work) {
    const uint64_t before = at.rows.visited;
    work();
    return at.rows.visited - before;
  };
  Mutation del;
  REQUIRE(visited(site, [&] { del = site.del("s"); }) < 20);
  REQUIRE(visited(other, [&] { other.take(del); }) < 20);
  for (Site* at : {&site, &other}) {
    REQUIRE(visited(*at, [&] { require_members(*at, "s", {}); }) < 5020);  // inspect() alone looks at all
    REQUIRE(visited(*at, [&] { at->sadd("s", {"new"}); }) < 20);
    REQUIRE(visited(*at, [&] { REQUIRE(at->replica.type("s") == Type::set); }) < 20);
    REQUIRE(visited(*at, [&] { REQUIRE(members(*at, "s") == std::vector<Bytes>{"new"}); }) < 20);
    REQUIRE(visited(*at, [&] { REQUIRE(*at->replica.count_members("s") == 1); }) < 20);
    REQUIRE(visited(*at, [&] { at->set("s", "v"); }) < 20);
    REQUIRE(visited(*at, [&] { at->replica.sweep(10); }) < 20);
    REQUIRE(at->get("s") == "v");
  }
}

TEST_CASE("clear in steps: writes between the steps, are as if the rows had gone at once", "[crdt]") {
  for (size_t when = 0; when <= 10; ++when) {
    Site site(1, kAtOnce);
    site.sadd("s", views(names(20)));
    site.del("s");
    for (size_t step = 0; step < when; ++step) site.replica.sweep(2);
    REQUIRE(site.sadd("s", {"element7", "new"}).count == 2);
    require_members(site, "s", {"element7", "new"});
    REQUIRE(site.srem("s", {"element7", "element8"}).count == 1);
    require_members(site, "s", {"new"});
    site.sadd("s", {"another"});
    REQUIRE(site.del("s").count == 1);  // again, and what came in between goes, too
    require_members(site, "s", {});
    site.sadd("s", {"last"});
    finish(site);
    require_members(site, "s", {"last"});
    REQUIRE(item_rows(site) == 1);
  }
}

TEST_CASE("clear in steps: an add that it had not seen, stays at every step", "[crdt]") {
  Site a(1, kAtOnce), b(2, kAtOnce);
  const Mutation adds = a.sadd("s", views(names(12)));
  b.take(adds);
  const Mutation unseen = b.sadd("s", {"element0", "unseen"});
  const Mutation clear = a.clear("s");
  b.take(clear);
  REQUIRE(b.replica.sweeping());
  for (int step = 0; step < 8; ++step) {
    REQUIRE(members(b, "s") == std::vector<Bytes>{"element0", "unseen"});
    REQUIRE(b.replica.type("s") == Type::set);
    b.replica.sweep(2);
  }
  REQUIRE_FALSE(b.replica.sweeping());
  a.take(unseen);
  finish(a);
  REQUIRE(members(a, "s") == std::vector<Bytes>{"element0", "unseen"});
  REQUIRE(a.replica.digest() == b.replica.digest());
}

TEST_CASE("clear in steps: adds that come late, before and after the last step, do not come back", "[crdt]") {
  Site a(1, kAtOnce), b(2, kAtOnce);
  const std::vector<Bytes> all = names(12);
  std::vector<Mutation> sent;
  for (const Bytes& element : all) sent.push_back(a.sadd("s", {element}));
  const Mutation clear = a.clear("s");
  for (size_t i = 0; i < 8; ++i) b.take(sent[i]);
  b.take(clear);
  REQUIRE(b.replica.sweeping());
  b.take(sent[8]);
  require_members(b, "s", {});
  b.replica.sweep(3);
  b.take(sent[9]);
  require_members(b, "s", {});
  finish(b);
  b.take(sent[10]);
  b.take(sent[11]);
  require_members(b, "s", {});
  finish(a);
  REQUIRE(b.rows.rows.empty());
  REQUIRE(b.replica.digest() == a.replica.digest());
}

TEST_CASE("clear in steps: a restart after each step, goes on", "[crdt]") {
  Site first(1, kAtOnce);
  first.sadd("s", views(names(12)));
  first.hset("m", {{"f", "1"}, {"g", "2"}, {"h", "3"}, {"i", "4"}});
  first.hadd("m", "f", 5);
  first.del("s");
  first.del("m");
  first.sadd("s", {"new"});
  std::unique_ptr<Site> site = restarted(first);
  for (int steps = 0; site->replica.sweeping(); ++steps) {
    REQUIRE(steps < 100);
    require_members(*site, "s", {"new"});
    REQUIRE(site->replica.type("m") == Type::none);
    site->replica.sweep(2);
    site = restarted(*site);
  }
  require_members(*site, "s", {"new"});
  REQUIRE(site->fields("m").empty());
  REQUIRE(item_rows(*site) == 2);  // the field that counted keeps what the delete has observed of it
}

TEST_CASE("clear in steps: a map whose fields count and have hidden values, as at once", "[crdt]") {
  const auto run = [](size_t at_once) {
    auto b = std::make_unique<Site>(2, at_once);
    Site a(1, at_once);
    std::vector<Mutation> sent;
    for (const char* field : {"f", "g", "h", "i", "j"}) sent.push_back(a.hset("m", {{field, "1"}}));
    sent.push_back(a.hadd("m", "g", 5));
    b->hset("m", {{"f", "hidden or not"}});
    b->hadd("m", "h", 7);
    for (const Mutation& m : sent) b->take(m);
    b->del("m");
    b->take(a.hadd("m", "g", 2));
    b->hset("m", {{"i", "new"}});
    REQUIRE(b->replica.sweeping() == (at_once == kAtOnce));
    const auto fields = b->fields("m");
    finish(*b);
    REQUIRE(b->fields("m") == fields);
    return b;
  };
  const auto steps = run(kAtOnce), at_once = run(kClearedAtOnceMax);
  REQUIRE(steps->fields("m") == at_once->fields("m"));
  REQUIRE(steps->journal("m") == at_once->journal("m"));
  REQUIRE(steps->replica.digest() == at_once->replica.digest());
  REQUIRE(steps->rows.rows == at_once->rows.rows);
}

TEST_CASE("clear in steps: a complete exchange from and to a replica in the middle, brings nothing back",
          "[crdt]") {
  for (size_t when = 0; when < 7; ++when)
    for (const size_t bytes_max : {size_t{1}, size_t{100}, size_t{1} << 16}) {
      Site a(1, kAtOnce), b(2, kAtOnce), c(3, kAtOnce), empty(4, kAtOnce);
      const Mutation adds = a.sadd("s", views(names(12)));
      for (Site* site : {&b, &c}) site->take(adds);
      const Mutation unseen = c.sadd("s", {"unseen"});
      a.del("s");
      a.sadd("s", {"new"});
      for (size_t step = 0; step < when; ++step) a.replica.sweep(2);
      const size_t chunks = exchange(a, empty, bytes_max);
      if (bytes_max == 1 && when == 0) REQUIRE(chunks > 12);  // rows that are left out count, too
      require_members(empty, "s", {"new"});
      exchange(a, b, bytes_max);  // it holds what was cleared
      require_members(b, "s", {"new"});
      exchange(c, a, bytes_max);  // and this one more than that
      exchange(a, c, bytes_max);
      for (Site* site : {&a, &b, &c, &empty}) {
        finish(*site);
        if (site != &a && site != &c) site->take(unseen);
        require_members(*site, "s", {"new", "unseen"});
        REQUIRE(site->replica.digest() == a.replica.digest());
      }
    }
}

TEST_CASE("clear in steps: a scan that runs meanwhile, what was cleared leaves no context behind", "[crdt]") {
  Site a(1, kAtOnce), b(2, kAtOnce);
  const Replica::Scan scan = a.replica.begin_scan();
  const Mutation adds = a.sadd("s", views(names(12)));
  const Mutation del = a.del("s");
  finish(a);
  REQUIRE(item_rows(a) == 0);
  b.replica.begin_pull(scan.clock);
  REQUIRE(*b.replica.receive({}, a.replica.scan(scan.number, {}, 1 << 16)));
  b.take(adds);  // the header spoke against all of it
  require_members(b, "s", {});
  b.take(del);
  finish(b);
  a.replica.end_scan(scan.number);
  REQUIRE(a.rows.rows.empty());
  REQUIRE(b.rows.rows.empty());
}

TEST_CASE("clear in steps: a set stored over another, as large as may be and no larger", "[crdt]") {
  Site site(1, kAtOnce);
  site.sadd("s", views(names(20)));
  const Dot dot = site.dot();
  const std::vector<Bytes> many = names(kStoredMembersMax + 1);
  const auto refused = site.replica.sreplace("s", views(many), dot, site.hlc());
  REQUIRE(refused.error().code == Errc::too_large);
  REQUIRE(refused.error().message.find("65537 members, at most 65536") != std::string::npos);
  REQUIRE(members(site, "s").size() == 20);
  --site.counter;
  const std::vector<Bytes> stored{"element7", "x", "y"};
  const Dot next = site.dot();
  REQUIRE(site.run(site.replica.sreplace("s", views(stored), next, site.hlc())).count == 3);
  REQUIRE(site.replica.sweeping());
  require_members(site, "s", stored);
  finish(site);
  require_members(site, "s", stored);
  REQUIRE(item_rows(site) == 3);
}

TEST_CASE("clear in steps: a scan passes by thousands of rows that are left out, in chunks", "[crdt]") {
  Site a(1, kAtOnce), b(2, kAtOnce);
  a.sadd("s", views(names(5000)));
  a.del("s");
  REQUIRE(exchange(a, b, 24'000) >= 5);  // 24 bytes for each
  REQUIRE(b.rows.rows.empty());
  REQUIRE(b.replica.clock() == a.replica.clock());
}
