#include "region/core/partition.h"

#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/fields.h"
#include "crdt/row_key.h"
#include "region/core/request_ids.h"

namespace atolldb::region {

namespace {
constexpr uint8_t kStateVersion = 1;

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
};
template <typename Io>
void fields(Io& io, State& s) {
  io(s.settled, s.confirmed, s.promised, s.stamp, s.lost_epoch, s.ids_forgotten_ms, s.ids, s.exchanging,
     s.staging_clock, s.staged, s.applied, s.complete, s.data);
}

// Meta key: 's' partition number → a chunk's record.
Bytes staging_key(PartitionId id, uint32_t number) {
  Bytes key = "s";
  for (const int shift : {8, 0}) key.push_back(static_cast<char>(raw(id) >> shift));
  for (const int shift : {24, 16, 8, 0}) key.push_back(static_cast<char>(number >> shift));
  return key;
}
}  // namespace

Partition::Partition(NodeState& node, PartitionId id_in)
    : id(id_in),
      replicas(node.ring().replicas(id_in)),
      data(id_in, node.topology.placement, node.rows),
      node_(node) {}

Merged Partition::merge(const Epoch& epoch, crdt::Hlc entry_stamp, BytesView request_id,
                        BytesView delta_bytes) {
  auto delta = crdt::decode_delta(delta_bytes);
  if (!delta) {
    node_.note(LogLevel::error, "a delta cannot be read partition=" + std::to_string(raw(id)) + " why=\"" +
                                    delta.error().message + "\"");
    return Merged::broken;
  }
  return merge(epoch, entry_stamp, request_id, *delta, delta_bytes);
}

Merged Partition::merge(const Epoch& epoch, crdt::Hlc entry_stamp, BytesView request_id,
                        const crdt::Delta& delta, BytesView delta_bytes) {
  if (data.clock().covers(delta.dots)) return Merged::known;
  if (!data.ready(delta)) return Merged::not_ready;
  if (!node_.store.has_room()) return Merged::no_room;
  storage::Batch batch;
  batch.records.emplace_back();
  encode(DeltaRecord{id, epoch, entry_stamp, request_id, delta_bytes}, batch.records.back());
  const auto bytes = static_cast<uint32_t>(batch.records.back().size());
  const bool promises = promised < epoch;
  promised = std::max(promised, epoch);
  stamp = std::max(stamp, entry_stamp);
  apply(delta, request_id, batch);
  if (node_.damaged.contains(id)) return Merged::damaged;  // it begins again: nothing of this is committed
  const storage::LogPosition at = node_.commit(std::move(batch));
  if (promises) promised_at = node_.store.log_end();
  outbox.add({delta.dot(), entry_stamp, at, bytes, 0});
  if (entered.kept) entered.at.push_back(at);
  return Merged::merged;
}

bool Partition::apply(const crdt::Delta& delta, BytesView request_id, storage::Batch& batch) {
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
  if (!settled.contains(dot)) index(dot, delta.key);
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

void Partition::index(const Dot& dot, BytesView key) {
  if (!unsettled_.emplace(dot, Unsettled{entered_ + 1, Bytes(key)}).second) return;
  auto& of_key = unsettled_by_key_[Bytes(key)];
  if (!of_key) of_key = std::make_shared<KeyUnsettled>();
  of_key->insert(of_key->end(), ++entered_);
  ++node_.unsettled;
  bulk_.erase(dot);
}

Status Partition::replay(const DeltaRecord& record, storage::LogPosition at) {
  auto delta = crdt::decode_delta(record.delta);
  if (!delta) return delta.error();
  promised = std::max(promised, record.epoch);
  stamp = std::max(stamp, record.stamp);
  if (data.clock().covers(delta->dots)) return ok();
  if (canary(Canary::dot_forgotten) && delta->dot().counter % 8 == 0) return ok();
  storage::Batch batch;
  apply(*delta, record.request_id, batch);
  const auto committed = node_.store.commit(std::move(batch));
  if (!committed) return committed.error();
  if (!confirmed.contains(delta->dot()))
    outbox.add({delta->dot(), record.stamp, at, static_cast<uint32_t>(record.delta.size()), 0});
  return ok();
}

Status Partition::remember(const DeltaRecord& record, storage::LogPosition at) {
  auto delta = crdt::decode_delta(record.delta);
  if (!delta) return delta.error();
  const Dot dot = delta->dot();
  if (!data.clock().contains(dot) || confirmed.contains(dot)) return ok();
  outbox.add({dot, record.stamp, at, static_cast<uint32_t>(record.delta.size()), 0});
  if (!settled.contains(dot)) index(dot, delta->key);
  return ok();
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
  node_.commit(std::move(batch));
  promised_at = node_.store.log_end();
}

std::shared_ptr<const Partition::KeyUnsettled> Partition::unsettled_of(BytesView key) const {
  if (unsettled_.empty()) return nullptr;
  const auto at = unsettled_by_key_.find(Bytes(key));
  return at == unsettled_by_key_.end() ? nullptr : at->second;
}

void Partition::settle(const Dot& dot) {
  settled.insert(dot);
  dirty = true;
  const auto at = unsettled_.find(dot);
  if (at == unsettled_.end()) return;
  const auto of_key = unsettled_by_key_.find(at->second.key);
  of_key->second->erase(at->second.number);
  if (of_key->second->empty()) unsettled_by_key_.erase(of_key);
  unsettled_.erase(at);
  --node_.unsettled;
}

void Partition::settle(const crdt::DotSet& dots) {
  crdt::DotSet mine = dots;
  mine.intersect(data.clock());
  if (settled.covers(mine)) return;
  std::vector<Dot> known;
  for (const auto& [dot, entry] : unsettled_)
    if (mine.contains(dot)) known.push_back(dot);
  for (const Dot& dot : known) settle(dot);
  bulk_.subtract(mine);
  settled.join(mine);
  dirty = true;
}

void Partition::recount() {
  progress_epoch = {};  // what a Progress has told may have been of dots that were not here yet
  bulk_ = crdt::minus(data.clock(), settled);
  for (const auto& [dot, entry] : unsettled_) bulk_.erase(dot);
}

std::optional<Partition::Sendable> Partition::read(const storage::Outbox::Entry& entry) const {
  auto bytes = node_.store.read_log(entry.at);
  if (!bytes) return std::nullopt;
  Sendable out;
  out.record_bytes = std::move(*bytes);
  auto record = decode_record(out.record_bytes);
  if (!record || !std::holds_alternative<DeltaRecord>(*record)) return std::nullopt;
  out.record = std::get<DeltaRecord>(*record);
  return out;
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
  stamp = state.stamp;
  lost_epoch = state.lost_epoch;
  ids_forgotten_ms = state.ids_forgotten_ms;
  node_.ids += state.ids - ids;
  ids = state.ids;
  if (state.exchanging)
    staging = Staging{std::move(state.staging_clock), state.staged, state.applied, state.complete};
  dirty = false;
  return ok();
}

}  // namespace atolldb::region
