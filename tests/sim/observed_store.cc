#include "tests/sim/observed_store.h"

#include "crdt/row_key.h"

namespace atolldb::sim {

Status ObservedStore::recover(const RecordVisitor& old, const RecordVisitor& apply, storage::LogRange known) {
  if (facts_) facts_->begin(machine_, disk_);
  const auto observed = [&](storage::LogPosition at, BytesView record) {
    if (facts_) facts_->recovered(machine_, at, record);
    return apply(at, record);
  };
  Status recovered = inner_->recover(old, observed, known);
  recovered_ = true;
  if (recovered && facts_) facts_->recovery_ended(machine_);
  return recovered;
}

Result<std::vector<storage::LogPosition>> ObservedStore::commit(storage::Batch&& batch) {
  if (recovered_)
    for (const auto& change : batch.rows)
      if (const auto parts = crdt::parse_row_key(change.key);
          parts && parts->name.tag == crdt::RowTag::journal && change.value)
        probes_.hit(Probe::journal_row_written);
  if (batch.from_reserve && !batch.rows.empty() && inner_->room() == storage::Room::reserve)
    probes_.hit(Probe::removed_from_reserve);
  if (!facts_) return inner_->commit(std::move(batch));
  const std::vector<Bytes> records = batch.records;
  auto positions = inner_->commit(std::move(batch));
  if (positions)
    for (size_t i = 0; i < positions->size(); ++i)
      facts_->committed(truth_, machine_, (*positions)[i], records[i]);
  return positions;
}

bool ObservedStore::begin_checkpoint(std::vector<storage::Batch::Change>&& meta) {
  const storage::LogPosition at = inner_->log_end();
  if (!inner_->begin_checkpoint(std::move(meta))) return false;
  if (facts_) facts_->checkpoint_began(machine_, at);
  return true;
}

storage::Events ObservedStore::poll() {
  storage::Events events = inner_->poll();
  if (facts_ && !events.failed) facts_->durable(machine_, events.durable);
  if (facts_ && events.checkpoint_done) facts_->checkpoint_done(machine_);
  return events;
}

}  // namespace atolldb::sim
