#include "region/core/partition.h"

#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/fields.h"
#include "crdt/row_key.h"
#include "region/core/request_ids.h"

namespace atolldb::region {

namespace {
constexpr uint8_t kStateVersion = 1;
constexpr size_t kRecordFixedBytes = 80;  // of a delta's record, beside the delta and its request id

struct PendingImage {
  Dot dot;
  Bytes key;
  crdt::Hlc stamp;
  Bytes delta;
  Epoch epoch;
  Verdict verdict = Verdict::none;
  Epoch judged;
  uint64_t at = 0;
};
template <typename Io>
void fields(Io& io, PendingImage& p) {
  io(p.dot, p.key, p.stamp, p.delta, p.epoch, p.verdict, p.judged, p.at);
}

struct State {
  crdt::DotSet settled, confirmed;
  Epoch promised;
  crdt::Hlc stamp;
  uint64_t lost_epoch = 0;
  uint64_t ids_forgotten_ms = 0;
  uint64_t ids = 0;
  bool exchanging = false;  // the four fields behind speak of an exchange
  crdt::DotSet staging_clock;
  uint32_t staged = 0, applied = 0;
  bool complete = false;
  Bytes data;
  Epoch entered;
  std::vector<PendingImage> pending;
};
template <typename Io>
void fields(Io& io, State& s) {
  io(s.settled, s.confirmed, s.promised, s.stamp, s.lost_epoch, s.ids_forgotten_ms, s.ids, s.exchanging,
     s.staging_clock, s.staged, s.applied, s.complete, s.data);
  io.behind(s.entered.number != 0 || !s.pending.empty(), s.entered);
  io.behind(!s.pending.empty(), s.pending);
}

// Meta key: 's' partition number → a chunk's record.
Bytes staging_key(PartitionId id, uint32_t number) {
  Bytes key = "s";
  for (const int shift : {8, 0}) key.push_back(static_cast<char>(raw(id) >> shift));
  for (const int shift : {24, 16, 8, 0}) key.push_back(static_cast<char>(number >> shift));
  return key;
}

storage::Outbox::Entry image_of(const Dot& dot, const DeltaRecord& record, storage::LogPosition at) {
  return {dot, at, static_cast<uint32_t>(record.delta.size()), record.verdict != Verdict::none, 0};
}
}  // namespace

Partition::Partition(NodeState& node, PartitionId id_in)
    : id(id_in),
      replicas(node.ring().replicas(id_in)),
      data(id_in, node.topology.placement, node.rows, node.clears.at_once_max),
      node_(node) {}

Merged Partition::merge(const Epoch& epoch, const Entry& entry, const crdt::Delta& delta) {
  if (data.clock().covers(delta.dots)) return Merged::known;
  const bool waits = entry.pending();
  const auto held = pending_.empty() ? pending_.end() : pending_.find(delta.dot());
  if (held != pending_.end() && waits && held->second.judged >= entry.judged) return Merged::known;
  if (!waits && !data.ready(delta)) return Merged::not_ready;
  const bool removes = crdt::only_removes(delta);
  if (!(removes ? node_.store.has_reserve() : node_.store.has_room())) return Merged::no_room;
  DeltaRecord record{id,          entry.epoch.number == 0 ? epoch : entry.epoch,
                     entry.stamp, entry.request_id,
                     entry.delta, entry.verdict,
                     entry.judged};
  if (held != pending_.end() && canary(Canary::verdict_without_epoch)) record.verdict = held->second.verdict;
  storage::Batch batch;
  batch.from_reserve = removes;
  batch.records.emplace_back().reserve(kRecordFixedBytes + entry.request_id.size() + entry.delta.size());
  encode(record, batch.records.back());
  const auto bytes = static_cast<uint32_t>(batch.records.back().size());
  const bool promises = promised < record.epoch;
  promised = std::max(promised, record.epoch);
  entered_epoch = std::max(entered_epoch, record.epoch);
  stamp = std::max(stamp, entry.stamp);
  if (!waits) {
    if (held != pending_.end()) drop_pending(held);
    apply(delta, entry.stamp, entry.request_id, batch);
    if (node_.damaged.contains(id)) return Merged::damaged;  // it begins again: nothing of this is committed
  }
  const storage::LogPosition at = node_.commit(std::move(batch));
  logged_stamp = std::max(logged_stamp, entry.stamp);
  if (promises) promised_at = node_.store.log_end();
  outbox.add({delta.dot(), at, bytes, record.verdict != Verdict::none, 0});
  if (waits)
    keep(delta.dot(),
         {delta.key, record.stamp, Bytes(record.delta), record.epoch, record.verdict, record.judged, at});
  else if (entered.kept)
    entered.at.push_back(at);
  return Merged::merged;
}

bool Partition::raise(crdt::Hlc to) {
  if (logged_stamp < to) {
    if (!node_.store.has_room()) return false;
    storage::Batch batch;
    batch.records.push_back(to_bytes(StampRecord{id, to}));
    node_.commit(std::move(batch));
    logged_stamp = to;
  }
  stamp = std::max(stamp, to);
  dirty = true;
  return true;
}

bool Partition::apply(const crdt::Delta& delta, crdt::Hlc entry_stamp, BytesView request_id,
                      storage::Batch& batch) {
  dirty = true;
  const bool changed = data.apply(delta);
  node_.rows.drain(batch);
  const Dot dot = delta.dot();
  // One that counts as forgotten already is not kept: it would never be forgotten again.
  if (!request_id.empty() && RequestIds::made_ms(request_id) > ids_forgotten_ms &&
      !canary(Canary::request_id_not_kept)) {
    const RequestIds ids_kept(node_.store, id);
    if (!ids_adopted_ || !ids_kept.find(request_id)) count_ids(1);
    ids_kept.remember(request_id, dot, batch);
  }
  if (!settled.contains(dot)) index(dot, delta.key, entry_stamp);
  return changed;
}

void Partition::count_ids(int64_t more) {
  ids += static_cast<uint64_t>(more);
  node_.ids += static_cast<uint64_t>(more);
}

uint64_t Partition::forget_ids(uint64_t up_to_ms, size_t count_max, storage::Batch& batch) {
  const auto forgotten = RequestIds(node_.store, id).forget(ids_forgotten_ms, up_to_ms, count_max, batch);
  const bool none_left = forgotten.count < count_max && up_to_ms == UINT64_MAX;
  count_ids(-static_cast<int64_t>(none_left ? ids : std::min(forgotten.count, ids)));
  if (forgotten.count == 0) return 0;
  ids_forgotten_ms = std::max(ids_forgotten_ms, forgotten.up_to_ms);
  dirty = true;
  return forgotten.count;
}

void Partition::adopt_ids(const std::vector<std::pair<BytesView, BytesView>>& entries,
                          storage::Batch& batch) {
  const RequestIds known(node_.store, id);
  ids_adopted_ = ids_adopted_ || !entries.empty();
  for (const auto& [request_id, entry] : entries)
    if (RequestIds::made_ms(request_id) > ids_forgotten_ms && known.adopt(request_id, entry, batch))
      count_ids(1);
}

void Partition::index(const Dot& dot, BytesView key, crdt::Hlc entry_stamp) {
  const auto [at, fresh] = unsettled_.try_emplace(dot);
  if (!fresh) return;
  auto of_key = unsettled_by_key_.find(key);
  if (of_key == unsettled_by_key_.end()) {
    auto made = std::make_shared<KeyUnsettled>(key);
    const BytesView own = made->key();
    of_key = unsettled_by_key_.emplace(own, std::move(made)).first;
  }
  at->second = {++entered_, of_key->second, entry_stamp};
  of_key->second->add(entered_);
  ++node_.unsettled;
  bulk_.erase(dot);
}

void Partition::KeyUnsettled::add(uint64_t number) {
  if (empty())
    first_ = number;
  else
    more_.push_back(number);
}

// Mostly the first.
void Partition::KeyUnsettled::erase(uint64_t number) {
  const auto begin = more_.begin() + static_cast<ptrdiff_t>(gone_);
  if (number != first_) {
    const auto at = std::lower_bound(begin, more_.end(), number);
    if (at != more_.end() && *at == number) more_.erase(at);
  } else if (begin == more_.end()) {
    first_ = 0;
    more_.clear();
    gone_ = 0;
  } else {
    first_ = *begin;
    if (++gone_ <= more_.size() / 2) return;
    more_.erase(more_.begin(), begin + 1);
    gone_ = 0;
  }
}

// -- verdicts (rule 12)

const Partition::Pending* Partition::pending(const Dot& dot) const {
  const auto at = pending_.empty() ? pending_.end() : pending_.find(dot);
  return at == pending_.end() ? nullptr : &at->second;
}

void Partition::keep(const Dot& dot, Pending&& pending) {
  dirty = true;
  if (!settled.contains(dot)) index(dot, pending.key, pending.stamp);
  if (!pending_.contains(dot)) ++pending_keys_[pending.key];
  pending_.insert_or_assign(dot, std::move(pending));
}

void Partition::drop_pending(std::map<Dot, Pending>::iterator at) {
  const auto of_key = pending_keys_.find(at->second.key);
  if (--of_key->second == 0) pending_keys_.erase(of_key);
  pending_.erase(at);
}

bool Partition::carry_out(const Dot& dot_in) {
  const Dot dot = dot_in;  // it may be that of the entry which goes here
  const auto at = pending_.find(dot);
  if (at == pending_.end()) return true;
  const auto delta = crdt::decode_delta(at->second.delta);
  ensure(delta.has_value(), "what waits for its verdict was decoded before");
  storage::Batch batch;
  batch.from_reserve = crdt::only_removes(*delta);
  if (!(batch.from_reserve ? node_.store.has_reserve() : node_.store.has_room())) return false;
  batch.records.push_back(to_bytes(VerdictRecord{id, at->first}));
  const storage::LogPosition logged = at->second.at;
  if (!take_effect(at, *delta, batch) || node_.damaged.contains(id)) return false;
  note_carried_out(dot, node_.commit(std::move(batch)));
  if (entered.kept) entered.at.push_back(logged);
  return true;
}

// False: an add before it is missing here (rule 13).
bool Partition::take_effect(std::map<Dot, Pending>::iterator at, const crdt::Delta& delta,
                            storage::Batch& batch) {
  if (at->second.verdict == Verdict::superseded)
    data.apply(crdt::superseded(delta));
  else if (data.ready(delta))
    data.apply(delta);
  else
    return false;
  node_.rows.drain(batch);
  drop_pending(at);
  dirty = true;
  return true;
}

uint64_t Partition::last_of(const Actor& actor) const {
  const uint64_t last = data.clock().last_of(actor);
  if (pending_.empty()) return last;
  const auto behind = pending_.upper_bound({actor, UINT64_MAX});
  if (behind == pending_.begin()) return last;
  const Dot& dot = std::prev(behind)->first;
  return dot.actor == actor ? std::max(last, dot.counter) : last;
}

// -- recovery

Status Partition::replay(const DeltaRecord& record, storage::LogPosition at) {
  auto delta = crdt::decode_delta(record.delta);
  if (!delta) return delta.error();
  promised = std::max(promised, record.epoch);
  entered_epoch = std::max(entered_epoch, record.epoch);
  stamp = std::max(stamp, record.stamp);
  logged_stamp = std::max(logged_stamp, record.stamp);
  if (data.clock().covers(delta->dots)) return ok();
  if (canary(Canary::dot_forgotten) && delta->dot().counter % 8 == 0) return ok();
  const Dot dot = delta->dot();
  if (is_pending(record.verdict, record.judged)) {
    keep(dot,
         {delta->key, record.stamp, Bytes(record.delta), record.epoch, record.verdict, record.judged, at});
  } else {
    if (const auto held = pending_.find(dot); held != pending_.end()) drop_pending(held);
    storage::Batch batch;
    apply(*delta, record.stamp, record.request_id, batch);
    const auto committed = node_.store.commit(std::move(batch));
    if (!committed) return committed.error();
  }
  if (!confirmed.contains(dot)) outbox.add(image_of(dot, record, at));
  return ok();
}

Status Partition::replay(const VerdictRecord& record, storage::LogPosition at) {
  const auto held = pending_.find(record.dot);
  if (held == pending_.end()) {
    note_carried_out(record.dot, at);
    return ok();
  }
  const auto delta = crdt::decode_delta(held->second.delta);
  ensure(delta.has_value(), "what waits for its verdict was decoded before");
  storage::Batch batch;
  if (take_effect(held, *delta, batch)) note_carried_out(record.dot, at);
  const auto committed = node_.store.commit(std::move(batch));
  return committed ? ok() : Status(committed.error());
}

Status Partition::remember(const DeltaRecord& record, storage::LogPosition at) {
  auto delta = crdt::decode_delta(record.delta);
  if (!delta) return delta.error();
  const Dot dot = delta->dot();
  if (!still_waits(dot)) return ok();
  outbox.add(image_of(dot, record, at));
  if (!settled.contains(dot)) index(dot, delta->key, record.stamp);
  return ok();
}

bool Partition::still_waits(const Dot& dot) const {
  return (data.clock().contains(dot) || pending_.contains(dot)) && !confirmed.contains(dot);
}

void Partition::note_carried_out(const Dot& dot, storage::LogPosition at) {
  carried_out_.insert(dot);
  carried_out_at_.emplace_back(at, dot);
}

Status Partition::remember(const OutboxImage& image) {
  const bool whole = storage::unpack_entries(image.entries, [this](const storage::OutboxEntry& entry) {
    if (still_waits(entry.dot)) outbox.add(entry);
  });
  if (!whole)
    return {Errc::corrupt, "the index of the log, partition " + std::to_string(raw(id)) +
                               ": found bytes that are no entries of an outbox"};
  for (const auto& [dot, entered_with, key] : image.unsettled)
    if (still_waits(dot) && !settled.contains(dot)) index(dot, key, entered_with);
  carried_out_.join(image.carried_out);
  return ok();
}

OutboxImage Partition::outbox_image(storage::LogRange range) const {
  OutboxImage image{id, {}, {}, {}};
  for (const auto& [at, dot] : carried_out_at_)
    if (range.contains(at) && carried_out_.contains(dot)) image.carried_out.insert(dot);
  storage::EntryPacker packer(image.entries);
  for (uint64_t s = outbox.first_from(range.begin); s < outbox.end(); ++s) {
    const auto entry = outbox.at(s);
    if (entry.at >= range.end) break;
    if (confirmed.contains(entry.dot)) continue;
    packer.add(entry);
    if (settled.contains(entry.dot)) continue;
    if (const auto known = unsettled_.find(entry.dot); known != unsettled_.end())
      image.unsettled.push_back({entry.dot, known->second.stamp, known->second.of_key->key()});
  }
  return image;
}

void Partition::outbox_imaged(storage::LogRange range) {
  while (!carried_out_at_.empty() && carried_out_at_.front().first < range.end) carried_out_at_.pop_front();
}

bool Partition::sweep(size_t rows_max) {
  dirty = true;
  data.sweep(rows_max);
  storage::Batch batch;
  node_.rows.drain(batch);
  if (node_.damaged.contains(id)) return false;
  if (!batch.empty()) node_.commit_from_reserve(std::move(batch));
  return true;
}

void Partition::erase_all(storage::Batch& batch) {
  dirty = true;
  entered = {};
  batch.erased.push_back({crdt::partition_begin(id), crdt::partition_end(id)});
  drop_staging(batch);
  data.reset();
  settled.clear();
  node_.unsettled -= unsettled_.size();
  unsettled_.clear();
  unsettled_by_key_.clear();
  bulk_.clear();
  pending_.clear();
  pending_keys_.clear();
  progress_epoch = {};
}

void Partition::reset(storage::Batch& batch) {
  batch.records.push_back(to_bytes(ResetRecord{id}));
  erase_all(batch);
}

Status Partition::replay_reset() {
  storage::Batch batch;
  erase_all(batch);
  const auto committed = node_.store.commit(std::move(batch));
  return committed ? ok() : Status(committed.error());
}

void Partition::promise(const Epoch& epoch, storage::Batch&& batch) {
  ensure(promised < epoch, "a replica promises only upwards");
  promised = epoch;
  dirty = true;
  if (!canary(Canary::promise_not_logged)) batch.records.push_back(to_bytes(PromiseRecord{id, epoch}));
  node_.commit_from_reserve(std::move(batch));
  promised_at = node_.store.log_end();
}

std::shared_ptr<const Partition::KeyUnsettled> Partition::unsettled_of(BytesView key) const {
  if (unsettled_.empty()) return nullptr;
  const auto at = unsettled_by_key_.find(key);
  return at == unsettled_by_key_.end() ? nullptr : at->second;
}

std::map<Dot, Partition::Unsettled>::iterator Partition::drop_unsettled(
    std::map<Dot, Unsettled>::iterator at) {
  KeyUnsettled& of_key = *at->second.of_key;
  of_key.erase(at->second.number);
  if (of_key.empty()) unsettled_by_key_.erase(of_key.key());
  --node_.unsettled;
  return unsettled_.erase(at);
}

void Partition::settle(const Dot& dot) {
  settled.insert(dot);
  dirty = true;
  if (const auto at = unsettled_.find(dot); at != unsettled_.end()) drop_unsettled(at);
}

void Partition::settle(const crdt::DotSet& dots) {
  crdt::DotSet mine = dots;
  mine.intersect(data.clock());
  if (settled.covers(mine)) return;
  for (auto at = unsettled_.begin(); at != unsettled_.end();)
    at = mine.contains(at->first) ? drop_unsettled(at) : std::next(at);
  bulk_.subtract(mine);
  settled.join(mine);
  dirty = true;
}

void Partition::recount() {
  progress_epoch = {};  // what a Progress has told may have been of dots that were not here yet
  for (auto at = pending_.begin(); at != pending_.end();) {  // what came of these, rows have told
    const auto next = std::next(at);
    if (data.clock().contains(at->first)) drop_pending(at);
    at = next;
  }
  bulk_ = crdt::minus(data.clock(), settled);
  for (const auto& [dot, entry] : unsettled_) bulk_.erase(dot);
}

std::optional<Partition::Sendable> Partition::read(const storage::Outbox::Entry& entry) const {
  return read(entry.at);
}

std::optional<Partition::Sendable> Partition::read(storage::LogPosition at) const {
  auto bytes = node_.store.read_log(at);
  if (!bytes) return std::nullopt;
  Sendable out;
  out.record_bytes = std::move(*bytes);
  auto record = decode_record(out.record_bytes);
  if (!record || !std::holds_alternative<DeltaRecord>(*record)) return std::nullopt;
  out.record = std::get<DeltaRecord>(*record);
  if (out.record.verdict == Verdict::none) return out;
  return judged(std::move(out), at);
}

// A conditional write as it is known by now. Nothing: what came of it was told by rows, and not to the log.
std::optional<Partition::Sendable> Partition::judged(Sendable&& out, storage::LogPosition at) const {
  const auto delta = crdt::decode_delta(out.record.delta);
  if (!delta) return std::nullopt;
  const Dot dot = delta->dot();
  if (const auto newest = outbox.newest(dot, at); newest != at) return read(newest);
  if (!is_pending(out.record.verdict, out.record.judged) || pending_.contains(dot)) return std::move(out);
  if (!carried_out_.contains(dot)) {
    if (data.clock().contains(dot)) return std::nullopt;
    return std::move(out);
  }
  out.record.judged = kFinal;
  if (out.record.verdict == Verdict::superseded) {
    out.outcome = std::make_unique<Bytes>(crdt::encode(crdt::superseded(*delta)));
    out.record.delta = *out.outcome;
  }
  return std::move(out);
}

void Partition::confirm(const crdt::DotSet& dots) {
  confirmed.join(dots);
  outbox.confirm(confirmed);
  carried_out_.subtract(confirmed);
  while (!carried_out_at_.empty() && !carried_out_.contains(carried_out_at_.front().second))
    carried_out_at_.pop_front();
  dirty = true;
}

void Partition::stage(BytesView chunk_record, bool last, storage::Batch& batch) {
  batch.meta.push_back({staging_key(id, staging->staged++), Bytes(chunk_record)});
  staging->complete = last;
  dirty = true;
}

bool Partition::staged(Bytes& chunk_record) const {
  return node_.store.get_meta(staging_key(id, staging->applied), chunk_record) == storage::Found::yes;
}

void Partition::unstage(storage::Batch& batch) {
  batch.meta.push_back({staging_key(id, staging->applied++), std::nullopt});
  if (staging->applied == staging->staged) staging.reset();
  dirty = true;
}

void Partition::drop_staging(storage::Batch& batch) {
  if (!staging) return;
  for (uint32_t number = staging->applied; number < staging->staged; ++number)
    batch.meta.push_back({staging_key(id, number), std::nullopt});
  staging.reset();
  dirty = true;
}

Bytes Partition::encode_state() const {
  State state;
  state.settled = settled;
  state.confirmed = confirmed;
  state.promised = promised;
  state.stamp = stamp;
  state.lost_epoch = lost_epoch;
  state.ids_forgotten_ms = ids_forgotten_ms;
  state.ids = ids;
  state.exchanging = staging.has_value();
  if (staging) {
    state.staging_clock = staging->clock;
    state.staged = staging->staged;
    state.applied = staging->applied;
    state.complete = staging->complete;
  }
  state.data = data.encode_state();
  state.entered = entered_epoch;
  for (const auto& [dot, p] : pending_)
    state.pending.push_back({dot, p.key, p.stamp, p.delta, p.epoch, p.verdict, p.judged, p.at.value});
  Bytes out;
  crdt::encode_typed(kStateVersion, state, out);
  return out;
}

Status Partition::restore(BytesView bytes) {
  crdt::Reader reader(bytes);
  const size_t elements = reader.array();
  const uint64_t version = reader.uint(255);
  if (reader.ok() && version != kStateVersion)
    return {Errc::version, "a partition's state has version " + std::to_string(version) +
                               "; this program reads " + std::to_string(kStateVersion)};
  State state;
  if (!crdt::decode_typed(reader, elements, state) || !reader.done()) return reader.error("partition state");
  if (auto restored = data.restore(state.data); !restored) return restored;
  settled = std::move(state.settled);
  confirmed = std::move(state.confirmed);
  promised = state.promised;
  stamp = logged_stamp = state.stamp;
  lost_epoch = state.lost_epoch;
  ids_forgotten_ms = state.ids_forgotten_ms;
  node_.ids += state.ids - ids;
  ids = state.ids;
  if (state.exchanging)
    staging = Staging{std::move(state.staging_clock), state.staged, state.applied, state.complete};
  entered_epoch = state.entered;
  for (PendingImage& p : state.pending)
    keep(p.dot, {std::move(p.key), p.stamp, std::move(p.delta), p.epoch, p.verdict, p.judged, {p.at}});
  dirty = false;
  return ok();
}

}  // namespace atolldb::region
