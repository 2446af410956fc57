#pragma once
// Complete exchange of a partition: the receiver pulls, the sender scans. Inside a region and between regions
// alike. The sender's clock from before its scan is joined once everything has arrived (docs/data-model.md,
// rules 9 to 11).
//
//   receiver                     sender
//   Pull(scan 0)        ------>  begins a scan
//   Chunk(clock, ids)   <------
//   Pull(scan, cursor)  ------>
//   Chunk(units)        <------
//   Pull(scan, cursor)  ------>
//   Chunk(entries, last, settled, promise) <------  ends the scan
//
// Inside a region the request ids come first, page by page, then the rows: whoever joins a clock knows the
// ids of all that is in it. Rows are newer than the clock from before the scan by what entered meanwhile, so
// the deltas of that come at last, as they were logged: afterwards no row is ahead of the clock. A cursor is
// 'i' and the last id, 'd' and the last place, or 'l' and the number of the next delta; empty: the beginning.
//
// Chunks are kept aside, durably, until the last one is there: merged rows are ahead of the clock, and what a
// coordinator reads from such rows is known to nobody else (docs/decisions/0011).
//
// Every step may be lost or come twice; the receiver asks again, and begins again when the sender no longer
// knows the scan.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "region/core/node_state.h"
#include "region/core/partition.h"

namespace atolldb::region {

class Exchanges {
 public:
  static constexpr size_t kPullsMax = 8;     // at once; the rest waits
  static constexpr size_t kScansMax = 1024;  // per node
  static constexpr size_t kChunkBytes = 256u << 10;
  static constexpr size_t kApplyBytes = 1u << 20;       // merged at once; other work goes on in between
  static constexpr size_t kIdsPerChunk = 2'000;         // about 130 KiB
  static constexpr size_t kPendingBytesMax = 8u << 20;  // conditional writes of the last chunk
  static constexpr Duration kPatience = Duration::millis(1000);
  static constexpr uint32_t kAsksMax = 5;  // unanswered, before other partitions that wait have their turn
  static constexpr Duration kScanIdle = Duration::seconds(30);
  static constexpr Duration kScanDone =
      Duration::seconds(3);  // after the last chunk, which may have to be sent again

  using Find = std::function<Partition*(PartitionId)>;
  struct Pulled {
    PartitionId partition{};
    NodeNumber from{};
    bool vote = false;  // of the sender, when its scan began
    bool lost = false;  // it was to regain what this node's memory has lost
  };
  using Done = std::function<void(const Pulled&)>;

  // Takes a delta that is not known yet into the partition. False: it cannot enter now.
  using Enter = std::function<bool(PartitionId, const Entry&)>;

  // `done`: the partition's clock now has all that the sender had when the pull ended.
  Exchanges(NodeState& node, Find find, Enter enter, Done done)
      : node_(node), find_(std::move(find)), enter_(std::move(enter)), done_(std::move(done)) {}

  // Pulls a partition from a node, unless that is going on or waiting already. `lost`: to regain what this
  // node's memory has lost (rule 16).
  void want(PartitionId partition, NodeNumber from, bool lost);
  bool wanted(PartitionId partition) const;
  bool idle() const { return pulls_.empty() && queue_.empty() && applying_.empty(); }
  // Everything that runs is abandoned, in the log too once `batch` is committed; the partition begins again.
  void abandon(PartitionId partition, storage::Batch& batch);
  void abandon_all(storage::Batch& batch);
  // The partition begins again: nothing of an exchange is left.
  void forget(PartitionId partition);
  // The partition has been reset: who pulls it begins again.
  void drop_scans(PartitionId partition) {
    std::erase_if(scans_, [&](const auto& scan) { return scan.second.partition == partition; });
  }

  void on_pull(NodeNumber from, const Pull& pull);
  void on_chunk(NodeNumber from, const Chunk& chunk);
  void on_pull_gone(NodeNumber from, const PullGone& gone);
  void on_peer_down(NodeNumber node);
  void tick();

  // At recovery, from the log.
  Status replay(const PullBeginRecord& record);
  Status replay(const PullChunkRecord& record);
  Status replay(const PullAppliedRecord& record);
  Status replay(const PullAbandonRecord& record);
  // After all that: what has arrived completely goes on, the rest is dropped with `batch`.
  void recovered(Partition& partition, storage::Batch& batch);

 private:
  struct Wanted {
    PartitionId partition{};
    NodeNumber from{};
    bool lost = false;
    uint64_t id = 0;  // of a pull that has been asked for already: its sender may have begun
    uint32_t unanswered = 0;
  };
  struct Running {
    NodeNumber from{};
    bool lost = false;
    bool begun = false;
    bool dropped = false;  // a chunk came, and there was no room
    uint32_t unanswered = 0;
    uint64_t id = 0, scan = 0;
    Bytes cursor;
    Instant asked;
    bool vote = false;  // of its sender, and what that had promised: with the last chunk
    Epoch promised;
  };
  struct Serving {
    PartitionId partition{};
    NodeNumber to{};
    uint64_t pull = 0;
    crdt::DotSet clock;
    bool vote = false;
    uint64_t entered = 0;  // number of the first delta that entered after the scan began
    bool done = false;
    Instant used;
  };
  using Scans = std::map<uint64_t, Serving>;  // by scan number

  void abandon(PartitionId partition);
  void start_next();
  bool gives_way(PartitionId partition, const Running& running) const;
  void ask(PartitionId partition, Running& running);
  // What a chunk borrows from.
  struct Held {
    std::vector<std::pair<Bytes, Bytes>> ids;
    crdt::Replica::Chunk rows;
    std::vector<Partition::Sendable> entries;
    Bytes next;
  };
  Scans::iterator begin_scan(Partition& partition, NodeNumber from, uint64_t pull);
  Scans::iterator end_scan(Scans::iterator scan);
  bool end_scans(PartitionId partition);
  bool fill(Partition& partition, Serving& serving, uint64_t scan, Chunk& out, Held& held);
  void fill_ids(Partition& partition, bool local, Chunk& out, Held& held);
  bool fill_entries(Partition& partition, const Serving& serving, Chunk& out, Held& held);
  static bool add_pending(const Partition& partition, Chunk& out);
  void drop(Partition& partition, storage::Batch& batch);
  bool may_stage(const Partition& partition) const;
  void keep_aside(Partition& partition, const PullChunkRecord& record, BytesView bytes,
                  storage::Batch& batch);
  void apply_some(PartitionId partition);
  enum class Applied : uint8_t { chunk, all, later };
  Result<Applied> apply_next(Partition& partition, Bytes& chunk, storage::Batch& batch, bool replayed);
  Status apply_rows(Partition& partition, const PullChunkRecord& record, storage::Batch& batch);
  void finish(Partition& partition, storage::Batch&& batch);
  Status commit_replayed(storage::Batch&& batch);

  NodeState& node_;
  Find find_;
  Enter enter_;
  Done done_;
  std::vector<Wanted> queue_;  // at most one for each partition and node
  std::map<PartitionId, Running> pulls_;
  std::set<PartitionId> applying_;  // all chunks are there
  Scans scans_;
  uint64_t next_pull_ = 0;
};

}  // namespace atolldb::region
