// What the data types cost, as ratios in the same run. The references say what causality costs beside what
// must be done anyway:
//
// - applying an update: looking up and replacing the same row in the same ordered map, as a store that keeps
//   the last value would;
// - encoding and decoding: the MessagePack library of the distribution with the same bytes, which builds and
//   reads a tree of objects and knows nothing of what they mean;
// - clocks: the set of dots that a clock stands for, kept as a set.
//
//   crdt_bench [--seconds S] [--only apply|codec|clock] [--json]

#include <algorithm>
#include <map>
#include <msgpack.hpp>
#include <set>
#include <vector>

#include "crdt/base/prng.h"
#include "crdt/replica.h"
#include "tests/bench/report.h"
#include "tests/command_line.h"
#include "tests/crdt/map_rows.h"

using namespace atolldb;
using namespace atolldb::bench;
using namespace atolldb::crdt;

namespace {

constexpr uint64_t kKeys = 10'000;
constexpr uint64_t kUpdates = 20'000;
constexpr size_t kValueBytes = 100;
constexpr PartitionId kPartition{0};
const Placement kPlacement{{7, 9}, 1};
constexpr Actor kActors[] = {{NodeNumber{1}, 3, 11}, {NodeNumber{2}, 5, 12}, {NodeNumber{3}, 1, 13}};

template <typename T>
T must(Result<T>&& result) {
  if (!result) {
    std::fprintf(stderr, "crdt_bench: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

// Keeps what reads and results were for; the compiler cannot drop them.
volatile uint64_t sink;
void keep(uint64_t value) { sink = sink + value; }

Bytes key_of(uint64_t n) { return "user:" + std::to_string(1'000'000 + n); }
Hlc stamp_of(uint64_t n) { return Hlc::from_wall(1'700'000'000'000 + n); }

// Rows that remember what was put.
class RecordedRows : public MapRows {
 public:
  void put(BytesView row_key, Bytes&& row) override {
    recorded.emplace_back(row_key, row);
    MapRows::put(row_key, std::move(row));
  }
  std::vector<std::pair<Bytes, Bytes>> recorded;
};

// A replica with `kKeys` keys, and updates that came after, as another replica gets them.
struct Stream {
  MapRows rows;  // before the updates
  Bytes state;
  std::vector<Delta> deltas;
  std::vector<std::pair<Bytes, Bytes>> row_puts;  // what the updates leave in the store
};

template <typename Fill, typename Update>
Stream make_stream(Fill&& fill, Update&& update) {
  Stream stream;
  RecordedRows rows;
  Replica replica(kPartition, kPlacement, rows);
  uint64_t counters[std::size(kActors)] = {};
  uint64_t step = 0;
  Prng prng(1);
  const auto next_dot = [&] {
    const size_t actor = step++ % std::size(kActors);
    return Dot{kActors[actor], ++counters[actor]};
  };
  for (uint64_t n = 0; n < kKeys; ++n)
    if (auto made = must(fill(replica, n, next_dot(), stamp_of(n))); made.delta) replica.apply(*made.delta);
  stream.rows.rows = rows.rows;
  stream.state = replica.encode_state();
  rows.recorded.clear();
  for (uint64_t n = 0; n < kUpdates; ++n) {
    auto made = must(update(replica, prng.below(kKeys), n, next_dot(), stamp_of(kKeys + n)));
    replica.apply(*made.delta);
    stream.deltas.push_back(std::move(*made.delta));
  }
  stream.row_puts = std::move(rows.recorded);
  return stream;
}

Pair apply_ns(const Stream& stream, double seconds) {
  const auto ours = [&] {
    MapRows rows = stream.rows;
    Replica replica(kPartition, kPlacement, rows);
    must(replica.restore(stream.state));
    const auto start = Clock::now();
    uint64_t changed = 0;
    for (const Delta& delta : stream.deltas) changed += replica.apply(delta);
    const double spent = since(start);
    ensure(changed == stream.deltas.size(), "every update is new");
    return Work{static_cast<double>(stream.deltas.size()), spent};
  };
  const auto reference = [&] {
    MapRows rows = stream.rows;
    const auto start = Clock::now();
    Bytes held;
    for (const auto& [key, row] : stream.row_puts) {
      keep(rows.get(key, held));
      rows.put(key, Bytes(row));
    }
    // Of an update, which may be several rows.
    return Work{static_cast<double>(stream.deltas.size()), since(start)};
  };
  return take_turns(seconds, ours, reference);
}

struct Streams {
  Stream sets, adds, elements;
};

Streams make_streams() {
  const Bytes value(kValueBytes, 'v');
  const auto set = [&](Replica& replica, uint64_t n, const Dot& dot, Hlc hlc) {
    return replica.set(key_of(n), value, dot, hlc);
  };
  Streams out;
  out.sets = make_stream(set, [&](Replica& replica, uint64_t n, uint64_t, const Dot& dot, Hlc hlc) {
    return replica.set(key_of(n), value, dot, hlc);
  });
  const auto add = [](Replica& replica, uint64_t n, const Dot& dot, Hlc hlc) {
    return replica.add(key_of(n), 1, dot, hlc);
  };
  out.adds = make_stream(add, [&](Replica& replica, uint64_t n, uint64_t, const Dot& dot, Hlc hlc) {
    return add(replica, n, dot, hlc);
  });
  const auto sadd = [](Replica& replica, uint64_t n, const Dot& dot, Hlc hlc) {
    const Bytes element =
        "element:" + std::to_string(raw(dot.actor.node)) + ":" + std::to_string(dot.counter);
    return replica.sadd(key_of(n % 10), {element}, dot, hlc);
  };
  out.elements = make_stream(sadd, [&](Replica& replica, uint64_t n, uint64_t, const Dot& dot, Hlc hlc) {
    return sadd(replica, n, dot, hlc);
  });
  return out;
}

void run_apply(Report& report, const Streams& streams, double seconds) {
  report.pair("apply a set over a value", "ns", apply_ns(streams.sets, seconds));
  report.pair("apply an increment", "ns", apply_ns(streams.adds, seconds));
  report.pair("apply an add to a set of thousands", "ns", apply_ns(streams.elements, seconds));
}

// -- encoding

struct Encoded {
  Bytes bytes;
  msgpack::object_handle tree;
};

std::vector<Encoded> trees_of(const std::vector<Bytes>& encoded) {
  std::vector<Encoded> out;
  for (const Bytes& bytes : encoded) out.push_back({bytes, msgpack::unpack(bytes.data(), bytes.size())});
  return out;
}

template <typename Item, typename Encode>
Pair encode_ns(const std::vector<Item>& items, const std::vector<Encoded>& trees, double seconds,
               Encode&& encode) {
  const auto ours = [&] {
    const auto start = Clock::now();
    for (const Item& item : items) keep(encode(item).size());
    return Work{static_cast<double>(items.size()), since(start)};
  };
  const auto reference = [&] {
    const auto start = Clock::now();
    for (const Encoded& tree : trees) {
      msgpack::sbuffer out(tree.bytes.size());
      msgpack::pack(out, tree.tree.get());
      keep(out.size());
    }
    return Work{static_cast<double>(trees.size()), since(start)};
  };
  for (const Encoded& tree : trees) {
    msgpack::sbuffer out;
    msgpack::pack(out, tree.tree.get());
    ensure(BytesView(out.data(), out.size()) == tree.bytes, "both write the same bytes");
  }
  return take_turns(seconds, ours, reference);
}

template <typename Decode>
Pair decode_ns(const std::vector<Encoded>& trees, double seconds, Decode&& decode) {
  const auto ours = [&] {
    const auto start = Clock::now();
    for (const Encoded& tree : trees) keep(decode(tree.bytes));
    return Work{static_cast<double>(trees.size()), since(start)};
  };
  const auto reference = [&] {
    const auto start = Clock::now();
    for (const Encoded& tree : trees)
      keep(msgpack::unpack(tree.bytes.data(), tree.bytes.size())->via.array.size);
    return Work{static_cast<double>(trees.size()), since(start)};
  };
  return take_turns(seconds, ours, reference);
}

void run_deltas(Report& report, const std::string& name, const Stream& stream, double seconds) {
  const std::vector<Delta> deltas(stream.deltas.begin(), stream.deltas.begin() + 2000);
  std::vector<Bytes> encoded;
  double bytes = 0;
  for (const Delta& delta : deltas) {
    encoded.push_back(encode(delta));
    bytes += static_cast<double>(encoded.back().size()) / static_cast<double>(deltas.size());
  }
  const std::vector<Encoded> trees = trees_of(encoded);
  report.number("delta of " + name, "bytes", bytes);
  report.pair("encode a delta of " + name, "ns",
              encode_ns(deltas, trees, seconds, [](const Delta& delta) { return encode(delta); }));
  report.pair("decode a delta of " + name, "ns",
              decode_ns(trees, seconds, [](BytesView b) { return must(decode_delta(b)).parts.size(); }));
}

// -- clocks

struct Clocks {
  DotSet compact;
  std::set<Dot> naive;
};

// Of nine nodes, each with `prefix` dots and a few gaps behind them.
Clocks make_clock(uint64_t prefix, uint64_t seed) {
  Clocks out;
  Prng prng(seed);
  for (uint16_t node = 1; node <= 9; ++node) {
    const Actor actor{NodeNumber{node}, 2, 77u * node};
    const uint64_t base = prefix - prng.below(prefix / 10);
    for (uint64_t counter = 1; counter <= base + 20; ++counter) {
      if (counter > base && prng.chance(1, 4)) continue;
      out.compact.insert(Dot{actor, counter});
      out.naive.insert(Dot{actor, counter});
    }
  }
  ensure(out.compact.size() == out.naive.size(), "both hold the same dots");
  return out;
}

template <typename Ours, typename Reference>
Pair repeat_ns(double seconds, uint64_t count, Ours&& ours, Reference&& reference) {
  const auto timed = [count](auto& operation) {
    const auto start = Clock::now();
    for (uint64_t i = 0; i < count; ++i) operation(i);
    return Work{static_cast<double>(count), since(start)};
  };
  return take_turns(
      seconds, [&] { return timed(ours); }, [&] { return timed(reference); });
}

void run_clocks(Report& report, double seconds) {
  const Clocks a = make_clock(1000, 1), b = make_clock(1000, 2);
  std::vector<Dot> probes(a.naive.begin(), a.naive.end());
  Prng prng(3);
  for (Dot& dot : probes) std::swap(dot, probes[prng.below(probes.size())]);
  report.pair("clock: is a dot in", "ns",
              repeat_ns(
                  seconds, probes.size(), [&](uint64_t i) { keep(a.compact.contains(probes[i])); },
                  [&](uint64_t i) { keep(a.naive.count(probes[i])); }));

  // The next dot of each actor in turn, as a partition's clock grows.
  const auto grow = [&](auto& set, uint64_t i) {
    set.insert(Dot{kActors[i % std::size(kActors)], i / 3 + 1});
  };
  report.pair("clock: the next dot", "ns",
              take_turns(
                  seconds,
                  [&] {
                    DotSet set;
                    const auto start = Clock::now();
                    for (uint64_t i = 0; i < 9000; ++i) grow(set, i);
                    return Work{9000, since(start)};
                  },
                  [&] {
                    std::set<Dot> set;
                    const auto start = Clock::now();
                    for (uint64_t i = 0; i < 9000; ++i) grow(set, i);
                    return Work{9000, since(start)};
                  }));
  report.pair("clock: join with another of 9 x 1000 dots", "ns",
              repeat_ns(
                  seconds, 10, [&](uint64_t) { keep(join(a.compact, b.compact).entries().size()); },
                  [&](uint64_t) {
                    std::set<Dot> joined = a.naive;
                    joined.insert(b.naive.begin(), b.naive.end());
                    keep(joined.size());
                  }));
  Clocks part = a;
  for (size_t i = 0; i < probes.size(); i += 500) {
    part.compact.erase(probes[i]);
    part.naive.erase(probes[i]);
  }
  ensure(a.compact.covers(part.compact), "a clock covers its part");
  report.pair("clock: does it cover another", "ns",
              repeat_ns(
                  seconds, 10, [&](uint64_t) { keep(a.compact.covers(part.compact)); },
                  [&](uint64_t) {
                    keep(std::includes(a.naive.begin(), a.naive.end(), part.naive.begin(), part.naive.end()));
                  }));

  const std::vector<DotSet> clocks(100, a.compact);
  const auto encoded = [](const DotSet& set) {
    Bytes out;
    encode(set, out);
    return out;
  };
  const std::vector<Encoded> trees = trees_of(std::vector<Bytes>(100, encoded(a.compact)));
  report.number("clock of 9 x 1000 dots", "bytes", static_cast<double>(trees[0].bytes.size()));
  report.pair("encode a clock", "ns", encode_ns(clocks, trees, seconds, encoded));
  report.pair("decode a clock", "ns", decode_ns(trees, seconds, [](BytesView bytes) {
                return must(decode_dot_set(bytes)).entries().size();
              }));
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 1;
  bool json = false;
  std::string only;
  CommandLine app("What the data types cost, as ratios against the plain thing in the same run");
  app.add("--seconds", seconds, "of each measurement");
  app.add("--only", only, "apply, codec or clock").one_of({"apply", "codec", "clock"});
  app.add("--json", json, "print JSON");
  if (const auto status = app.parse(argc, argv)) return *status;
  Report report(json);
  if (only != "clock") {
    const Streams streams = make_streams();
    if (only != "codec") run_apply(report, streams, seconds);
    if (only != "apply") {
      run_deltas(report, "a set", streams.sets, seconds);
      run_deltas(report, "an increment", streams.adds, seconds);
      run_deltas(report, "an added element", streams.elements, seconds);
    }
  }
  if (only.empty() || only == "clock") run_clocks(report, seconds);
  return 0;
}
