#include "region/core/exchange.h"

#include <algorithm>

#include "crdt/base/canary.h"
#include "region/core/request_ids.h"

namespace atolldb::region {

namespace {
constexpr char kIds = 'i', kRows = 'd';  // how a cursor begins
}

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
    if (node_.region_of(at->from) != node_.region)
      running.cursor = kRows;  // request ids stay in their region
    const PartitionId partition = at->partition;
    at = queue_.erase(at);
    ask(partition, running);
  }
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
  if (!batch.empty()) node_.commit(std::move(batch));
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
  if (!node_.store.has_room()) return;  // asked again when the peer is back
  std::vector<std::pair<PartitionId, bool>> broken;
  for (const auto& [partition, running] : pulls_)
    if (running.from == node && !applying_.contains(partition)) broken.emplace_back(partition, running.lost);
  storage::Batch batch;
  for (const auto& [partition, lost] : broken) {
    abandon(partition, batch);
    queue_.push_back({partition, node, lost});  // goes on when the peer is back
  }
  if (!batch.empty()) node_.commit(std::move(batch));
  start_next();
}

void Exchanges::on_chunk(NodeNumber from, const Chunk& chunk) {
  const auto at = pulls_.find(chunk.partition);
  if (at == pulls_.end() || at->second.from != from || at->second.id != chunk.id) return;
  if (applying_.contains(chunk.partition)) return;
  Running& running = at->second;
  if (chunk.cursor != running.cursor || (running.scan != 0 && chunk.scan != running.scan))
    return;  // a duplicate
  running.dropped = !node_.store.has_room();
  if (running.dropped) return;  // asked for again when there is some
  Partition& partition = *find_(chunk.partition);
  storage::Batch batch;
  if (!running.begun) {
    batch.records.push_back(to_bytes(PullBeginRecord{chunk.partition, chunk.clock}));
    partition.staging = Partition::Staging{chunk.clock, 0, 0, false};
    running.begun = true;
  }
  running.scan = chunk.scan;
  const PullChunkRecord record{
      chunk.partition, chunk.cursor,           chunk.units,      chunk.next, chunk.last,
      chunk.settled,   chunk.ids_forgotten_ms, chunk.request_ids};
  batch.records.push_back(to_bytes(record));
  const Bytes bytes = batch.records.back();
  keep_aside(partition, record, bytes, batch);
  node_.commit(std::move(batch));
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

// Request ids are known at once; rows wait until all of them are there.
void Exchanges::keep_aside(Partition& partition, const PullChunkRecord& record, BytesView bytes,
                           storage::Batch& batch) {
  partition.dirty = true;
  partition.adopt_ids(record.request_ids, batch);
  if (!record.cursor.empty() && record.cursor.front() == kRows) partition.stage(bytes, record.last, batch);
}

// Merges what lies aside, a few chunks at a time: the rest in the next tick.
void Exchanges::apply_some(PartitionId id) {
  Partition& partition = *find_(id);
  for (size_t bytes = 0; bytes < kApplyBytes && node_.store.has_room();) {
    Bytes chunk;
    storage::Batch batch;
    batch.records.push_back(to_bytes(PullAppliedRecord{id}));
    bool finished = false;
    Status status = apply_next(partition, chunk, batch, finished);
    bytes += chunk.size();
    if (!status) {
      node_.note(LogLevel::error, "an exchange brought bytes that cannot be read partition=" +
                                      std::to_string(raw(id)) + " why=\"" + status.error().message + "\"");
      storage::Batch dropped;
      drop(partition, dropped);
      forget(id);
      return static_cast<void>(node_.commit(std::move(dropped)));
    }
    if (!finished) {
      node_.commit(std::move(batch));
      continue;
    }
    return finish(partition, std::move(batch));
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
    node_.commit(std::move(batch));
  forget(partition.id);
  partition.recount();
  if (known) done_({partition.id, running.from, running.vote, running.lost});
  start_next();
}

Status Exchanges::apply_next(Partition& partition, Bytes& chunk, storage::Batch& batch, bool& finished) {
  if (partition.staging->applied == 0) partition.data.begin_pull(partition.staging->clock);
  if (!partition.staged(chunk)) return {Errc::corrupt, "a chunk that was kept aside is gone or damaged"};
  const auto decoded = decode_record(chunk);
  if (!decoded) return decoded.error();
  const auto* record = std::get_if<PullChunkRecord>(&*decoded);
  if (record == nullptr) return {Errc::corrupt, "what was kept aside is no chunk"};
  const auto received = partition.data.receive(
      record->cursor.substr(1),
      {Bytes(record->units), record->next.empty() ? Bytes() : Bytes(record->next.substr(1))});
  if (!received) {
    storage::Batch dropped;
    node_.rows.drain(dropped);
    return received.error();
  }
  finished = *received;
  node_.rows.drain(batch);
  partition.unstage(batch);
  partition.ids_forgotten_ms = std::max(partition.ids_forgotten_ms, record->ids_forgotten_ms);
  if (finished) partition.settle(record->settled);
  return ok();
}

void Exchanges::on_pull_gone(NodeNumber from, const PullGone& gone) {
  const auto at = pulls_.find(gone.partition);
  if (at == pulls_.end() || at->second.from != from || at->second.id != gone.id) return;
  if (!node_.store.has_room() || applying_.contains(gone.partition)) return;
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
    // It needs replicas that can write down that it had no vote.
    if (!node_.store.has_room()) return;
    if (node_.peers.note_forgot(from, pull.lost_start)) {
      storage::Batch batch;
      batch.records.push_back(to_bytes(ForgotRecord{from, pull.lost_start}));
      node_.commit(std::move(batch));
      node_.forgot_news.insert(from);
    }
    after = node_.store.log_end();
  }
  auto serving = scans_.find(pull.scan);
  if (pull.scan == 0) {
    for (serving = scans_.begin(); serving != scans_.end(); ++serving)  // the first chunk was lost
      if (serving->second.to == from && serving->second.pull == pull.id) break;
    if (serving == scans_.end()) {
      if (scans_.size() >= kScansMax) return;
      auto scan = partition->data.begin_scan();
      serving =
          scans_
              .emplace(
                  (uint64_t{raw(pull.partition)} << 40) + scan.number,
                  Serving{
                      pull.partition, from, pull.id, scan.clock, node_.standing == Standing::vote, false, {}})
              .first;
    }
  }
  if (serving == scans_.end() || serving->second.to != from || serving->second.pull != pull.id)
    return node_.out.send(from, PullGone{pull.partition, pull.id});
  serving->second.used = node_.now.monotonic;
  Chunk out;
  out.partition = pull.partition;
  out.id = pull.id;
  out.scan = serving->first;
  out.clock = serving->second.clock;
  out.vote = serving->second.vote;
  out.cursor = pull.cursor;
  std::vector<std::pair<Bytes, Bytes>> ids;
  Bytes next;
  crdt::Replica::Chunk rows;
  if (pull.cursor.empty() || pull.cursor.front() == kIds) {
    fill_ids(*partition, node_.region_of(from) == node_.region, out, ids, next);
  } else {
    const uint64_t number = serving->first & ((uint64_t{1} << 40) - 1);
    rows = partition->data.scan(number, pull.cursor.substr(1), kChunkBytes);
    if (node_.damaged.contains(pull.partition)) return;
    out.units = rows.units;
    if (!rows.next.empty()) next = kRows + rows.next;
    out.last = serving->second.done = rows.next.empty();
  }
  out.next = next;
  if (out.last) {
    out.settled = partition->settled;
    if (node_.region_of(from) == node_.region) {
      out.promised = partition->promised;
      out.lost_epoch = partition->lost_epoch;
      out.ids_forgotten_ms = partition->ids_forgotten_ms;
    } else {
      out.settled.clear();  // settled is a matter of one region
    }
  }
  // What is told must be durable here: the receiver will answer for it.
  node_.out.send_when(std::max(after, node_.store.log_end()), from, out);
}

// A page of request ids; they are a matter of one region.
void Exchanges::fill_ids(Partition& partition, bool local, Chunk& out,
                         std::vector<std::pair<Bytes, Bytes>>& ids, Bytes& next) {
  const BytesView cursor = out.cursor.empty() ? BytesView() : out.cursor.substr(1);
  if (local && partition.ids > 0 && !canary(Canary::request_ids_not_exchanged))
    RequestIds(node_.store, partition.id).walk(cursor, [&](BytesView id, BytesView entry) {
      ids.emplace_back(id, entry);
      return ids.size() < kIdsPerChunk;
    });
  next = ids.size() < kIdsPerChunk ? Bytes(1, kRows) : kIds + ids.back().first;
  for (const auto& [id, entry] : ids) out.request_ids.emplace_back(id, entry);
}

void Exchanges::tick() {
  const Instant now = node_.now.monotonic;
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
    if (silent && ++running.unanswered > kAsksMax && !running.begun && !queue_.empty()) {
      queue_.push_back({partition, running.from, running.lost});
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
    if (Partition* partition = find_(at->second.partition)) {
      partition->data.end_scan(at->first & ((uint64_t{1} << 40) - 1));
      storage::Batch batch;  // contexts that were only kept for the scan
      node_.rows.drain(batch);
      if (!batch.empty() && node_.store.has_room()) node_.commit(std::move(batch));
    }
    at = scans_.erase(at);
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
  bool finished = false;
  if (Status applied = apply_next(*partition, chunk, batch, finished); !applied) return applied;
  if (finished) partition->recount();
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
