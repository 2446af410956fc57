// Random faults against the core, with coordinators that follow the rules of request ids. However answers are
// lost, late or doubled, an increment that is done counted once, a rejected one never, an unknown one at most
// once.

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "client/core.h"
#include "crdt/base/prng.h"
#include "region/core/request_codec.h"
#include "tests/client/small_cluster.h"

namespace atolldb::client {
namespace {

using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

// A region as the client may rely on it: ids count once, a first attempt under another epoch is rejected, a
// later one that is not found under its own epoch is unknown.
class RegionModel {
 public:
  explicit RegionModel(RegionId id) : id_(id) {}
  void take_over(NodeNumber node) { epoch_ = {epoch_.number + 1, node, 1}; }

  Response handle(NodeNumber node, const Request& request, Prng& dice) {
    Response out;
    out.node = node;
    out.epoch = epoch_;
    out.coordinator = epoch_.node;
    out.stamp_ms = 1'000;
    if (dice.chance(1, 10))
      return end(out, Outcome::rejected, dice.chance(1, 2) ? Errc::busy : Errc::unavailable);
    if (request.op != Op::add) return out;
    if (request.id->region != id_) return end(out, Outcome::unknown, Errc::invalid);
    if (seen_.contains(*request.id)) return out;
    if (request.id->epoch != epoch_)
      return request.attempt == 1 ? end(out, Outcome::rejected, Errc::behind)
                                  : end(out, Outcome::unknown, Errc::behind);
    seen_.insert(*request.id);
    ++counted[request.key];
    if (dice.chance(1, 10)) return end(out, Outcome::unknown, Errc::unavailable);
    return out;
  }
  std::map<Bytes, int> counted;

 private:
  static Response end(Response out, Outcome outcome, Errc code) {
    out.outcome = outcome;
    out.code = code;
    out.message = "model";
    return out;
  }
  RegionId id_;
  Epoch epoch_{1, NodeNumber{1}, 1};
  std::set<region::RequestId> seen_;
};

struct Run {
  explicit Run(uint64_t seed) : dice(seed), topology(small_cluster(2)), core(config(seed), topology) {
    models.emplace_back(RegionId{0});
    models.emplace_back(RegionId{1});
  }
  static CoreConfig config(uint64_t seed) {
    CoreConfig config;
    config.regions = {RegionId{0}, RegionId{1}};
    config.any_region = seed % 2 == 0;
    config.retry_unknown_writes = seed % 3 == 0;
    config.seed = seed;
    config.in_flight_max = 64;
    return config;
  }

  struct InFlight {
    LinkId link;
    bool request = true;
    Request asked;
    Response answered;
  };

  void submit() {
    const Bytes key = "n" + std::to_string(submitted);  // one increment a key, so that counts are told apart
    Request request{.op = dice.chance(2, 3) ? Op::add : Op::get, .key = key, .amount = 1};
    request.deadline_ms = static_cast<uint32_t>(100 + dice.below(6'000));
    const bool is_add = request.op == Op::add;
    if (core.submit(now, std::move(request), {}, [this, key, is_add](Response&& response) {
          ++completed;
          REQUIRE(outcomes.emplace(key, std::pair(is_add, response.outcome)).second);
        }))
      ++submitted;
  }

  void step() {
    switch (dice.below(12)) {
      case 0:
      case 1:
      case 2:
        submit();
        break;
      case 3:
        now = now + Duration::millis(static_cast<int64_t>(dice.below(300)));
        core.handle_tick(now);
        break;
      case 4:
        if (dice.chance(1, 4))
          models[dice.below(2)].take_over(NodeNumber{static_cast<uint16_t>(1 + dice.below(6))});
        break;
      case 5:
        if (dice.chance(1, 3)) drop_link(LinkId{static_cast<uint32_t>(dice.below(core.links()))});
        break;
      default:
        deliver();
    }
    settle();
  }
  void settle() {
    for (Completion& one : core.take_completions()) one.callback(std::move(one.response));
    for (const LinkId link : core.take_opens()) {
      up.insert(link.index);
      if (dice.chance(1, 5))
        drop_link(link);
      else
        core.handle_link_up(now, link);
    }
    for (const LinkId link : core.take_ready())
      for (Bytes frame = core.take_frame(now, link); !frame.empty(); frame = core.take_frame(now, link)) {
        auto requests = region::decode_requests(frame);
        REQUIRE(requests);
        for (Request& request : *requests) flying.push_back({link, true, std::move(request), {}});
      }
  }
  // Requests that have left may still arrive; answers of the old connection do not.
  void drop_link(LinkId link) {
    if (up.erase(link.index) == 0) return;
    std::erase_if(flying, [&](const InFlight& one) { return one.link == link && !one.request; });
    for (InFlight& one : flying)
      if (one.link == link) one.link.index = UINT32_MAX - raw(core.node_of(link));
    core.handle_link_down(now, link, "cut");
  }
  void deliver() {
    if (flying.empty()) return;
    const size_t at = dice.below(flying.size());
    InFlight one = std::move(flying[at]);
    flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(at));
    if (!one.request) return core.handle_response(now, one.link, std::move(one.answered));
    if (dice.chance(1, 20)) return;  // lost
    const bool orphan = one.link.index >= core.links();
    const NodeNumber node =
        orphan ? NodeNumber{static_cast<uint16_t>(UINT32_MAX - one.link.index)} : core.node_of(one.link);
    one.answered = models[raw(topology.find(node)->region)].handle(node, one.asked, dice);
    one.answered.correlation = one.asked.correlation;
    if (orphan) return;
    one.request = false;
    flying.push_back(std::move(one));
  }

  Prng dice;
  topology::Topology topology;
  Core core;
  std::vector<RegionModel> models;
  Instant now{1'000'000'000};
  std::vector<InFlight> flying;
  std::set<uint32_t> up;
  int submitted = 0, completed = 0;
  std::map<Bytes, std::pair<bool, Outcome>> outcomes;
};

}  // namespace

TEST_CASE("client core: random faults, each increment as often as its outcome says", "[client]") {
  int done = 0, unknown = 0, rejected = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Run run(seed);
    for (int i = 0; i < 1'500; ++i) run.step();
    if (seed % 2 == 0) {  // nobody answers any more: every deadline is kept without a close
      run.now = run.now + Duration::seconds(3);
      for (Instant end = run.now + Duration::seconds(8); run.core.next_deadline() <= end; run.settle()) {
        run.now = std::max(run.now, run.core.next_deadline());
        run.core.handle_tick(run.now);
      }
      REQUIRE(run.completed == run.submitted);
    }
    run.core.close();
    run.settle();
    while (!run.flying.empty()) run.deliver();  // what was under way may arrive after all
    INFO("seed " << seed);
    REQUIRE(run.completed == run.submitted);
    REQUIRE(run.core.in_flight() == 0);
    for (const auto& [key, end] : run.outcomes) {
      if (!end.first) continue;
      const int counted = run.models[0].counted[key] + run.models[1].counted[key];
      INFO("key " << key << " counted " << counted);
      REQUIRE(counted <= 1);
      REQUIRE((end.second != Outcome::done || counted == 1));
      REQUIRE((end.second != Outcome::rejected || counted == 0));
      done += end.second == Outcome::done;
      rejected += end.second == Outcome::rejected;
      unknown += end.second == Outcome::unknown;
    }
  }
  CHECK(done > 1'000);  // the run met every outcome
  CHECK(unknown > 100);
  CHECK(rejected > 10);
}

}  // namespace atolldb::client
