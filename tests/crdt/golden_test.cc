// Golden bytes: what each format's version looks like, in tests/crdt/golden/<format>-v<version>.hex, a line a
// sample. Bytes that others have on disk or send must not change under the same version, and every version
// that is checked in stays readable, or is refused by its number. A change of bytes is a new version with a
// new file.
//
// ATOLL_GOLDEN_WRITE=1 adds samples that no file has yet; it never changes a line that is there.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "crdt/context_codec.h"
#include "crdt/units_codec.h"
#include "tests/crdt/hex.h"
#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

struct Sample {
  std::string format;  // file name without version
  std::string name;
  Bytes bytes;
};

void add_rows(const Site& site, const std::string& name, std::vector<Sample>& out) {
  size_t number = 0;
  for (const auto& [key, row] : site.rows.rows) {
    const std::string row_name = name + "-" + std::to_string(number++);
    out.push_back({"row", row_name, row});
    out.push_back({"row-key", row_name, key});
  }
  out.push_back({"state", name, site.replica.encode_state()});
}

Bytes units_of(Site& site) {
  const Replica::Scan scan = site.replica.begin_scan();
  const Replica::Chunk chunk = site.replica.scan(scan.number, {}, 1 << 20);
  site.replica.end_scan(scan.number);
  return chunk.units;
}

// One history with all that bytes can say: siblings, totals with baselines, standing dots, elements, journal
// records, kept contexts, coalesced deltas.
std::vector<Sample> golden_samples() {
  std::vector<Sample> out;
  const auto keep = [&](const std::string& name, const Mutation& m) {
    out.push_back({"delta", name, encode(*m.delta)});
    return m;
  };
  Site a(1), b(2), c(3);
  const Mutation set = keep("set", a.set("k", "1"));
  const Mutation other = keep("set-concurrent", b.set("k", "x"));
  const Mutation add = keep("add", a.add("k", -7));
  const Mutation again = keep("add-again", a.add("k", 9));
  const NamedContext context = a.replica.siblings("k")->context;
  b.take(again);  // ahead of the set and of the first add
  const Mutation resolve = keep("set-with-context", b.set_with_context("k", "y", a.named("k")));
  c.take(resolve);  // what it superseded has not come yet: contexts wait
  keep("set-over-a-kept-context", c.set("k", "z"));
  add_rows(c, "waiting", out);
  b.take(set);
  b.take(add);
  keep("set-that-journals", b.set("k", "w"));
  add_rows(b, "journal", out);
  keep("del", b.del("k"));
  add_rows(b, "baselines", out);
  keep("sadd", a.sadd("s", {"p", "q", "r"}));
  keep("srem", a.srem("s", {"p", "r"}));
  keep("set-over-a-set", a.set("s", ""));
  keep("sadd-of-nothing", a.sadd("t", {""}));
  // Maps: siblings, totals and baselines in one row, journal records of fields.
  Site d(4), e(5);
  const Mutation fields = keep("hset", d.hset("m", {{"f", "1"}, {"g", ""}}));
  const Mutation field_add = keep("hadd", d.hadd("m", "f", -7));
  const Mutation field_again = keep("hadd-again", d.hadd("m", "f", 9));
  keep("hset-concurrent", e.hset("m", {{"f", "x"}}));
  e.take(fields);
  e.take(field_again);
  add_rows(e, "fields", out);
  const Mutation over = keep("hset-that-journals", e.hset("m", {{"f", "2"}}));
  d.hadd("m", "f", 1);
  d.take(over);
  add_rows(d, "field-with-baseline", out);
  out.push_back({"delta", "coalesced-fields", encode(coalesce(*field_again.delta, *over.delta))});
  keep("hdel", d.hdel("m", {"f"}));
  add_rows(d, "field-idle-baseline", out);
  keep("clear-of-a-map", e.clear("m"));
  out.push_back({"units", "fields", units_of(e)});

  // Clears in steps, one of them for the second time, and a row that a repair brought ahead of the clock.
  Site f(6, 1), g(7);
  f.sadd("s", {"p", "q", "r"});
  f.hset("m", {{"f", "1"}, {"g", "2"}});
  f.clear("s");
  f.clear("m");
  f.replica.sweep(1);
  f.sadd("s", {"t"});
  f.clear("s");
  g.set("k", "v");
  REQUIRE(f.replica.repair(units_of(g)));
  add_rows(f, "clearing", out);

  out.push_back({"delta", "coalesced", encode(coalesce(*set.delta, *add.delta))});
  out.push_back(
      {"delta", "coalesced-all", encode(coalesce(coalesce(*set.delta, *other.delta), *resolve.delta))});
  out.push_back({"context", "siblings-and-a-total", encode_context(context, "k")});
  add_rows(a, "all", out);
  out.push_back({"units", "all", units_of(a)});
  out.push_back({"units", "waiting", units_of(c)});
  return out;
}

// A format that carries its version has it as the first element of its array.
int version_of(const Sample& sample) { return sample.format == "row-key" ? 1 : sample.bytes[1]; }

std::string file_of(const std::string& format, int version) {
  return std::string(ATOLL_GOLDEN_DIR) + "/" + format + "-v" + std::to_string(version) + ".hex";
}

std::map<std::string, std::string> read_golden(const std::string& path) {
  std::map<std::string, std::string> out;
  std::ifstream file(path);
  for (std::string name, digits; file >> name >> digits;) out[name] = digits;
  return out;
}

bool writes_golden() { return std::getenv("ATOLL_GOLDEN_WRITE") != nullptr; }

}  // namespace

TEST_CASE("golden bytes: every sample, what its version's file says", "[crdt]") {
  std::map<std::string, std::map<std::string, std::string>> found;  // by file
  for (const Sample& s : golden_samples()) found[file_of(s.format, version_of(s))][s.name] = hex(s.bytes);
  for (const auto& [path, lines] : found) {
    INFO(path << ": bytes changed under an old version; a change of bytes is a new version, with a new file");
    std::map<std::string, std::string> golden = read_golden(path);
    if (writes_golden()) {
      std::ofstream file(path, std::ios::app);
      for (const auto& [name, digits] : lines)
        if (golden.try_emplace(name, digits).second) file << name << " " << digits << "\n";
    }
    for (const auto& [name, digits] : lines) {
      INFO(name);
      CHECK(golden[name] == digits);
    }
    CHECK(golden.size() == lines.size());  // no sample was taken out
  }
}

TEST_CASE("golden bytes: of every version that is checked in, read or refused by number", "[crdt]") {
  const std::map<std::string, std::function<std::optional<Errc>(BytesView)>> readers{
      {"delta",
       [](BytesView b) -> std::optional<Errc> {
         const auto delta = decode_delta(b);
         if (!delta) return delta.error().code;
         CHECK(encode(*delta) == b);
         return std::nullopt;
       }},
      {"context",
       [](BytesView b) -> std::optional<Errc> {
         const auto context = decode_context(b, "k");
         if (!context) return context.error().code;
         CHECK(encode_context(*context, "k") == b);
         return std::nullopt;
       }},
      {"units",
       [](BytesView b) -> std::optional<Errc> {
         const auto units = decode_units(b);
         return units ? std::nullopt : std::optional(units.error().code);
       }},
      {"state",
       [](BytesView b) -> std::optional<Errc> {
         Site site(9);
         const Status restored = site.replica.restore(b);
         if (!restored) return restored.error().code;
         if (b[1] == site.replica.encode_state()[1]) CHECK(site.replica.encode_state() == b);
         return std::nullopt;
       }},
  };
  size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ATOLL_GOLDEN_DIR)) {
    const std::string file = entry.path().filename();
    const auto reader = readers.find(file.substr(0, file.find("-v")));
    if (reader == readers.end()) continue;  // rows are read under their names, below
    for (const auto& [name, digits] : read_golden(entry.path())) {
      INFO(file << ": " << name);
      const std::optional<Errc> refused = reader->second(unhex(digits));
      const bool good = !refused || *refused == Errc::version;
      CHECK(good);
      read += refused ? 0 : 1;
    }
  }
  CHECK(read > 10);
  const auto rows = read_golden(file_of("row", 1)), keys = read_golden(file_of("row-key", 1));
  CHECK(rows.size() > 10);
  for (const auto& [name, digits] : rows) {
    INFO("row " << name);
    const Bytes key = unhex(keys.at(name)), bytes = unhex(digits);
    const auto parts = parse_row_key(key);
    REQUIRE(parts);
    const Result<Row> row = decode_row(parts->name, bytes);
    REQUIRE(row);
    CHECK(encode(*row, parts->name) == bytes);
  }
}
