#include "tests/sim/scenario.h"

#include <fstream>
#include <sstream>

#include "tests/sim/plan.h"
#include "topology/section.h"

namespace atolldb::sim {

namespace {

using topology::Invalid;
using topology::Section;
using topology::Value;

constexpr const char* kLoadNames[kLoadKinds] = {"register", "counter",    "set", "churn",
                                                "mixed",    "collection", "map", "conditional"};

// A number, or [least, most].
void span(const Section& section, std::string_view key, uint64_t min, uint64_t max, Span& out) {
  const Value* value = section.find(key);
  if (value == nullptr) return;
  const std::string expected =
      "a number from " + std::to_string(min) + " to " + std::to_string(max) + ", or [least, most] of such";
  const auto number = [&](const Value& item) {
    if (item.kind != Value::Kind::integer || item.integer < static_cast<int64_t>(min) ||
        item.integer > static_cast<int64_t>(max))
      section.fail(item.place, describe(item), expected);
    return static_cast<uint64_t>(item.integer);
  };
  if (value->kind != Value::Kind::array) {
    out.least = out.most = number(*value);
    return;
  }
  if (value->items.size() != 2)
    section.fail(value->place, "a list of " + std::to_string(value->items.size()), expected);
  out = {number(value->items[0]), number(value->items[1])};
  if (out.least > out.most) section.fail(value->place, "a least that is above the most", expected);
}

std::vector<std::string> names(const Section& section, std::string_view key,
                               const std::vector<std::string>& known) {
  std::vector<std::string> out;
  const Value* value = section.find(key);
  if (value == nullptr) return out;
  std::string expected = "a list of";
  for (const std::string& name : known) expected += " \"" + name + "\"";
  if (value->kind != Value::Kind::array) section.fail(value->place, describe(*value), expected);
  for (const Value& item : value->items) {
    bool is_known = false;
    for (const std::string& name : known)
      is_known = is_known || (item.kind == Value::Kind::text && item.text == name);
    if (!is_known) section.fail(item.place, describe(item), expected);
    out.push_back(item.text);
  }
  return out;
}

std::vector<std::string> fault_names() {
  std::vector<std::string> out;
  for (size_t i = 0; i < kFaultKinds; ++i) out.push_back(name_of(static_cast<FaultKind>(i)));
  return out;
}

void read_quorums(const Section& section, Scenario& out) {
  const Value* value = section.find("quorums");
  if (value == nullptr) return;
  const std::string expected = "a list of [N, R, W] with R + W > N";
  if (value->kind != Value::Kind::array || value->items.empty())
    section.fail(value->place, describe(*value), expected);
  out.quorums.clear();
  for (const Value& item : value->items) {
    if (item.kind != Value::Kind::array || item.items.size() != 3)
      section.fail(item.place, describe(item), expected);
    Quorum quorum;
    uint32_t* const parts[] = {&quorum.n, &quorum.r, &quorum.w};
    for (size_t i = 0; i < 3; ++i) {
      const Value& part = item.items[i];
      if (part.kind != Value::Kind::integer || part.integer < 1 || part.integer > 9)
        section.fail(part.place, describe(part), expected);
      *parts[i] = static_cast<uint32_t>(part.integer);
    }
    if (quorum.r > quorum.n || quorum.w > quorum.n || quorum.r + quorum.w <= quorum.n)
      section.fail(item.place, "R or W that do not fit N", expected);
    out.quorums.push_back(quorum);
  }
}

Load read_load(const Section& section) {
  section.allow({"kind", "weight", "keys", "value_bytes", "reads_percent", "deletes_percent"});
  Load load;
  const std::string expected =
      "\"register\", \"counter\", \"set\", \"churn\", \"mixed\", \"collection\", \"map\" or \"conditional\"";
  const std::string kind = section.required_text("kind", expected);
  size_t at = 0;
  while (at < kLoadKinds && kind != kLoadNames[at]) ++at;
  if (at == kLoadKinds) section.fail_value("kind", expected);
  load.kind = static_cast<LoadKind>(at);
  load.weight = static_cast<uint32_t>(section.number("weight", {1, 1000}).value_or(load.weight));
  span(section, "keys", 1, 10'000, load.keys);
  span(section, "value_bytes", 1, 1'000'000, load.value_bytes);
  load.reads_percent =
      static_cast<uint32_t>(section.number("reads_percent", {0, 100}).value_or(load.reads_percent));
  load.deletes_percent =
      static_cast<uint32_t>(section.number("deletes_percent", {0, 100}).value_or(load.deletes_percent));
  return load;
}

void read_cluster(const Section& section, Scenario& out) {
  section.allow({"regions", "nodes", "partitions", "quorums", "memtable_kib", "log_kib"});
  span(section, "regions", 1, 7, out.regions);
  span(section, "nodes", 1, 9, out.nodes);
  span(section, "partitions", 1, 4096, out.partitions);
  span(section, "memtable_kib", 64, 1 << 20, out.memtable_kib);
  span(section, "log_kib", 64, 1 << 20, out.log_kib);
  read_quorums(section, out);
}

void read_run(const Section& section, Scenario& out) {
  section.allow({"seconds", "operations_per_second", "clients_per_region", "moving_percent",
                 "local_reads_percent", "sessions_percent"});
  span(section, "seconds", 1, 100'000, out.seconds);
  span(section, "operations_per_second", 1, 100'000, out.operations_per_second);
  span(section, "clients_per_region", 1, 1000, out.clients_per_region);
  out.moving_percent =
      static_cast<uint32_t>(section.number("moving_percent", {0, 100}).value_or(out.moving_percent));
  out.local_reads_percent = static_cast<uint32_t>(
      section.number("local_reads_percent", {0, 100}).value_or(out.local_reads_percent));
  out.sessions_percent =
      static_cast<uint32_t>(section.number("sessions_percent", {0, 100}).value_or(out.sessions_percent));
}

void read_faults(const Section& section, Scenario& out) {
  section.allow({"kinds", "every_ms"});
  out.faults = names(section, "kinds", fault_names());
  out.no_faults = section.has("kinds") && out.faults.empty();
  span(section, "every_ms", 1, 10'000'000, out.fault_every_ms);
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view toml, std::string_view file) {
  const auto document = topology::read_document(toml, file);
  if (!document) return document.error();
  try {
    const Section root(file, *document, "a scenario");
    root.allow({"name", "cluster", "run", "load", "faults"});
    Scenario out;
    out.name = root.text("name", "what to call it").value_or(std::string(file));
    if (const auto section = root.table("cluster", "a table [cluster]")) read_cluster(*section, out);
    if (const auto section = root.table("run", "a table [run]")) read_run(*section, out);
    if (const auto section = root.table("faults", "a table [faults]")) read_faults(*section, out);
    for (const Section& section : root.tables("load")) out.loads.push_back(read_load(section));
    return out;
  } catch (const Invalid& invalid) {
    return invalid.error;
  }
}

Result<Scenario> load_scenario(const std::string& path) {
  std::ifstream file(path);
  if (!file) return {Errc::io, "the scenario file " + path + " cannot be read: check its name"};
  std::stringstream text;
  text << file.rdbuf();
  return parse_scenario(text.str(), path);
}

}  // namespace atolldb::sim
