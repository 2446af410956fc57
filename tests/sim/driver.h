#pragma once
// The clients of a run: each has one operation under way at a time, sends it to a node of its region, and
// writes down what it was told. An increment is sent again under its request id until somebody knows whether
// it was counted; everything else is sent once.

#include <deque>
#include <map>
#include <vector>

#include "tests/sim/history.h"
#include "tests/sim/plan.h"
#include "tests/sim/world.h"

namespace atolldb::sim {

class Driver {
 public:
  static constexpr uint32_t kDeadlineMs = 2000;
  static constexpr Duration kPatience = Duration::seconds(8);  // beyond it a request has no answer
  static constexpr size_t kQueueMax = 8;  // operations that wait for a client; more are dropped
  static constexpr uint32_t kAttemptsMax = 60;
  static constexpr uint32_t kBehindsMax = 4;  // in a row, before a client begins a new session

  // All outlive the driver.
  Driver(World& world, const Plan& plan, History& history);

  // No client has anything under way or waiting.
  bool idle() const;
  // Time of the last answer or new operation.
  Instant last_news() const { return last_news_; }

 private:
  struct Client {
    int64_t current = -1;  // of the history
    std::deque<const PlannedOperation*> queue;
    uint64_t attempt = 0;  // number of the request under way; answers to earlier ones come too late
    bool routed = false, may_have_happened = false;
    region::RequestId id;
    uint32_t refused = 0;
    uint64_t dice = 0;
    region::Seen seen;
    uint32_t session_number = 0, behinds = 0;
  };

  void due(const PlannedOperation& planned);
  void begin(uint32_t client, const PlannedOperation& planned);
  void send(uint32_t client);
  void answered(uint32_t client, const region::Response* response);
  void answered_route(uint32_t client, const region::Response* response);
  void answered_add(uint32_t client, const region::Response* response);
  void again(uint32_t client, Duration pause);
  void end(uint32_t client, const region::Response* response);
  uint32_t choose(Client& client, uint32_t region);
  uint32_t where(Client& client, uint32_t home);
  region::Request request_of(const Client& client, const Operation& operation) const;
  void claim(Operation& operation);

  World& world_;
  const Plan& plan_;
  History& history_;
  std::vector<Client> clients_;
  size_t next_ = 0;  // of the plan
  uint64_t attempts_ = 0;
  Instant last_news_{0};
};

}  // namespace atolldb::sim
