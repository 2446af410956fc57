#include "tests/cluster/audit.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "client/client.h"
#include "topology/ring.h"

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

// Everything in all ledgers, by key: who wrote it and what the first node that holds it says of it.
class Audit {
 public:
  Audit(const topology::Topology& topology, const std::vector<const Ledger*>& ledgers) : topology_(topology) {
    for (const Ledger* ledger : ledgers) {
      for (const Text& text : ledger->texts) {
        strings_.push_back({text.key, [&text](const Held& held) { return judge(text, held); }, {}});
      }
      for (const Register& reg : ledger->registers) {
        strings_.push_back({reg.key, [&reg](const Held& held) { return judge(reg, held); }, {}});
      }
      for (const Element& element : ledger->elements) sets_[element.key].elements.push_back(&element);
      for (const auto& [key, count] : ledger->counts) {
        counts_[key].done += count.done;
        counts_[key].unknown += count.unknown;
      }
    }
    for (const auto& [key, count] : counts_) {
      strings_.push_back({key, [&key, &count](const Held& held) { return judge(key, count, held); }, {}});
    }
  }

  Status read(client::Client& client, const topology::Node& node) {
    NodeReader reader(client, node.number);
    if (Status read = read_strings(reader, node); !read) return read;
    return read_sets(reader, node);
  }

  const Findings& findings() const { return findings_; }

 private:
  struct String {
    Bytes key;
    std::function<std::string(const Held&)> judge;
    std::optional<Held> first;
  };
  struct Set {
    std::vector<const Element*> elements;
    std::optional<std::set<Bytes>> first;
  };

  bool holds(const topology::Node& node, const Bytes& key) {
    auto ring = rings_.find(node.region);
    if (ring == rings_.end())
      ring = rings_.emplace(node.region, topology::Ring(topology_, node.region)).first;
    const auto& replicas = ring->second.replicas(topology_.placement.place(key).partition);
    return std::find(replicas.begin(), replicas.end(), node.number) != replicas.end();
  }

  Status read_strings(NodeReader& reader, const topology::Node& node) {
    std::vector<String*> here;
    std::vector<Bytes> keys;
    for (String& string : strings_) {
      if (!holds(node, string.key)) continue;
      here.push_back(&string);
      keys.push_back(string.key);
    }
    const auto values = reader.get(keys);
    if (!values) return {values.error().code, node.name + ": " + values.error().message};
    for (size_t i = 0; i < here.size(); ++i) {
      note(node.name, here[i]->judge((*values)[i]));
      if (!here[i]->first) here[i]->first = (*values)[i];
      if (*here[i]->first != (*values)[i]) wrong(node.name, keys[i] + ": differs from the first node");
    }
    return ok();
  }

  Status read_sets(NodeReader& reader, const topology::Node& node) {
    for (auto& [key, set] : sets_) {
      if (!holds(node, key)) continue;
      const auto members = reader.members(key);
      if (!members) return {members.error().code, node.name + ": " + members.error().message};
      size_t known = 0;
      for (const Element* element : set.elements) {
        const bool held = members->contains(element->element);
        known += held;
        note(node.name, judge(*element, held));
      }
      if (members->size() != known) wrong(node.name, key + ": holds elements that nobody added");
      if (!set.first) set.first = *members;
      if (*set.first != *members) wrong(node.name, key + ": differs from the first node");
    }
    return ok();
  }

  void note(const std::string& node, const std::string& problem) {
    ++findings_.reads;
    if (!problem.empty()) wrong(node, problem);
  }

  void wrong(const std::string& node, const std::string& problem) {
    ++findings_.wrong;
    if (findings_.examples.size() < kExamplesMax) findings_.examples.push_back(node + ": " + problem);
  }

  const topology::Topology& topology_;
  std::map<RegionId, topology::Ring> rings_;
  std::vector<String> strings_;
  std::map<Bytes, Set> sets_;
  std::map<Bytes, Count> counts_;
  Findings findings_;
};

}  // namespace

Result<Findings> audit(const topology::Topology& topology, const std::vector<const Ledger*>& ledgers) {
  Audit whole(topology, ledgers);
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
