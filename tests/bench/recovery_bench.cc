// What a start costs while a region is away and the log is kept for it: a node of one region fills its log
// with sets of 100 bytes that the other region never confirms, dies, and recovers. The reference reads the
// same log files and does nothing with them. With the outboxes' index in the checkpoint, and without it, as
// the first start after an update of the program; from the page cache, and after the node's files have left
// it. And what the index costs the checkpoints that write it.
//
//   recovery_bench [--dir DIR] [--mib 1024] [--json]

#include <fcntl.h>
#include <lmdb.h>
#include <malloc.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "crdt/base/prng.h"
#include "region/core/node.h"
#include "region/node/engine.h"
#include "storage/disk_store.h"
#include "tests/bench/report.h"
#include "tests/command_line.h"

using namespace atolldb;
using namespace atolldb::bench;

namespace {

constexpr size_t kValueBytes = 100, kInFlight = 512;
constexpr uint64_t kKeys = 200'000;
constexpr NodeNumber kSelf{1};

struct Quiet final : EventLog {
  void write(LogLevel, std::string_view) override {}
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "recovery_bench: %s\n", why.c_str());
  std::exit(1);
}

Now now() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {{std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count()},
          static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count())};
}

// Two regions of one node. The second is never there.
topology::Topology two_regions() {
  topology::Topology out;
  out.cluster = out.digest = "bench";
  out.placement = {{7, 1}, 256};
  for (uint16_t r = 0; r < 2; ++r) {
    const NodeNumber number{static_cast<uint16_t>(raw(kSelf) + r)};
    topology::Region region;
    region.name = "r" + std::to_string(r);
    region.id = RegionId{r};
    region.n = region.r = region.w = 1;
    region.nodes = {number};
    topology::Node node;
    node.number = number;
    node.name = region.name + "-1";
    node.region = region.id;
    node.zone = "a";
    out.nodes.push_back(node);
    out.regions.push_back(region);
  }
  return out;
}

std::unique_ptr<storage::DiskStore> open_store(const std::string& directory) {
  storage::DiskStoreOptions options;
  options.directory = directory;
  options.cluster = "bench";
  options.node = kSelf;
  options.log_bytes_max = uint64_t{64} << 30;  // the benchmark says how much there is
  auto store = storage::DiskStore::open(options);
  if (!store) fail(store.error().message);
  return std::move(*store);
}

// A closed loop of sets until the log is as large as it is to be.
class Filling {
 public:
  explicit Filling(const std::string& directory)
      : store_(open_store(directory)), engine_({kSelf, 1, {}}, topology_, *store_, log_) {
    if (const Status started = engine_.start(now()); !started) fail(started.error().message);
  }

  void run(uint64_t log_bytes) {
    for (bool first = true; store_->log_end().value < log_bytes; first = false) {
      while (in_flight_ < kInFlight) send();
      take(engine_.take_output());
      pollfd waited{store_->event_fd(), POLLIN, 0};
      if (::poll(&waited, 1, first ? 1 : 5) > 0) engine_.handle_storage(now());
      if (now().monotonic >= deadline_) engine_.handle_tick(now());
    }
  }

 private:
  void send() {
    region::Request request;
    request.op = region::Op::set;
    char key[32];
    request.key = {key,
                   static_cast<size_t>(std::snprintf(key, sizeof key, "key:%012llu",
                                                     static_cast<unsigned long long>(dice_.below(kKeys))))};
    request.value = Bytes(kValueBytes, 'v');
    ++in_flight_;
    engine_.handle_request(now(), {}, std::move(request));
  }
  void take(node::Output&& output) {
    if (output.fatal) fail(*output.fatal);
    in_flight_ -= output.replies.size();
    deadline_ = output.next_deadline;
  }

  const topology::Topology topology_ = two_regions();
  Quiet log_;
  std::unique_ptr<storage::DiskStore> store_;
  node::Engine engine_;
  Prng dice_{1};
  size_t in_flight_ = 0;
  Instant deadline_;
};

double anonymous_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("RssAnon:", 0) == 0) return std::strtod(line.c_str() + 8, nullptr) / 1024;
  return 0;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Recovered {
  double seconds = 0, cpu_seconds = 0, mib = 0;
  uint64_t entries = 0, log_bytes = 0;
};

Recovered recover(const std::string& directory) {
  ::malloc_trim(0);
  const double mib = anonymous_mib();
  const topology::Topology topology = two_regions();
  Quiet log;
  const auto began = Clock::now();
  const double cpu_began = cpu_seconds();
  const auto store = open_store(directory);
  region::Node node(topology, kSelf, 1, *store, log, [](NodeNumber, BytesView) {});
  if (const Status recovered = node.recover(now()); !recovered) fail(recovered.error().message);
  Recovered out{since(began), cpu_seconds() - cpu_began, 0, 0, store->usage().log_bytes};
  for (const auto& [id, partition] : node.partitions())
    out.entries += partition->outbox.end() - partition->outbox.begin();
  ::malloc_trim(0);
  out.mib = anonymous_mib() - mib;
  return out;
}

// Whatever lies below the machine may still have them.
void leave_page_cache(const std::string& directory) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    if (!file.is_regular_file()) continue;
    const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (::fdatasync(fd) != 0 || ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) fail("posix_fadvise");
    ::close(fd);
  }
}

double read_log_files(const std::string& directory) {
  const auto began = Clock::now();
  Bytes buffer(1u << 20, '\0');
  for (const auto& file : std::filesystem::directory_iterator(directory + "/log")) {
    const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    while (::read(fd, buffer.data(), buffer.size()) > 0) {
    }
    ::close(fd);
  }
  return since(began);
}

void must_lmdb(int rc) {
  if (rc != 0) fail(mdb_strerror(rc));
}

// As if a version of the program had run that did not write it.
void remove_index(const std::string& directory) {
  MDB_env* env = nullptr;
  must_lmdb(mdb_env_create(&env));
  must_lmdb(mdb_env_set_maxdbs(env, 4));
  must_lmdb(mdb_env_set_mapsize(env, size_t{64} << 30));
  must_lmdb(mdb_env_open(env, (directory + "/rows").c_str(), 0, 0640));
  MDB_txn* txn = nullptr;
  must_lmdb(mdb_txn_begin(env, nullptr, 0, &txn));
  MDB_dbi meta;
  must_lmdb(mdb_dbi_open(txn, "meta", 0, &meta));
  MDB_cursor* cursor = nullptr;
  must_lmdb(mdb_cursor_open(txn, meta, &cursor));
  MDB_val key{1, const_cast<char*>("o")}, value{};
  for (int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
       rc == 0 && static_cast<const char*>(key.mv_data)[0] == 'o';
       rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
    must_lmdb(mdb_cursor_del(cursor, 0));
  must_lmdb(mdb_txn_commit(txn));
  mdb_env_close(env);
}

void measure(const std::string& name, const std::string& directory, bool cold, Report& report) {
  double reference = 1e9;
  Recovered best{1e9, 0, 0, 0, 0};
  for (int turn = 0; turn < 3; ++turn) {
    if (cold) leave_page_cache(directory);
    reference = std::min(reference, read_log_files(directory));
    if (cold) leave_page_cache(directory);
    const Recovered recovered = recover(directory);
    if (recovered.seconds < best.seconds) best = recovered;
  }
  report.pair("recovery, " + name, "ms", {best.seconds * 1e3, reference * 1e3});
  report.number("  CPU", "ms", best.cpu_seconds * 1e3);
  report.number("  entries of the outboxes", "", static_cast<double>(best.entries));
  report.number("  log", "MiB", static_cast<double>(best.log_bytes) / (1u << 20));
  report.number("  memory of the node", "MiB", best.mib);
}

// The rows that a checkpoint writes for each segment's worth of log: made again, from what the node knows.
void measure_index(const std::string& directory, Report& report) {
  const topology::Topology topology = two_regions();
  Quiet log;
  const auto store = open_store(directory);
  region::OutboxIndex index(*store);
  index.find();
  const storage::LogRange known = index.known();
  region::Node node(topology, kSelf, 1, *store, log, [](NodeNumber, BytesView) {});
  if (const Status recovered = node.recover(now()); !recovered) fail(recovered.error().message);
  double rows = 0, bytes = 0, longest = 0;
  const double began = cpu_seconds();
  for (storage::LogRange range{known.begin, {}}; range.begin < known.end; range.begin = range.end, ++rows) {
    const double row_began = cpu_seconds();
    range.end = {std::min(known.end.value, range.begin.value + store->log_segment_bytes())};
    std::vector<region::OutboxImage> images;
    for (const auto& [id, partition] : node.partitions())
      if (region::OutboxImage image = partition->outbox_image(range); !image.empty())
        images.push_back(std::move(image));
    std::vector<storage::Batch::Change> meta;
    index.write(range, images, meta);
    bytes += static_cast<double>(meta.back().value->size());
    longest = std::max(longest, cpu_seconds() - row_began);
  }
  const double spent = cpu_seconds() - began;
  report.number("index row for 16 MiB of log", "KiB", bytes / rows / 1024);
  report.number("  of the log", "%", 100 * bytes / static_cast<double>(known.end.value - known.begin.value));
  report.number("  CPU of the node's loop", "ms", spent / rows * 1e3);
  report.number("  longest", "ms", longest * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine app("What a start costs while the log is kept for a region that is away.");
  std::string directory;
  uint64_t mib = 1024;
  bool json = false;
  app.add("--dir", directory, "where the node's data lies; removed at the end");
  app.add("--mib", mib, "how much log there is");
  app.add("--json", json);
  if (const auto status = app.parse(argc, argv)) return *status;
  if (directory.empty()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "atoll-recovery-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) fail("no temporary directory");
    directory = pattern;
  }
  Filling(directory).run(mib << 20);
  {
    Report report(json);
    measure_index(directory, report);
    measure("with the outboxes' index", directory, false, report);
    measure("the same, cold", directory, true, report);
    remove_index(directory);
    measure("without", directory, false, report);
    measure("without, cold", directory, true, report);
  }
  std::filesystem::remove_all(directory);
}
