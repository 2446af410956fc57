#include "region/core/exchange.h"

#include <algorithm>

#include "crdt/base/big_endian.h"
#include "crdt/base/canary.h"
#include "region/core/request_ids.h"

namespace atolldb::region {

namespace {
constexpr char kIds = 'i', kRows = 'd', kEntries = 'l';  // how a cursor begins
constexpr uint32_t kStagedInReserve = 4;              // chunks: what a full disk keeps aside of an exchange
constexpr uint64_t kScanNumbers = uint64_t{1} << 40;  // of a partition

bool is(char kind, BytesView cursor) { return !cursor.empty() && cursor.front() == kind; }

Bytes entries_from(uint64_t number) {
  Bytes cursor(1, kEntries);
  append_big_endian(cursor, number);
  return cursor;
}

uint64_t number_of(BytesView cursor) {
  uint64_t number = 0;
  for (const char byte : cursor.substr(1)) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}
}  // namespace

// -- receiver

bool Exchanges::wanted(PartitionId partition) const {
  return pulls_.contains(partition) ||
         std::any_of(queue_.begin(), queue_.end(), [&](const Wanted& w) { return w.partition == partition; });
}

void Exchanges::want(PartitionId partition, NodeNumber from, bool lost) {
  const auto running = pulls_.find(partition);
  if (running != pulls_.end() && running->second.from == from && running->second.lost == lost) return;
  for (const Wanted& wanted : queue_)
    if (wanted.partition == partition && wanted.from == from) return;
  queue_.push_back({partition, from, lost});
  start_next();
}

void Exchanges::start_next() {
  for (auto at = queue_.begin(); at != queue_.end() && pulls_.size() < kPullsMax;) {
    if (pulls_.contains(at->partition) || applying_.contains(at->partition) || !node_.peers.up(at->from)) {
      ++at;
      continue;
    }
    Running& running = pulls_[at->partition];
    running.from = at->from;
    running.lost = at->lost;
    running.id = at->id;
    running.unanswered = at->unanswered;
    if (node_.region_of(at->from) != node_.region)
      running.cursor = kRows;  // request ids stay in their region
    const PartitionId partition = at->partition;
    at = queue_.erase(at);
    ask(partition, running);
  }
}

// A sender that says nothing must not keep others waiting, of the same partition above all: whoever has no
// room, or is about to merge an exchange itself, may be silent for long.
bool Exchanges::gives_way(PartitionId partition, const Running& running) const {
  if (running.begun || queue_.empty()) return false;
  return running.unanswered > kAsksMax || std::any_of(queue_.begin(), queue_.end(), [&](const Wanted& w) {
           return w.partition == partition && node_.peers.up(w.from);
         });
}

void Exchanges::ask(PartitionId partition, Running& running) {
  if (running.id == 0) running.id = (node_.prng.next() >> 16 << 8) + ++next_pull_ % 256 + 1;
  running.asked = node_.now.monotonic;
  running.dropped = false;
  node_.out.send(running.from,
                 Pull{partition, running.id, running.scan, running.lost ? node_.start : 0, running.cursor});
}

void Exchanges::abandon(PartitionId partition) {
  storage::Batch batch;
  abandon(partition, batch);
  if (!batch.empty()) node_.commit_from_reserve(std::move(batch));
}

// What has arrived completely is kept: it needs its sender no more.
void Exchanges::abandon(PartitionId id, storage::Batch& batch) {
  std::erase_if(queue_, [&](const Wanted& w) { return w.partition == id; });
  const auto at = pulls_.find(id);
  if (at == pulls_.end() || applying_.contains(id)) return;
  if (at->second.begun) drop(*find_(id), batch);
  pulls_.erase(at);
}

void Exchanges::drop(Partition& partition, storage::Batch& batch) {
  batch.records.push_back(to_bytes(PullAbandonRecord{partition.id}));
  partition.drop_staging(batch);
  partition.data.abandon_pull();
  node_.rows.drain(batch);
}

void Exchanges::abandon_all(storage::Batch& batch) {
  queue_.clear();
  std::vector<PartitionId> running;
  for (const auto& [partition, pull] : pulls_) running.push_back(partition);
  for (const PartitionId partition : running) abandon(partition, batch);
}

void Exchanges::forget(PartitionId partition) {
  pulls_.erase(partition);
  applying_.erase(partition);
}

void Exchanges::on_peer_down(NodeNumber node) {
  if (!node_.store.has_reserve()) return;  // asked again when the peer is back
  std::vector<std::pair<PartitionId, bool>> broken;
  for (const auto& [partition, running] : pulls_)
    if (running.from == node && !applying_.contains(partition)) broken.emplace_back(partition, running.lost);
  storage::Batch batch;
  for (const auto& [partition, lost] : broken) {
    abandon(partition, batch);
    queue_.push_back({partition, node, lost});  // goes on when the peer is back
  }
  if (!batch.empty()) node_.commit_from_reserve(std::move(batch));
  start_next();
}

void Exchanges::on_chunk(NodeNumber from, const Chunk& chunk) {
  const auto at = pulls_.find(chunk.partition);
  if (at == pulls_.end() || at->second.from != from || at->second.id != chunk.id) return;
  if (applying_.contains(chunk.partition)) return;
  Running& running = at->second;
  if (chunk.cursor != running.cursor || (running.scan != 0 && chunk.scan != running.scan))
    return;  // a duplicate
  Partition& partition = *find_(chunk.partition);
  running.dropped = !may_stage(partition);
  if (running.dropped) return;  // asked for again when there is some
  storage::Batch batch;
  if (!running.begun) {
    batch.records.push_back(to_bytes(PullBeginRecord{chunk.partition, chunk.clock}));
    partition.staging = Partition::Staging{chunk.clock, 0, 0, false};
    running.begun = true;
  }
  running.scan = chunk.scan;
  const PullChunkRecord record{
      chunk.partition,        chunk.cursor,      chunk.units,   chunk.next,    chunk.last, chunk.settled,
      chunk.ids_forgotten_ms, chunk.request_ids, chunk.entries, chunk.entered, chunk.stamp};
  batch.records.push_back(to_bytes(record));
  const Bytes bytes = batch.records.back();
  keep_aside(partition, record, bytes, batch);
  node_.commit_from_reserve(std::move(batch));
  if (partition.applying()) {
    running.vote = chunk.vote;
    running.promised = chunk.promised;
    applying_.insert(chunk.partition);
    return apply_some(chunk.partition);
  }
  running.cursor = Bytes(chunk.next);
  running.unanswered = 0;
  ask(chunk.partition, running);
}

// Where little is left, an exchange may be what makes room: others have removed what is here still. One that
// brings much would eat up the reserve.
bool Exchanges::may_stage(const Partition& partition) const {
  if (node_.store.has_room()) return true;
  const uint32_t staged = partition.staging ? partition.staging->staged - partition.staging->applied : 0;
  return node_.store.has_reserve() && staged < kStagedInReserve;
}

// Request ids are known at once; all else waits until everything is there.
void Exchanges::keep_aside(Partition& partition, const PullChunkRecord& record, BytesView bytes,
                           storage::Batch& batch) {
  partition.dirty = true;
  partition.adopt_ids(record.request_ids, batch);
  if (is(kRows, record.cursor) || is(kEntries, record.cursor)) partition.stage(bytes, record.last, batch);
}

// Merges what lies aside, a few chunks at a time: the rest in the next tick.
void Exchanges::apply_some(PartitionId id) {
  Partition& partition = *find_(id);
  if (!end_scans(id)) return;  // while this lasts, rows are ahead of the clock
  for (size_t bytes = 0; bytes < kApplyBytes && node_.store.has_reserve();) {
    Bytes chunk;
    storage::Batch batch;
    batch.records.push_back(to_bytes(PullAppliedRecord{id}));
    const auto applied = apply_next(partition, chunk, batch, false);
    bytes += chunk.size();
    if (!applied) {
      node_.note(LogLevel::error, "an exchange brought bytes that cannot be read partition=" +
                                      std::to_string(raw(id)) + " why=\"" + applied.error().message + "\"");
      storage::Batch dropped;
      drop(partition, dropped);
      forget(id);
      return static_cast<void>(node_.commit_from_reserve(std::move(dropped)));
    }
    if (*applied == Applied::later) return;
    if (*applied == Applied::all) return finish(partition, std::move(batch));
    node_.commit_from_reserve(std::move(batch));
  }
}

void Exchanges::finish(Partition& partition, storage::Batch&& batch) {
  const auto at = pulls_.find(partition.id);
  const bool known = at != pulls_.end();  // not after a restart
  const Running running = known ? at->second : Running{};
  // One commit: what the first of two fills up would leave no room for the second.
  if (running.promised > partition.promised)
    partition.promise(running.promised, std::move(batch));
  else
    node_.commit_from_reserve(std::move(batch));
  forget(partition.id);
  partition.recount();
  if (known) done_({partition.id, running.from, running.vote, running.lost});
  start_next();
}

Result<Exchanges::Applied> Exchanges::apply_next(Partition& partition, Bytes& chunk, storage::Batch& batch,
                                                 bool replayed) {
  if (!partition.staged(chunk)) return Error{Errc::corrupt, "a chunk that was kept aside is gone or damaged"};
  const auto decoded = decode_record(chunk);
  if (!decoded) return decoded.error();
  const auto* record = std::get_if<PullChunkRecord>(&*decoded);
  if (record == nullptr) return Error{Errc::corrupt, "what was kept aside is no chunk"};
  if (is(kRows, record->cursor)) {
    if (Status merged = apply_rows(partition, *record, batch); !merged) return merged.error();
  } else if (!replayed) {  // each is logged as it enters
    for (const Entry& entry : record->entries)
      if (!enter_(partition.id, entry)) return Applied::later;
    if (!node_.store.has_reserve()) return Applied::later;  // for the record that all have entered
  }
  partition.unstage(batch);
  partition.ids_forgotten_ms = std::max(partition.ids_forgotten_ms, record->ids_forgotten_ms);
  if (record->last) {
    partition.settle(record->settled);
    partition.entered_epoch = std::max(partition.entered_epoch, record->entered);
    partition.stamp = std::max(partition.stamp, record->stamp);
    partition.logged_stamp = std::max(partition.logged_stamp, record->stamp);  // with `batch`
  }
  return record->last ? Applied::all : Applied::chunk;
}

Status Exchanges::apply_rows(Partition& partition, const PullChunkRecord& record, storage::Batch& batch) {
  if (partition.staging->applied == 0) partition.data.begin_pull(partition.staging->clock);
  const bool more = is(kRows, record.next);
  const auto received = partition.data.receive(
      record.cursor.substr(1), {Bytes(record.units), more ? Bytes(record.next.substr(1)) : Bytes()});
  if (!received) {
    storage::Batch dropped;
    node_.rows.drain(dropped);
    return received.error();
  }
  node_.rows.drain(batch);
  if (*received) partition.recount();
  return ok();
}

void Exchanges::on_pull_gone(NodeNumber from, const PullGone& gone) {
  const auto at = pulls_.find(gone.partition);
  if (at == pulls_.end() || at->second.from != from || at->second.id != gone.id) return;
  if (!node_.store.has_reserve() || applying_.contains(gone.partition)) return;
  const bool lost = at->second.lost;
  abandon(gone.partition);
  want(gone.partition, from, lost);
}

// -- sender

void Exchanges::on_pull(NodeNumber from, const Pull& pull) {
  Partition* partition = find_(pull.partition);
  if (partition == nullptr) return;
  storage::LogPosition after;
  if (pull.lost_start != 0) {
    // It needs replicas that have written down that it had no vote.
    const bool news = node_.peers.find(from)->forgot < pull.lost_start;
    if (news && !node_.store.has_room()) return;
    if (news && node_.peers.note_forgot(from, pull.lost_start)) {
      storage::Batch batch;
      batch.records.push_back(to_bytes(ForgotRecord{from, pull.lost_start}));
      node_.commit(std::move(batch));
      node_.forgot_news.insert(from);
    }
    after = node_.store.log_end();
  }
  if (partition->applying()) return;  // its rows are ahead of its clock: asked again
  auto serving = scans_.find(pull.scan);
  if (pull.scan == 0) {
    const auto same = [&](const auto& s) { return s.second.to == from && s.second.pull == pull.id; };
    serving = std::find_if(scans_.begin(), scans_.end(), same);  // the first chunk was lost
    if (serving == scans_.end()) {
      if (scans_.size() >= kScansMax) return;
      serving = begin_scan(*partition, from, pull.id);
    }
  }
  if (serving == scans_.end() || serving->second.to != from || serving->second.pull != pull.id)
    return node_.out.send(from, PullGone{pull.partition, pull.id});
  serving->second.used = node_.now.monotonic;
  Chunk out;
  Held held;
  out.cursor = pull.cursor;
  if (!fill(*partition, serving->second, serving->first, out, held)) {
    if (node_.damaged.contains(pull.partition)) return;
    serving->second.pull = 0;
    serving->second.used = Instant{INT64_MIN / 2};  // ends with the next tick that has room
    return node_.out.send(from, PullGone{pull.partition, pull.id});
  }
  serving->second.done = out.last;
  // What is told must be durable here: the receiver will answer for it.
  node_.out.send_when(std::max(after, node_.store.log_end()), from, out);
}

Exchanges::Scans::iterator Exchanges::begin_scan(Partition& partition, NodeNumber from, uint64_t pull) {
  auto scan = partition.data.begin_scan();
  partition.entered.kept = true;
  return scans_
      .emplace((uint64_t{raw(partition.id)} << 40) + scan.number, Serving{partition.id,
                                                                          from,
                                                                          pull,
                                                                          scan.clock,
                                                                          node_.standing == Standing::vote,
                                                                          partition.entered.end(),
                                                                          false,
                                                                          {}})
      .first;
}

Exchanges::Scans::iterator Exchanges::end_scan(Scans::iterator scan) {
  const PartitionId id = scan->second.partition;
  const uint64_t number = scan->first % kScanNumbers;
  const auto after = scans_.erase(scan);
  Partition* partition = find_(id);
  if (partition == nullptr) return after;
  partition->data.end_scan(number);
  storage::Batch batch;  // contexts that were only kept for the scan
  node_.rows.drain(batch);
  if (!batch.empty()) node_.commit_from_reserve(std::move(batch));
  uint64_t needed = UINT64_MAX;
  for (const auto& [other, serving] : scans_)
    if (serving.partition == id) needed = std::min(needed, serving.entered);
  partition->entered.kept = needed != UINT64_MAX;
  partition->entered.forget_below(std::min(needed, partition->entered.end()));
  return after;
}

// False: there is no room for what changes with the end of a scan.
bool Exchanges::end_scans(PartitionId partition) {
  for (auto at = scans_.begin(); at != scans_.end();) {
    if (at->second.partition == partition && !node_.store.has_reserve()) return false;
    at = at->second.partition == partition ? end_scan(at) : std::next(at);
  }
  return true;
}

// What the cursor asks for. False: it cannot be had any more.
bool Exchanges::fill(Partition& partition, Serving& serving, uint64_t scan, Chunk& out, Held& held) {
  const bool local = node_.region_of(serving.to) == node_.region;
  out.partition = partition.id;
  out.id = serving.pull;
  out.scan = scan;
  out.clock = serving.clock;
  out.vote = serving.vote;
  if (out.cursor.empty() || is(kIds, out.cursor)) {
    fill_ids(partition, local, out, held);
  } else if (is(kRows, out.cursor)) {
    held.rows = partition.data.scan(scan % kScanNumbers, out.cursor.substr(1), kChunkBytes);
    if (node_.damaged.contains(partition.id)) return false;
    out.units = held.rows.units;
    out.last = held.rows.next.empty() && partition.entered.end() == serving.entered &&
               !(local && !partition.pending().empty());
    if (!out.last)
      held.next = held.rows.next.empty() ? entries_from(serving.entered) : kRows + held.rows.next;
  } else if (!fill_entries(partition, serving, out, held)) {
    return false;
  }
  out.next = held.next;
  if (!out.last || !local) return true;  // what follows is a matter of one region
  out.settled = partition.settled;
  out.stamp = partition.stamp;
  out.promised = partition.promised;
  out.entered = partition.entered_epoch;
  out.lost_epoch = partition.lost_epoch;
  out.ids_forgotten_ms = partition.ids_forgotten_ms;
  return true;
}

// A page of request ids; they are a matter of one region.
void Exchanges::fill_ids(Partition& partition, bool local, Chunk& out, Held& held) {
  const BytesView cursor = out.cursor.empty() ? BytesView() : out.cursor.substr(1);
  auto& ids = held.ids;
  if (local && partition.ids > 0 && !canary(Canary::request_ids_not_exchanged))
    RequestIds(node_.store, partition.id).walk(cursor, [&](BytesView id, BytesView entry) {
      ids.emplace_back(id, entry);
      return ids.size() < kIdsPerChunk;
    });
  held.next = ids.size() < kIdsPerChunk ? Bytes(1, kRows) : kIds + ids.back().first;
  for (const auto& [id, entry] : ids) out.request_ids.emplace_back(id, entry);
}

// Deltas that have entered since the scan began. The last chunk has all that have entered by now. False: the
// log does not have them any more.
bool Exchanges::fill_entries(Partition& partition, const Serving& serving, Chunk& out, Held& held) {
  const bool local = node_.region_of(serving.to) == node_.region;
  const Partition::Entered& entered = partition.entered;
  uint64_t number = number_of(out.cursor);
  if (!is(kEntries, out.cursor) || number < serving.entered || number > entered.end()) return false;
  for (size_t bytes = 0; number < entered.end() && bytes < kChunkBytes; ++number) {
    auto sendable = partition.read(entered.at[number - entered.first]);
    if (!sendable) return false;
    bytes += sendable->record_bytes.size();
    held.entries.push_back(std::move(*sendable));
  }
  // Stamps, request ids and verdicts are a matter of one region, too.
  for (const auto& sendable : held.entries)
    out.entries.push_back(local ? sendable.entry() : Entry{{}, {}, sendable.record.delta});
  out.last = number == entered.end();
  if (!out.last) held.next = entries_from(number);
  return !out.last || !local || add_pending(partition, out);
}

// Conditional writes that wait are in no row. False: these are too many for a message.
bool Exchanges::add_pending(const Partition& partition, Chunk& out) {
  size_t bytes = 0;
  for (const auto& [dot, pending] : partition.pending()) {
    if (bytes > 0 && bytes + pending.delta.size() > kPendingBytesMax) return false;
    bytes += pending.delta.size();
    out.entries.push_back(pending.entry());
  }
  return true;
}

void Exchanges::tick() {
  const Instant now = node_.now.monotonic;
  if (!node_.joining)  // a log that is being judged stays as it is
    for (const PartitionId partition : std::set<PartitionId>(applying_)) apply_some(partition);
  for (auto at = pulls_.begin(); at != pulls_.end();) {
    auto& [partition, running] = *at;
    if (applying_.contains(partition)) {
      ++at;
      continue;
    }
    // Less and less often: a sender that is slow is not helped by being asked again.
    const int64_t factor = int64_t{1} << std::min(running.unanswered, 3u);
    const bool silent = now - running.asked > kPatience * factor;
    running.unanswered += silent ? 1 : 0;
    if (silent && gives_way(partition, running)) {
      queue_.push_back({partition, running.from, running.lost, running.id, running.unanswered});
      at = pulls_.erase(at);
      continue;
    }
    if (silent || (running.dropped && node_.store.has_room())) ask(partition, running);
    ++at;
  }
  for (auto at = scans_.begin(); at != scans_.end();) {
    if (now - at->second.used <= (at->second.done ? kScanDone : kScanIdle)) {
      ++at;
      continue;
    }
    if (!node_.store.has_reserve()) break;  // rows change with the end of a scan
    at = end_scan(at);
  }
  start_next();
}

// -- recovery

Status Exchanges::replay(const PullBeginRecord& record) {
  if (Partition* partition = find_(record.partition)) {
    partition->staging = Partition::Staging{record.clock, 0, 0, false};
    partition->dirty = true;
  }
  return ok();
}

Status Exchanges::replay(const PullChunkRecord& record) {
  Partition* partition = find_(record.partition);
  if (partition == nullptr || !partition->staging) return ok();
  storage::Batch batch;
  keep_aside(*partition, record, to_bytes(record), batch);
  return commit_replayed(std::move(batch));
}

Status Exchanges::replay(const PullAppliedRecord& record) {
  Partition* partition = find_(record.partition);
  if (partition == nullptr || !partition->applying()) return ok();
  storage::Batch batch;
  Bytes chunk;
  const auto applied = apply_next(*partition, chunk, batch, true);
  if (!applied) return applied.error();
  if (*applied == Applied::all) partition->recount();
  return commit_replayed(std::move(batch));
}

Status Exchanges::replay(const PullAbandonRecord& record) {
  Partition* partition = find_(record.partition);
  if (partition == nullptr) return ok();
  storage::Batch batch;
  partition->drop_staging(batch);
  partition->data.abandon_pull();
  partition->dirty = true;
  node_.rows.drain(batch);
  return commit_replayed(std::move(batch));
}

Status Exchanges::commit_replayed(storage::Batch&& batch) {
  const auto committed = node_.store.commit(std::move(batch));
  return committed ? ok() : Status(committed.error());
}

void Exchanges::recovered(Partition& partition, storage::Batch& batch) {
  if (partition.applying())
    applying_.insert(partition.id);
  else if (partition.staging)
    drop(partition, batch);  // its sender's scan was for a process that is gone
}

}  // namespace atolldb::region
