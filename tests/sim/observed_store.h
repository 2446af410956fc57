#pragma once
// A store that tells the simulation's facts what its node commits, what became durable and what a start found
// on the disk. Everything else goes straight through.

#include <functional>
#include <memory>

#include "storage/virtual_store.h"
#include "tests/sim/facts.h"

namespace atolldb::sim {

class ObservedStore final : public storage::Store {
 public:
  // `disk`, `facts` and `truth` outlive the store. Without `facts` nothing is noted.
  ObservedStore(std::unique_ptr<storage::VirtualStore> inner, uint32_t machine, DiskFacts& disk, Facts* facts,
                Probes& probes, const Instant& truth)
      : inner_(std::move(inner)),
        machine_(machine),
        disk_(disk),
        facts_(facts),
        probes_(probes),
        truth_(truth) {}

  storage::VirtualStore& inner() { return *inner_; }

  Status recover(const RecordVisitor& old, const RecordVisitor& apply, storage::LogRange known = {}) override;
  Result<std::vector<storage::LogPosition>> commit(storage::Batch&& batch) override;
  bool begin_checkpoint(std::vector<storage::Batch::Change>&& meta) override;
  storage::Events poll() override;

  storage::Found get(BytesView key, Bytes& value) override { return inner_->get(key, value); }
  bool walk(BytesView from, BytesView to, const RowVisitor& visit) override {
    return inner_->walk(from, to, visit);
  }
  storage::Found get_meta(BytesView key, Bytes& value) override { return inner_->get_meta(key, value); }
  bool walk_meta(BytesView from, BytesView to, const RowVisitor& visit) override {
    return inner_->walk_meta(from, to, visit);
  }
  bool log_damaged() const override { return inner_->log_damaged(); }
  Result<Bytes> read_log(storage::LogPosition at) override { return inner_->read_log(at); }
  storage::LogPosition log_begin() const override { return inner_->log_begin(); }
  storage::LogPosition log_end() const override { return inner_->log_end(); }
  uint64_t log_segment_bytes() const override { return inner_->log_segment_bytes(); }
  void release_log(storage::LogPosition keep_from) override { inner_->release_log(keep_from); }
  bool wants_checkpoint() const override { return inner_->wants_checkpoint(); }
  storage::Room room() const override { return inner_->room(); }
  bool disk_full(storage::Room wanted = storage::Room::plenty) const override {
    return inner_->disk_full(wanted);
  }
  int event_fd() const override { return inner_->event_fd(); }
  storage::Usage usage() const override { return inner_->usage(); }

 private:
  std::unique_ptr<storage::VirtualStore> inner_;
  uint32_t machine_;
  DiskFacts& disk_;
  Facts* facts_;
  Probes& probes_;
  const Instant& truth_;
  bool recovered_ = false;
};

}  // namespace atolldb::sim
