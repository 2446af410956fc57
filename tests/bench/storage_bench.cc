// What the store costs, as ratios against the bare thing in the same run: a preallocated file with pwrite and
// fdatasync for the log, LMDB with the same batch for checkpoints and reads.
//
//   storage_bench [--dir DIR] [--rows N] [--memtable-mib M] [--seconds S] [--json]

#include <fcntl.h>
#include <lmdb.h>
#include <malloc.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "crdt/base/prng.h"
#include "storage/disk_store.h"
#include "storage/log_format.h"
#include "tests/bench/report.h"
#include "tests/command_line.h"

using namespace atolldb;
using namespace atolldb::bench;
using namespace atolldb::storage;

namespace {

struct Settings {
  std::string directory;
  std::string only;  // one part; empty = all
  uint64_t rows = 1'000'000;
  size_t memtable_mib = 8;
  double seconds = 2;
  bool json = false;
};

constexpr size_t kValueBytes = 100;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Memory of the process that is no file's: the part that the map is not.
double anonymous_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("RssAnon:", 0) == 0) return std::strtod(line.c_str() + 8, nullptr) / 1024;
  return 0;
}

// As a row key is laid out: partition, hash, then the key itself.
Bytes row_key(uint64_t n) {
  Prng prng(n);
  const uint64_t hash = prng.next();
  Bytes key(29, '\0');
  for (size_t i = 0; i < 10; ++i) key[i] = static_cast<char>(hash >> (8 * (i % 8)));
  std::memcpy(key.data() + 12, "user:", 5);
  for (size_t i = 26; i > 16; --i, n /= 10) key[i] = static_cast<char>('0' + n % 10);
  key[28] = 1;
  return key;
}

template <typename T>
T must(Result<T>&& result) {
  if (!result) {
    std::fprintf(stderr, "storage_bench: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

void must_lmdb(int rc, const char* what) {
  if (rc == 0) return;
  std::fprintf(stderr, "storage_bench: %s: %s\n", what, mdb_strerror(rc));
  std::exit(1);
}

Events wait_events(Store& store) {
  pollfd waited{store.event_fd(), POLLIN, 0};
  ::poll(&waited, 1, -1);
  Events events = store.poll();
  if (events.failed) must<Unit>(*events.failed);
  return events;
}

std::unique_ptr<DiskStore> open_store(const std::string& directory, size_t memtable_bytes) {
  DiskStoreOptions options;
  options.directory = directory;
  options.cluster = "bench";
  options.node = NodeNumber{1};
  options.memtable_bytes = memtable_bytes;
  options.log_bytes_max = 256u << 20;
  auto store = must(DiskStore::open(options));
  must(store->recover(nullptr, nullptr));
  return store;
}

// -- the log

// A preallocated file that was written once, like a log segment.
class RawFile {
 public:
  explicit RawFile(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0640)) {
    const Bytes zeros(1u << 20, '\0');
    for (uint64_t at = 0; at < kBytes; at += zeros.size())
      if (::pwrite(fd_, zeros.data(), zeros.size(), static_cast<off_t>(at)) < 0) std::perror("pwrite");
    ::fsync(fd_);
  }
  ~RawFile() { ::close(fd_); }
  void append(BytesView bytes) {
    if (at_ + bytes.size() > kBytes) at_ = 0;
    if (::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at_)) < 0) std::perror("pwrite");
    ::fdatasync(fd_);
    at_ += bytes.size();
  }

 private:
  static constexpr uint64_t kBytes = 64u << 20;
  int fd_;
  uint64_t at_ = 0;
};

// Short turns of one and the other, so that a disk that changes its pace does so for both.
Pair log_records_per_second(DiskStore& store, RawFile& raw, size_t batch_records, double seconds) {
  const Bytes record(kValueBytes, 'r');
  const Bytes same_bytes(batch_records * record_extent(kValueBytes), 'r');
  constexpr int kTurns = 20;
  Pair count, spent;
  for (int turn = 0; turn < 2 * kTurns; ++turn) {
    const bool ours = turn % 2 == 0;
    double took = 0, counted = 0;
    while (took < seconds / kTurns) {
      // What is to be written has been made by somebody else: here as there.
      Batch batch;
      if (ours) batch.records.assign(batch_records, record);
      const auto start = Clock::now();
      if (ours) {
        must(store.commit(std::move(batch)));
        while (wait_events(store).durable < store.log_end()) {
        }
      } else {
        raw.append(same_bytes);
      }
      took += since(start);
      counted += static_cast<double>(batch_records);
    }
    (ours ? spent.ours : spent.reference) += took;
    (ours ? count.ours : count.reference) += counted;
    if (!ours) continue;
    // Segments are used again after a checkpoint, which under load comes every few megabytes.
    store.release_log(store.log_end());
    store.begin_checkpoint({});
    while (!wait_events(store).checkpoint_done) {
    }
  }
  return {count.ours / spent.ours, count.reference / spent.reference};
}

// -- puts from end to end

struct PutCost {
  double cpu_us = 0, wall_us = 0;
  double anonymous_mib = 0, memtables_mib = 0;  // at most
  uint64_t checkpoints = 0;
};

void note_memory(const Store& store, PutCost& cost) {
  const double memtables = static_cast<double>(store.usage().memtable_bytes) / (1u << 20);
  cost.anonymous_mib = std::max(cost.anonymous_mib, anonymous_mib());
  cost.memtables_mib = std::max(cost.memtables_mib, memtables);
}

void finish_checkpoint(Store& store) {
  while (!wait_events(store).checkpoint_done) {
  }
}

// Records in groups of `kGroup`, as many clients' writes arrive; checkpoints as the store asks for them.
PutCost put_rows(Store& store, uint64_t rows, uint64_t seed) {
  constexpr uint64_t kGroup = 16;
  PutCost cost;
  const double cpu = cpu_seconds();
  const auto start = Clock::now();
  Prng prng(seed);
  Events events;
  const uint64_t done_before = store.usage().checkpoints;
  for (uint64_t n = 0; n < rows; n += kGroup) {
    Batch batch;
    for (uint64_t i = n; i < std::min(rows, n + kGroup); ++i) {
      batch.records.emplace_back(kValueBytes + 60, 'r');
      batch.rows.push_back({row_key(prng.below(rows)), Bytes(kValueBytes, static_cast<char>('a' + i % 26))});
    }
    while (!store.has_room())
      if (!store.wants_checkpoint() || !store.begin_checkpoint({})) wait_events(store);
    must(store.commit(std::move(batch)));
    store.poll();
    store.release_log(store.log_end());
    if (store.wants_checkpoint()) store.begin_checkpoint({});
    if (n % (kGroup * 256) == 0) note_memory(store, cost);
  }
  while (!store.begin_checkpoint({})) wait_events(store);
  finish_checkpoint(store);
  note_memory(store, cost);
  cost.cpu_us = (cpu_seconds() - cpu) / static_cast<double>(rows) * 1e6;
  cost.wall_us = since(start) / static_cast<double>(rows) * 1e6;
  cost.checkpoints = store.usage().checkpoints - done_before;
  return cost;
}

// -- LMDB without anything around it

class RawLmdb {
 public:
  explicit RawLmdb(const std::string& directory) {
    std::filesystem::create_directories(directory);
    must_lmdb(mdb_env_create(&env_), "mdb_env_create");
    mdb_env_set_mapsize(env_, uint64_t{64} << 30);
    must_lmdb(mdb_env_open(env_, directory.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0640), "mdb_env_open");
    MDB_txn* txn;
    must_lmdb(mdb_txn_begin(env_, nullptr, 0, &txn), "mdb_txn_begin");
    must_lmdb(mdb_dbi_open(txn, nullptr, 0, &dbi_), "mdb_dbi_open");
    must_lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
  }
  ~RawLmdb() { mdb_env_close(env_); }

  // CPU seconds of one synced transaction with all of them.
  double put(const std::vector<std::pair<Bytes, Bytes>>& sorted) {
    const double cpu = cpu_seconds();
    MDB_txn* txn;
    must_lmdb(mdb_txn_begin(env_, nullptr, 0, &txn), "mdb_txn_begin");
    for (const auto& [key, value] : sorted) {
      MDB_val k{key.size(), const_cast<char*>(key.data())}, v{value.size(), const_cast<char*>(value.data())};
      must_lmdb(mdb_put(txn, dbi_, &k, &v, 0), "mdb_put");
    }
    must_lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    return cpu_seconds() - cpu;
  }

  MDB_txn* reader() {
    MDB_txn* txn;
    must_lmdb(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn), "mdb_txn_begin");
    return txn;
  }
  bool get(MDB_txn* txn, BytesView key, Bytes& value) const {
    MDB_val k{key.size(), const_cast<char*>(key.data())}, v;
    if (mdb_get(txn, dbi_, &k, &v) != 0) return false;
    value.assign(static_cast<const char*>(v.mv_data), v.mv_size);
    return true;
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

// Checkpoints of `count` rows against LMDB with the same batches, both over what is stored already. The first
// few do not count: a file that has never been changed still puts all new pages in one place.
Pair checkpoint_us(Store& store, RawLmdb& raw, uint64_t rows, uint64_t count) {
  constexpr int kWarmUp = 6, kMeasured = 6;
  Pair spent;
  Prng prng(count);
  for (int round = 0; round < kWarmUp + kMeasured; ++round) {
    std::map<Bytes, Bytes> batch;
    while (batch.size() < count)
      batch[row_key(prng.below(rows))] = Bytes(kValueBytes, static_cast<char>('a' + round));
    for (const auto& [key, value] : batch) must(store.commit({{}, {{key, value}}, {}}));
    const double cpu = cpu_seconds();
    store.begin_checkpoint({});
    finish_checkpoint(store);
    const double ours = cpu_seconds() - cpu;
    const double reference = raw.put({batch.begin(), batch.end()});
    if (round < kWarmUp) continue;
    spent.ours += ours;
    spent.reference += reference;
  }
  const double n = static_cast<double>(count) * kMeasured;
  return {spent.ours / n * 1e6, spent.reference / n * 1e6};
}

// Nanoseconds of a point read of a row that is there.
Pair read_ns(Store& store, RawLmdb& raw, uint64_t rows, double seconds) {
  std::vector<Bytes> keys;
  Prng prng(99);
  for (int i = 0; i < 100'000; ++i) keys.push_back(row_key(prng.below(rows)));
  constexpr int kTurns = 10;
  Pair spent, count;
  Bytes value;
  for (int turn = -2; turn < 2 * kTurns; ++turn) {
    const bool ours = turn % 2 == 0;
    MDB_txn* txn = ours ? nullptr : raw.reader();
    const auto start = Clock::now();
    uint64_t read = 0, found = 0;
    while (since(start) < seconds / kTurns)
      for (int i = 0; i < 64; ++i, ++read) {
        const Bytes& key = keys[read % keys.size()];
        found += ours ? store.get(key, value) == Found::yes : raw.get(txn, key, value);
        // A protocol loop polls once a round; some dozens of reads are a round under load.
        if (ours && i == 63) store.poll();
      }
    if (txn) mdb_txn_abort(txn);
    if (found == 0) std::fprintf(stderr, "storage_bench: no row was found\n");
    if (turn < 0) continue;  // warms up
    (ours ? spent.ours : spent.reference) += since(start);
    (ours ? count.ours : count.reference) += static_cast<double>(read);
  }
  return {spent.ours / count.ours * 1e9, spent.reference / count.reference * 1e9};
}

void run(const Settings& settings) {
  Report report(settings.json);
  const std::string dir = settings.directory;
  const auto wanted = [&](const char* part) { return settings.only.empty() || settings.only == part; };
  if (wanted("log")) {
    auto store = open_store(dir + "/log", 8u << 20);
    RawFile raw(dir + "/raw.log");
    for (const size_t batch : {1, 16, 256})
      report.pair("log " + std::to_string(batch) + " a batch", "records/s",
                  log_records_per_second(*store, raw, batch, settings.seconds));
  }
  if (settings.only == "log") return;
  const size_t memtable_bytes = settings.memtable_mib << 20;
  auto store = open_store(dir + "/rows", memtable_bytes);
  const auto report_put = [&](const std::string& name, const PutCost& cost) {
    report.number(name, "CPU us a row", cost.cpu_us);
    report.number(name, "us a row", cost.wall_us);
    report.number(name + " checkpoints", "count", static_cast<double>(cost.checkpoints));
    report.number(name + " anonymous memory", "MiB", cost.anonymous_mib);
    report.number(name + " of it memtables", "MiB", cost.memtables_mib);
  };
  report_put("put, fresh", put_rows(*store, settings.rows, 1));
  if (wanted("put")) report_put("put, over a full table", put_rows(*store, settings.rows, 2));
  if (settings.only == "put") return;

  RawLmdb raw(dir + "/raw");
  std::vector<std::pair<Bytes, Bytes>> all;
  for (uint64_t i = 0; i < settings.rows; ++i) all.emplace_back(row_key(i), Bytes(kValueBytes + 10, 'v'));
  std::sort(all.begin(), all.end());
  report.number("raw LMDB, all rows in one sorted transaction", "CPU us a row",
                raw.put(all) / static_cast<double>(settings.rows) * 1e6);
  all = {};
  for (const uint64_t count : {2'000, 12'000})
    if (wanted("checkpoint"))
      report.pair("checkpoint of " + std::to_string(count) + " rows", "CPU us a row",
                  checkpoint_us(*store, raw, settings.rows, count));
  if (wanted("read"))
    report.pair("warm point read", "ns", read_ns(*store, raw, settings.rows, settings.seconds));
  report.number("map", "MiB", static_cast<double>(store->usage().map_bytes) / (1 << 20));
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CommandLine app("What the store costs, as ratios against the bare thing in the same run");
  app.add("--dir", settings.directory, "where to work (default: a temporary directory)");
  app.add("--rows", settings.rows, "rows to put").positive();
  app.add("--memtable-mib", settings.memtable_mib, "size of one memtable").positive();
  app.add("--only", settings.only, "log, put, checkpoint or read")
      .one_of({"log", "put", "checkpoint", "read"});
  app.add("--seconds", settings.seconds, "of each measurement that takes turns");
  app.add("--json", settings.json, "print JSON");
  if (const auto status = app.parse(argc, argv)) return *status;
  const bool own = settings.directory.empty();
  if (own) {
    std::string pattern = (std::filesystem::temp_directory_path() / "atoll-bench-XXXXXX").string();
    settings.directory = ::mkdtemp(pattern.data());
  }
  run(settings);
  if (own) std::filesystem::remove_all(settings.directory);
}
