#pragma once
// One replica of one partition: the data with its clock, what of it is settled, what of it others still need,
// and the epoch that was promised. Everything that enters goes through merge(), whoever brings it: a write,
// an append, another region, a takeover, a replay.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "crdt/delta.h"
#include "crdt/replica.h"
#include "region/core/node_state.h"
#include "region/core/outbox_index.h"
#include "region/core/record.h"
#include "storage/outbox.h"

namespace atolldb::region {

enum class Merged : uint8_t {
  merged,
  known,      // the clock has it already
  not_ready,  // an add before it is missing (rule 13)
  no_room,    // the store takes nothing now
  broken,     // the bytes are no delta
  damaged,    // a damaged row was met: the partition begins again
};

class Coordinator;

class Partition {
 public:
  Partition(NodeState& node, PartitionId id);

  const PartitionId id;
  const std::span<const NodeNumber> replicas;  // the preference list; this node is on it

  crdt::Replica data;
  crdt::DotSet settled;    // part of the clock
  crdt::DotSet confirmed;  // nobody needs these as deltas any more
  Epoch promised;
  // The highest that was heard of, and not promised where there was no room to log it. It proves nothing;
  // this node gives way to it.
  Epoch heard;
  const Epoch& highest() const { return std::max(promised, heard); }
  Epoch progress_epoch;  // under which the coordinator last said what is settled, and the number of that
  uint64_t progress_number = 0;
  storage::LogPosition promised_at;  // the promise is durable when the log is, up to here
  Epoch entered_epoch;               // the highest under which anything entered here
  crdt::Hlc stamp;                   // the highest with which anything entered, or that was told to anybody
  crdt::Hlc logged_stamp;            // what this node's log says of it
  uint64_t lost_epoch = 0;           // see Promise
  uint64_t ids_forgotten_ms = 0;     // request ids made up to here may have been forgotten
  uint64_t ids = 0;                  // how many are kept
  uint64_t ids_due_ms = 0;           // those made up to here are to be forgotten
  // What was made kKept ago may be forgotten: the stamp of then, and when then was.
  uint64_t ids_mark_ms = 0;
  Instant ids_marked{INT64_MIN / 2};
  // A complete exchange that is being received (exchange.h): its chunks lie aside until all are there, and
  // are then merged one after the other. In between rows are ahead of the clock, and nothing is answered from
  // them.
  struct Staging {
    crdt::DotSet clock;  // of the sender, before its scan
    uint32_t staged = 0, applied = 0;
    bool complete = false;
  };
  std::optional<Staging> staging;
  bool applying() const { return staging && staging->complete; }
  storage::Outbox outbox;
  // Where those deltas stand in the log that have entered since the oldest scan that runs here began, the
  // first of them as number `first` (exchange.h).
  struct Entered {
    uint64_t first = 0;
    std::deque<storage::LogPosition> at;
    bool kept = false;  // a scan runs
    uint64_t end() const { return first + at.size(); }
    void forget_below(uint64_t number) {
      for (; first < number && !at.empty(); ++first) at.pop_front();
    }
  };
  Entered entered;
  bool regions_news = false;           // regions_have has changed
  bool dirty = true;                   // since the last checkpoint
  Coordinator* coordinator = nullptr;  // of this node, while there is one; kept by Node
  bool awake = false;                  // Node looks at it in the next tick
  // For each region: all that had entered its partition up to this stamp is settled here. Kept by wan/core.
  std::map<RegionId, crdt::Hlc> covered;
  crdt::DotSet regions_have;  // dots of this region's actors that every other region covers; kept by wan/core

  // Logs and applies a delta that entered under `epoch`, unless the entry names another one (which is thereby
  // promised). It is durable when the log is, up to log_end(). One that waits for its verdict is logged, and
  // applied by carry_out().
  Merged merge(const Epoch& epoch, const Entry& entry, const crdt::Delta& delta);

  // Conditional writes whose verdict is not settled, as far as is known here (rule 12). They are not in the
  // clock, and have no effect yet.
  struct Pending {
    Bytes key;
    Entry entry() const { return {stamp, {}, delta, epoch, verdict, judged}; }
    crdt::Hlc stamp;
    Bytes delta;
    Epoch epoch;
    Verdict verdict{};
    Epoch judged;
    storage::LogPosition at;
  };
  const std::map<Dot, Pending>& pending() const { return pending_; }
  const Pending* pending(const Dot& dot) const;
  bool awaits_verdict(BytesView key) const { return !pending_.empty() && pending_keys_.contains(Bytes(key)); }
  // Its verdict is settled: it takes effect, or is superseded. False: there is no room for that now.
  bool carry_out(const Dot& dot);
  // The highest counter of an actor that is known here, of what waits too.
  uint64_t last_of(const Actor& actor) const;
  // The same from the log at recovery: rows only.
  Status replay(const DeltaRecord& record, storage::LogPosition at);
  Status replay(const VerdictRecord& record, storage::LogPosition at);
  // A record from before the checkpoint: its effect is in the rows, others may still need the delta.
  Status remember(const DeltaRecord& record, storage::LogPosition at);
  void remember(const VerdictRecord& record, storage::LogPosition at) { note_carried_out(record.dot, at); }
  // The same for many of them, as a checkpoint has kept them.
  Status remember(const OutboxImage& image);
  // What a checkpoint is to keep of the outbox, within a range of the log that the images before it did not
  // speak of.
  OutboxImage outbox_image(storage::LogRange range) const;
  // The checkpoint with it has begun.
  void outbox_imaged(storage::LogRange range);

  // The next step of the clears that are under way. False: a damaged row was met, and nothing was done.
  bool sweep(size_t rows_max);

  // A damaged row: forgets rows and clock, in the log too, once `batch` is committed. The outbox stays; its
  // deltas are as good as ever.
  void reset(storage::Batch& batch);
  Status replay_reset();

  // Promises an epoch that is higher than the present one; the record is written here, or with what `batch`
  // has.
  void promise(const Epoch& epoch, storage::Batch&& batch = {});

  // Whatever enters from now on has a stamp above this one, once the log is durable up to log_end(). False:
  // there is no room to log it.
  bool raise(crdt::Hlc to);

  // Dots that entered and are not settled yet: of a key, numbered as they entered, and of what an exchange
  // brought (whose keys nobody knows).
  class KeyUnsettled {
   public:
    explicit KeyUnsettled(BytesView key) : key_(key) {}
    const Bytes& key() const { return key_; }
    bool empty() const { return first_ == 0; }
    size_t size() const { return empty() ? 0 : 1 + more_.size() - gone_; }
    uint64_t first() const { return first_; }  // requires: not empty
    void add(uint64_t number);                 // requires: above all that are in, and not 0
    void erase(uint64_t number);

   private:
    const Bytes key_;
    uint64_t first_ = 0;          // 0: empty
    std::vector<uint64_t> more_;  // ascending
    size_t gone_ = 0;             // so many at its beginning are not in any more
  };
  struct Unsettled {
    uint64_t number = 0;
    std::shared_ptr<KeyUnsettled> of_key;
    crdt::Hlc stamp;  // with which it entered here
  };
  // nullptr: none. Whoever waits keeps it: what settles leaves it, and what enters once it is empty gets
  // another.
  std::shared_ptr<const KeyUnsettled> unsettled_of(BytesView key) const;
  // The number of what entered last.
  uint64_t last_entered() const { return entered_; }
  bool is_unsettled(const Dot& dot) const { return unsettled_.contains(dot); }
  const std::map<Dot, Unsettled>& unsettled() const { return unsettled_; }
  const crdt::DotSet& unsettled_bulk() const { return bulk_; }
  void settle(const Dot& dot);
  void settle(const crdt::DotSet& dots);  // those of them that the clock has
  // After clock or settled changed wholesale (recovery, an exchange): what is neither settled nor known by
  // key is bulk.
  void recount();

  // Puts the erasure of the oldest ids made up to a stamp into the batch; how many.
  uint64_t forget_ids(uint64_t up_to_ms, size_t count_max, storage::Batch& batch);
  // What an exchange brought.
  void adopt_ids(const std::vector<std::pair<BytesView, BytesView>>& entries, storage::Batch& batch);

  // Entries of the outbox as they were logged, or of a verdict that was carried out what came of it. Views
  // live as long as `record_bytes` and `outcome`.
  struct Sendable {
    Bytes record_bytes;
    std::unique_ptr<Bytes> outcome;
    DeltaRecord record;
    // For a replica of this region. The epoch is left out where it is that of the message.
    Entry entry(const Epoch& message = {}) const {
      const bool told = record.epoch == message && record.verdict == Verdict::none;
      return {record.stamp,   record.request_id, record.delta, told ? Epoch{} : record.epoch,
              record.verdict, record.judged};
    }
  };
  std::optional<Sendable> read(const storage::Outbox::Entry& entry) const;
  std::optional<Sendable> read(storage::LogPosition at) const;
  // What nobody needs as a delta any more.
  void confirm(const crdt::DotSet& dots);

  // Keeps a chunk's record aside.
  void stage(BytesView chunk_record, bool last, storage::Batch& batch);
  // The next chunk's record; false: it is not there.
  bool staged(Bytes& chunk_record) const;
  // It has been merged.
  void unstage(storage::Batch& batch);
  // All that lies aside goes.
  void drop_staging(storage::Batch& batch);

  // The state that a checkpoint keeps beside the rows, and back.
  Bytes encode_state() const;
  Status restore(BytesView state);

 private:
  bool apply(const crdt::Delta& delta, crdt::Hlc entry_stamp, BytesView request_id, storage::Batch& batch);
  void index(const Dot& dot, BytesView key, crdt::Hlc entry_stamp);
  std::map<Dot, Unsettled>::iterator drop_unsettled(std::map<Dot, Unsettled>::iterator at);
  void keep(const Dot& dot, Pending&& pending);
  void drop_pending(std::map<Dot, Pending>::iterator at);
  bool take_effect(std::map<Dot, Pending>::iterator at, const crdt::Delta& delta, storage::Batch& batch);
  std::optional<Sendable> judged(Sendable&& out, storage::LogPosition at) const;
  bool still_waits(const Dot& dot) const;
  void note_carried_out(const Dot& dot, storage::LogPosition at);
  void count_ids(int64_t more);
  void erase_all(storage::Batch& batch);

  NodeState& node_;
  bool ids_adopted_ = false;  // an exchange has brought some: a delta may bring them again
  uint64_t entered_ = 0;
  std::map<Dot, Unsettled> unsettled_;
  std::unordered_map<BytesView, std::shared_ptr<KeyUnsettled>> unsettled_by_key_;  // by their own keys
  crdt::DotSet bulk_;
  std::map<Dot, Pending> pending_;
  std::unordered_map<Bytes, uint32_t> pending_keys_;  // how many of each
  crdt::DotSet carried_out_;  // by a verdict that the log has; as long as the outbox may have them
  // Where the log says so, in its order, as far as no image has spoken of that part of it.
  std::deque<std::pair<storage::LogPosition, Dot>> carried_out_at_;
};

}  // namespace atolldb::region
