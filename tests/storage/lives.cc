#include "tests/storage/lives.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

#include "crdt/base/prng.h"
#include "storage/virtual_store.h"
#include "tests/storage/store_harness.h"

namespace atolldb::storage::testing {

namespace {

constexpr uint64_t kRows = 40;

// Update n, made in life `life`, sets row n mod kRows to its record. Of one size in every life: what a lost
// one left in a recycled segment lies exactly where a new one would continue.
Bytes record_of(uint64_t n, uint64_t life) {
  Prng prng(n * 1'000'003);
  const size_t filler = prng.chance(1, 40) ? prng.below(90'000) : prng.below(prng.chance(1, 3) ? 6000 : 200);
  return number_key(n) + number_key(life) + Bytes(filler, static_cast<char>(n + life));
}
Bytes row_key(uint64_t n) { return "row" + number_key(n % kRows); }
uint64_t number(BytesView bytes) {
  uint64_t n = 0;
  for (size_t i = 0; i < 8; ++i) n = n << 8 | static_cast<uint8_t>(bytes.at(i));
  return n;
}

class Lives {
 public:
  Lives(uint64_t seed, const LifeFaults& faults, bool periodic, LivesSeen& seen)
      : prng_(seed), faults_(faults), periodic_(periodic), seen_(seen) {}

  void live_and_die() {
    ++life_;
    VirtualStoreOptions options;
    options.log_segment_bytes = 64u << 10;
    options.memtable_bytes = 48u << 10;
    options.log_bytes_max = 600u << 10;
    options.durability = periodic_ ? Durability::periodic : Durability::strict;
    store_ = std::make_unique<VirtualStore>(disk_, options, prng_.next());
    if (recover())
      for (uint64_t events = prng_.below(300); events > 0 && !failed_; --events) event();
    die();
  }

 private:
  bool recover() {
    check_rows();
    std::vector<Bytes> applied;
    LogPosition previous;
    const auto check_old = [&](LogPosition at, BytesView record) {
      const auto known = positions_.find(at);
      return known != positions_.end() && history_.at(known->second) == record;
    };
    const auto keep = [&](LogPosition at, BytesView record) {
      const uint64_t n = checkpointed_ + applied.size();
      if (n >= history_.size() || history_[n] != record) return false;
      const auto known = positions_.find(at);
      if (known == positions_.end() || known->second != n) return false;
      applied.emplace_back(record);
      return bool(store_->commit({{}, {put(row_key(n), Bytes(record))}, {put("last", number_key(n + 1))}}));
    };
    const Status status = store_->recover(check_old, keep);
    if (!status) {
      // Only a disk that refuses may stop it.
      if (status.error().code == Errc::corrupt) wrong(status.error().message);
      ++seen_.failures;
      return false;
    }
    const uint64_t recovered = checkpointed_ + applied.size();
    const bool shorter = store_->log_end() < durable_position_;
    // What a flipped bit took is known: to the store itself, or to peers who know how long its log was.
    const bool known = flipped_ && (store_->log_damaged() || shorter);
    if (recovered < durable_ && !known)
      wrong(std::to_string(recovered) + " of " + std::to_string(durable_) + " are there");
    if (store_->log_damaged() && !flipped_) wrong("damage was seen where there was none");
    if (shorter && !periodic_ && !flipped_) wrong("the log is shorter than it said");
    if (store_->log_damaged()) ++seen_.damaged;
    if (flipped_ && shorter) ++seen_.shorter;
    // Damage is remembered until a checkpoint covers it.
    flipped_ = store_->log_damaged();
    seen_.lost += history_.size() - recovered;
    history_.resize(recovered);
    durable_ = recovered;  // what was handed out counts from now on
    durable_position_ = store_->log_end();
    std::erase_if(positions_, [&](const auto& item) { return item.second >= recovered; });
    failed_ = false;
    return true;
  }

  // The rows are exactly those of some checkpoint.
  void check_rows() {
    Bytes bytes;
    checkpointed_ = 0;
    if (store_->get_meta("last", bytes) == Found::yes) checkpointed_ = number(bytes);
    if (checkpointed_ > history_.size()) wrong("rows outlived their records");
    if (checkpointed_ < checkpoint_said_) wrong("a checkpoint was lost");
    std::map<Bytes, Bytes> rows;
    for (uint64_t n = checkpointed_ < kRows ? 0 : checkpointed_ - kRows; n < checkpointed_; ++n)
      rows[row_key(n)] = history_[n];
    if (all_rows(*store_) != std::vector<std::pair<Bytes, Bytes>>(rows.begin(), rows.end()))
      wrong("rows are not those of the checkpoint");
  }

  void event() {
    now_ = now_ + Duration::micros(static_cast<int64_t>(prng_.below(20'000)));
    const uint64_t what = prng_.below(100);
    if (what < 40) return commit();
    if (what < 70) return work();
    if (what < 80) return poll();
    if (what < 84 && store_->wants_checkpoint()) return freeze();
    if (what < 85) return freeze();
    if (what < 88) return release();
    if (what < 90) return probe();
    if (what == 90 && faults_.sync_errors && prng_.chance(1, 10)) disk_.failing_syncs = 1;
    if (what == 91 && faults_.write_errors && prng_.chance(1, 10)) disk_.failing_writes = 1;
    if (what == 92 && faults_.write_errors && prng_.chance(1, 20)) disk_.failing_checkpoints = 1;
    if (what == 93 && faults_.full_disks)
      disk_.capacity_bytes = prng_.chance(1, 2) ? UINT64_MAX : disk_.used_bytes() + prng_.below(200'000);
    if (what >= 94) poll();
  }

  void commit() {
    Batch batch;
    const uint64_t first = history_.size();
    uint64_t n = first;
    for (uint64_t group = 1 + prng_.below(4); group > 0; --group, ++n) {
      batch.records.push_back(record_of(n, life_));
      batch.rows.push_back(put(row_key(n), batch.records.back()));
    }
    batch.meta.push_back(put("last", number_key(n)));
    std::vector<Bytes> records = batch.records;
    const auto at = store_->commit(std::move(batch));
    if (!at) {
      if (at.error().code != Errc::full && at.error().code != Errc::io) wrong(at.error().message);
      ++seen_.refused;
      return;
    }
    for (size_t i = 0; i < records.size(); ++i) {
      positions_[(*at)[i]] = first + i;
      history_.push_back(std::move(records[i]));
    }
  }

  void work() {
    const Job job = kJobs[prng_.below(std::size(kJobs))];
    if (store_->busy(job))
      store_->complete(job, now_);
    else
      store_->begin(job, now_);
  }

  void poll() {
    const Events events = store_->poll();
    if (events.durable < durable_position_) wrong("durable went back");
    durable_position_ = events.durable;
    // A periodic store's word is worth less: only what was synced is checked after a power cut.
    const auto behind = positions_.lower_bound(events.durable);
    if (!periodic_) durable_ = behind == positions_.end() ? history_.size() : behind->second;
    if (events.checkpoint_done) {
      ++seen_.checkpoints;
      checkpoint_said_ = frozen_;
    }
    if (events.failed) {
      if (!faults_.sync_errors && !faults_.write_errors) wrong(events.failed->message);
      ++seen_.failures;
      failed_ = true;
    }
  }

  void freeze() {
    if (store_->begin_checkpoint({put("last", number_key(history_.size()))})) frozen_ = history_.size();
  }

  void release() {
    const uint64_t end = store_->log_end().value;
    const LogPosition begin = store_->log_begin();
    store_->release_log({end - std::min(end, prng_.below(300'000))});
    if (store_->log_begin() > begin) ++seen_.dropped;
  }

  void probe() {
    if (positions_.empty()) return;
    const auto [at, n] =
        *std::next(positions_.begin(), static_cast<ptrdiff_t>(prng_.below(positions_.size())));
    const auto record = store_->read_log(at);
    const bool kept = at >= store_->log_begin();
    if (record && *record != history_[n]) wrong("a record was read wrong");
    if (record) return;
    const Errc why = record.error().code;
    // What is still in the buffer can be read though its segment is gone; what a bit was flipped in, cannot,
    // nor what was lost with it and the rows contain.
    const bool right = kept ? faults_.flipped_bits && (why == Errc::corrupt || why == Errc::not_found)
                            : why == Errc::not_found;
    if (!right) wrong("a record cannot be read: " + record.error().message);
  }

  void die() {
    ++seen_.deaths;
    if (store_->busy(Job::log)) ++seen_.in_sync;
    if (store_->busy(Job::segments)) ++seen_.in_segment;
    if (store_->busy(Job::checkpoint)) ++seen_.in_checkpoint;
    store_->finish_some(prng_, now_);
    store_.reset();
    const bool power = prng_.chance(1, 2);
    if (power && disk_.has_unsynced()) ++seen_.power_cuts;
    if (power) disk_.cut_power(prng_);
    if (prng_.chance(1, 2)) {
      disk_.failing_syncs = disk_.failing_writes = disk_.failing_checkpoints = 0;
      disk_.capacity_bytes = UINT64_MAX;
    }
    if (faults_.flipped_bits && prng_.chance(1, 5)) flip();
    // Power may fail again before anybody starts, and nothing more can be lost.
    if (power && prng_.chance(1, 4)) {
      if (disk_.has_unsynced()) wrong("a power cut left something unsynced");
      disk_.cut_power(prng_);
    }
  }

  void flip() {
    const auto files = disk_.files();
    if (files.empty()) return;
    const auto& [path, bytes] = files[prng_.below(files.size())];
    if (bytes == 0 || !disk_.flip_bit(path, prng_.below(bytes * 8))) return;
    ++seen_.flips;
    flipped_ = true;
  }

  [[noreturn]] void wrong(const std::string& what) const {
    throw std::runtime_error("life " + std::to_string(life_) + ": " + what);
  }

  Prng prng_;
  const LifeFaults faults_;
  const bool periodic_;
  LivesSeen& seen_;
  VirtualDisk disk_;
  std::unique_ptr<VirtualStore> store_;
  Instant now_{0};
  uint64_t life_ = 0;
  bool failed_ = false, flipped_ = false;

  std::vector<Bytes> history_;                 // update n's record
  std::map<LogPosition, uint64_t> positions_;  // where it lies in the log
  uint64_t durable_ = 0;                       // updates that must be there
  LogPosition durable_position_;
  uint64_t checkpointed_ = 0, frozen_ = 0, checkpoint_said_ = 0;
};

}  // namespace

void run_lives(uint64_t seed, const LifeFaults& faults, bool periodic, LivesSeen& seen) {
  Lives lives(seed, faults, periodic, seen);
  for (int life = 0; life < 25; ++life) lives.live_and_die();
}

}  // namespace atolldb::storage::testing
