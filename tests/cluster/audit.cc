#include "tests/cluster/audit.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "client/client.h"

namespace atolldb::tests {
namespace {

constexpr uint32_t kWindow = 64;
constexpr uint32_t kDeadlineMs = 30'000;
constexpr size_t kExamplesMax = 10;

using Held = std::optional<Bytes>;

// One node, read by key: what it holds itself, whoever coordinates.
class NodeReader {
 public:
  NodeReader(client::Client& client, NodeNumber node) : client_(client), node_(node) {}

  // The values of `keys`, in order.
  Result<std::vector<Held>> get(const std::vector<Bytes>& keys) {
    std::vector<Held> values(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      wait_below(kWindow);
      region::Request request = read_of(region::Op::get, keys[i]);
      {
        const std::lock_guard hold(mutex_);
        ++under_way_;
      }
      const bool taken = client_.send(std::move(request), target(), [&, i](region::Response&& response) {
        const std::lock_guard hold(mutex_);
        if (response.outcome != Outcome::done) failure_ = keys[i] + ": " + response.message;
        if (response.found) values[i] = std::move(response.value);
        --under_way_;
        changed_.notify_one();
      });
      if (!taken) return {Errc::busy, "the client takes no more reads"};
    }
    wait_below(1);
    if (!failure_.empty()) return {Errc::unavailable, failure_};
    return values;
  }

  Result<std::set<Bytes>> members(const Bytes& key) {
    std::set<Bytes> all;
    Bytes cursor;
    do {
      region::Request request = read_of(region::Op::smembers, key);
      request.args.push_back(std::move(cursor));
      region::Response page = client_.call(std::move(request), target());
      if (page.outcome != Outcome::done) return {Errc::unavailable, key + ": " + page.message};
      all.insert(page.values.begin(), page.values.end());
      cursor = std::move(page.value);
    } while (!cursor.empty());
    return all;
  }

 private:
  static region::Request read_of(region::Op op, const Bytes& key) {
    region::Request request;
    request.op = op;
    request.key = key;
    request.local = true;
    request.deadline_ms = kDeadlineMs;
    return request;
  }
  client::Target target() const {
    client::Target target;
    target.node = node_;
    return target;
  }
  void wait_below(uint32_t count) {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return under_way_ < count; });
  }

  client::Client& client_;
  const NodeNumber node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t under_way_ = 0;
  std::string failure_;
};

// All ledgers as one list of keys, so that nodes can be compared with each other as well.
class Audit {
 public:
  explicit Audit(const std::vector<const Ledger*>& ledgers) : ledgers_(ledgers) {
    for (const Ledger* ledger : ledgers) {
      for (const Text& text : ledger->texts) keys_.push_back(text.key);
      for (const Register& reg : ledger->registers) keys_.push_back(reg.key);
      for (const Element& element : ledger->elements) sets_.insert(element.key);
      for (const auto& [key, count] : ledger->counts) {
        counts_[key].done += count.done;
        counts_[key].unknown += count.unknown;
      }
    }
    for (const auto& [key, count] : counts_) keys_.push_back(key);
  }

  Status read(client::Client& client, const topology::Node& node) {
    NodeReader reader(client, node.number);
    const auto values = reader.get(keys_);
    if (!values) return {values.error().code, node.name + ": " + values.error().message};
    std::map<Bytes, std::set<Bytes>> sets;
    for (const Bytes& key : sets_) {
      auto members = reader.members(key);
      if (!members) return {members.error().code, node.name + ": " + members.error().message};
      sets[key] = *std::move(members);
    }
    judge_values(node.name, *values);
    judge_sets(node.name, sets);
    if (first_values_.empty()) {
      first_values_ = *values;
      first_sets_ = sets;
    }
    for (size_t i = 0; i < keys_.size(); ++i) {
      if ((*values)[i] != first_values_[i]) wrong(node.name, keys_[i] + ": differs from the first node");
    }
    for (const auto& [key, members] : sets) {
      if (members != first_sets_[key]) wrong(node.name, key + ": differs from the first node");
    }
    return ok();
  }

  Findings findings() const { return findings_; }

 private:
  void judge_values(const std::string& node, const std::vector<Held>& values) {
    size_t at = 0;
    for (const Ledger* ledger : ledgers_) {
      for (const Text& text : ledger->texts) note(node, judge(text, values[at++]));
      for (const Register& reg : ledger->registers) note(node, judge(reg, values[at++]));
    }
    for (const auto& [key, count] : counts_) note(node, judge(key, count, values[at++]));
  }

  void judge_sets(const std::string& node, std::map<Bytes, std::set<Bytes>>& sets) {
    std::map<Bytes, size_t> known;
    for (const Ledger* ledger : ledgers_) {
      for (const Element& element : ledger->elements) {
        const bool held = sets[element.key].contains(element.element);
        known[element.key] += held;
        note(node, judge(element, held));
      }
    }
    for (const auto& [key, members] : sets) {
      if (members.size() != known[key]) wrong(node, key + ": holds elements that nobody added");
    }
  }

  void note(const std::string& node, const std::string& problem) {
    ++findings_.reads;
    if (!problem.empty()) wrong(node, problem);
  }

  void wrong(const std::string& node, const std::string& problem) {
    ++findings_.wrong;
    if (findings_.examples.size() < kExamplesMax) findings_.examples.push_back(node + ": " + problem);
  }

  const std::vector<const Ledger*>& ledgers_;
  std::vector<Bytes> keys_;  // texts and registers of every ledger in turn, then counts
  std::set<Bytes> sets_;
  std::map<Bytes, Count> counts_;
  std::vector<Held> first_values_;
  std::map<Bytes, std::set<Bytes>> first_sets_;
  Findings findings_;
};

}  // namespace

Result<Findings> audit(const topology::Topology& topology, const std::vector<const Ledger*>& ledgers) {
  Audit whole(ledgers);
  for (const topology::Region& region : topology.regions) {
    client::Options options;
    options.region = region.name;
    const auto client = client::Client::open(topology, options);
    if (!client) return client.error();
    for (const NodeNumber node : region.nodes) {
      if (Status read = whole.read(**client, *topology.find(node)); !read) return read.error();
    }
  }
  return whole.findings();
}

}  // namespace atolldb::tests
