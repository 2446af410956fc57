#include "tools/atoll/inspect_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/atoll/connect.h"
#include "tools/atoll/json_bytes.h"
#include "tools/atoll/table.h"
#include "topology/ring.h"

namespace atolldb::tools {
namespace {

using client::Client;
using topology::Topology;
using Json = nlohmann::ordered_json;

constexpr uint32_t kAskMs = 2'000;
constexpr size_t kShownBytesMax = 200;  // of a value, in the table
constexpr size_t kShownElementsMax = 20;

// What a replica shows of the key itself; the rest (clock, epoch, settled) is how it stands.
constexpr const char* kContentFields[] = {"type",          "siblings", "totals",      "elements",
                                          "element_count", "fields",   "field_count", "journal"};

struct Replica {
  const topology::Node* node = nullptr;
  Json answer;  // of the node, or {"unreachable": why}
  bool reachable() const { return !answer.contains("unreachable"); }
};

// Replicas that hold the same.
struct Group {
  Json content;
  std::vector<const Replica*> replicas;
};

// "A" for the first, "B" for the second, and so on.
std::string letter(size_t index, char first) {
  return std::string(1, static_cast<char>(first + std::min<size_t>(index, 25)));
}

std::vector<Replica> ask_replicas(Client& client, const Topology& topology, const std::string& key) {
  const PartitionId partition = topology.placement.place(key).partition;
  std::vector<NodeNumber> nodes;
  for (const topology::Region& region : topology.regions) {
    const topology::Ring ring(topology, region.id);
    const auto replicas = ring.replicas(partition);
    nodes.insert(nodes.end(), replicas.begin(), replicas.end());
  }
  region::Request request;
  request.op = region::Op::inspect;
  request.key = key;
  const std::vector<region::Response> answers = ask_nodes(client, nodes, request, kAskMs);
  std::vector<Replica> out;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool done = answers[i].outcome == region::Outcome::done;
    Json answer = done ? Json::parse(answers[i].value, nullptr, false) : Json();
    if (!answer.is_object())
      answer = {{"unreachable", done ? "an answer that is not a JSON object" : answers[i].message}};
    out.push_back({topology.find(nodes[i]), std::move(answer)});
  }
  return out;
}

Json content_of(const Json& answer) {
  Json content = Json::object();
  for (const char* field : kContentFields)
    if (answer.contains(field)) content[field] = answer[field];
  return content;
}

std::vector<Group> group(const std::vector<Replica>& replicas) {
  std::vector<Group> groups;
  for (const Replica& replica : replicas) {
    if (!replica.reachable()) continue;
    const Json content = content_of(replica.answer);
    auto same =
        std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.content == content; });
    if (same == groups.end()) same = groups.insert(groups.end(), Group{content, {}});
    same->replicas.push_back(&replica);
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.replicas.size() > b.replicas.size(); });
  return groups;
}

bool all_agree(const std::vector<Replica>& replicas, const std::vector<Group>& groups) {
  return groups.size() == 1 &&
         std::all_of(replicas.begin(), replicas.end(), [](const Replica& r) { return r.reachable(); });
}

std::string text_of(const Json& object, const std::string& field) {
  const auto found = object.find(field);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string shortened(std::string text) {
  if (text.size() <= kShownBytesMax) return text;
  const size_t whole = text.size();
  size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "... (" + std::to_string(whole) + " bytes)";
}

// The field, which may be in base64 under another name.
std::string bytes_text(const Json& object, const std::string& field) {
  const std::string encoded = field + "_base64";
  if (object.contains(encoded)) return shortened("base64:" + text_of(object, encoded));
  return shortened(printable(text_of(object, field)));
}

// "2026-11-21T10:50:23.417Z", or "-".
std::string wall_time(const Json& sibling) {
  const auto found = sibling.find("wall_ms");
  if (found == sibling.end() || !found->is_number_unsigned()) return "-";
  const auto ms = found->get<uint64_t>();
  const auto seconds = static_cast<time_t>(ms / 1000);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "-";
  char text[40], out[56];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(out, sizeof out, "%s.%03dZ", text, static_cast<int>(ms % 1000));
  return out;
}

// Where `value` stands among the distinct ones so far; it is added when it is new.
size_t place_among(std::vector<Json>& distinct, const Json& value) {
  const auto found = std::find(distinct.begin(), distinct.end(), value);
  const auto place = static_cast<size_t>(found - distinct.begin());
  if (found == distinct.end()) distinct.push_back(value);
  return place;
}

std::string clock_text(const Json& clock) {
  if (!clock.is_object()) return clock.is_string() ? clock.get<std::string>() : clock.dump();
  std::string out;
  for (const auto& [actor, counters] : clock.items())
    out += (out.empty() ? "" : ", ") + actor + ":" +
           (counters.is_string() ? counters.get<std::string>() : counters.dump());
  return out;
}

void print_replicas(const std::vector<Replica>& replicas, const std::vector<Group>& groups,
                    const Topology& topology) {
  Table table({{"replica"}, {"region"}, {"holds"}, {"clock"}, {"settled"}, {"epoch"}, {"coordinator"}});
  std::vector<Json> clocks;
  for (const Replica& replica : replicas) {
    const Json& answer = replica.answer;
    const std::string& region = topology.region(replica.node->region).name;
    if (!replica.reachable()) {
      table.add({replica.node->name, region, "no answer: " + text_of(answer, "unreachable")});
      continue;
    }
    size_t at = 0;
    while (groups[at].content != content_of(answer)) ++at;
    table.add({replica.node->name, region, letter(at, 'A'),
               letter(place_among(clocks, answer.value("clock", Json())), 'a'), text_of(answer, "settled"),
               text_of(answer, "epoch"), text_of(answer, "coordinator")});
  }
  table.print(std::cout);
  std::cout << "\n";
  for (size_t i = 0; i < clocks.size(); ++i)
    std::cout << "clock " << letter(i, 'a') << ": " << clock_text(clocks[i]) << "\n";
}

void print_siblings(const std::string& heading, const Json& siblings) {
  if (!siblings.is_array() || siblings.empty()) return;
  Table table({{"  " + heading}, {"dot"}, {"hlc"}, {"wall clock"}});
  for (const Json& sibling : siblings)
    table.add({"  " + bytes_text(sibling, "value"), text_of(sibling, "dot"), text_of(sibling, "hlc"),
               wall_time(sibling)});
  table.print(std::cout);
}

void print_totals(const Json& totals) {
  if (!totals.is_array() || totals.empty()) return;
  std::cout << "  running totals by actor:\n";
  for (const Json& total : totals) std::cout << "    " << printable(total.dump()) << "\n";
}

std::string element_text(const Json& element) {
  if (element.is_string()) return printable(element.get<std::string>());
  if (!element.is_object()) return printable(element.dump());
  std::string dots;
  for (const Json& dot : element.value("dots", Json::array()))
    dots += (dots.empty() ? "" : " ") + (dot.is_string() ? dot.get<std::string>() : dot.dump());
  return bytes_text(element, "element") + "  " + dots;
}

void print_elements(const Json& content) {
  const auto elements = content.find("elements");
  if (elements == content.end() || !elements->is_array() || elements->empty()) return;
  std::cout << "  " << text_of(content, "element_count") << " elements, each with its dots:\n";
  for (size_t i = 0; i < std::min(kShownElementsMax, elements->size()); ++i)
    std::cout << "    " << element_text((*elements)[i]) << "\n";
  if (elements->size() > kShownElementsMax) std::cout << "    ... --json shows " << elements->size() << "\n";
}

void print_fields(const Json& content) {
  const Json fields = content.value("fields", Json::array());
  if (!fields.is_array() || fields.empty()) return;
  std::cout << "  " << text_of(content, "field_count") << " fields:\n";
  for (size_t i = 0; i < std::min(kShownElementsMax, fields.size()); ++i) {
    std::cout << "  field " << bytes_text(fields[i], "field") << "\n";
    print_siblings("value", fields[i].value("siblings", Json()));
    print_totals(fields[i].value("totals", Json()));
  }
  if (fields.size() > kShownElementsMax) std::cout << "  ... --json shows " << fields.size() << "\n";
}

void print_groups(const std::vector<Group>& groups) {
  for (size_t i = 0; i < groups.size(); ++i) {
    const Json& content = groups[i].content;
    std::cout << "\n" << letter(i, 'A') << ": " << text_of(content, "type") << "\n";
    print_siblings("value", content.value("siblings", Json()));
    print_totals(content.value("totals", Json()));
    print_elements(content);
    print_fields(content);
    print_siblings("overwritten unseen", content.value("journal", Json()));
  }
}

Json json_of(const Topology& topology, const std::string& key, const std::vector<Replica>& replicas,
             const std::vector<Group>& groups) {
  Json out;
  put_bytes(out, "key", key);
  out["partition"] = raw(topology.placement.place(key).partition);
  out["equal"] = all_agree(replicas, groups);
  out["replicas"] = Json::array();
  for (const Replica& replica : replicas) {
    Json one = {{"node", replica.node->name}, {"region", topology.region(replica.node->region).name}};
    one.update(replica.answer);
    out["replicas"].push_back(std::move(one));
  }
  return out;
}

int run_inspect(const Globals& globals, const std::string& key) {
  const auto topology = load_topology(globals);
  if (!topology) return report("inspect", topology.error());
  client::Options options;
  options.region = topology->regions.front().name;  // requests name their nodes; no need to measure
  options.wait_for_nodes = false;
  const auto client = Client::open(*topology, options);
  if (!client) return report("inspect", client.error());
  const std::vector<Replica> replicas = ask_replicas(**client, *topology, key);
  const std::vector<Group> groups = group(replicas);
  if (globals.json) {
    std::cout << json_of(*topology, key, replicas, groups).dump() << "\n";
  } else {
    std::cout << "key " << printable(key) << ", partition " << raw(topology->placement.place(key).partition)
              << "\n";
    print_replicas(replicas, groups, *topology);
    if (groups.size() > 1) std::cout << "\nDIFFERENT: " << groups.size() << " versions\n";
    print_groups(groups);
  }
  return all_agree(replicas, groups) ? 0 : kFailedStatus;
}

}  // namespace

void register_inspect(CLI::App& app, Globals& globals) {
  CLI::App& command = *app.add_subcommand("inspect", "what every replica in every region holds of a key");
  add_common_options(command, globals);
  auto key = std::make_shared<std::string>();
  command.add_option("key", *key, "the key")->required();
  command.callback([&globals, key] { globals.exit_status = run_inspect(globals, *key); });
}

}  // namespace atolldb::tools
