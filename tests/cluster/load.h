#pragma once
// A load in one region: sessions that each write one thing after the other and enter what they are told into
// the ledger. Nothing is repeated but increments, by their request id: what the node says is what counts.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/client.h"
#include "crdt/base/result.h"
#include "tests/cluster/ledger.h"
#include "tests/cluster/load_spec.h"
#include "topology/topology.h"

namespace atolldb::tests {

class RegionLoad {
 public:
  static constexpr uint32_t kSessions = 8;

  // `topology` outlives the load.
  static Result<std::unique_ptr<RegionLoad>> open(const topology::Topology& topology, const LoadSpec& spec);
  ~RegionLoad();

  void start();
  // Sends nothing new and waits for the answers to what is under way.
  void stop();
  // Waits until `count` more writes than now are acknowledged; false when that takes longer than `limit_s`.
  bool wait_for(uint64_t count, uint32_t limit_s);
  // The same for writes that are rejected.
  bool wait_for_rejected(uint64_t count, uint32_t limit_s);

  const std::string& label() const { return spec_.label; }
  bool ended() const { return stopping_; }  // stop() was called
  // After stop() only.
  const Ledger& ledger() const { return ledger_; }

 private:
  struct Session {
    uint32_t number = 0;
    uint64_t step = 0;
    uint64_t value = 0;  // of its register
    size_t text = 0;     // its last one in the ledger
    size_t element = 0;  // likewise
  };

  RegionLoad(const topology::Topology& topology, const LoadSpec& spec) : spec_(spec), keys_(topology, spec) {}
  bool wait_until_more(const uint64_t& counted, uint64_t count, uint32_t limit_s);
  void next(uint32_t session);
  void send(uint32_t session, region::Request&& request, void (RegionLoad::*entry)(Session&, Outcome));
  void enter_text(Session& session, Outcome outcome);
  void enter_delete(Session& session, Outcome outcome);
  void enter_element(Session& session, Outcome outcome);
  void enter_count(Session& session, Outcome outcome);
  void enter_register(Session& session, Outcome outcome);

  Bytes set_key(const Session& session) const;
  Bytes count_key(const Session& session) const;
  Bytes name_of(const Session& session) const;

  const LoadSpec spec_;
  const KeyMaker keys_;
  std::vector<Session> sessions_;
  Ledger ledger_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  uint32_t under_way_ = 0;
  uint64_t done_ = 0, rejected_ = 0;

  std::unique_ptr<client::Client> client_;  // last: its thread ends before the rest goes
};

}  // namespace atolldb::tests
