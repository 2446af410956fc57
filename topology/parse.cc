// TOML -> Topology: what docs/topology.md promises.

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "topology/names.h"
#include "topology/section.h"
#include "topology/topology.h"

namespace atolldb::topology {
namespace {

constexpr size_t kFileBytesMax = size_t{4} << 20;
constexpr size_t kRegionsMax = 256;
constexpr uint32_t kReplicasDefault = 3;
constexpr uint32_t kReplicasMax = 255;
constexpr Range kNodeNumber{1, 65535}, kPort{1, 65535}, kPartitions{1, 65536}, kReplicas{1, kReplicasMax};
constexpr Range kMemtableBytes{int64_t{1} << 20, int64_t{1} << 32};
constexpr Range kOutboxBytes{int64_t{1} << 20, int64_t{1} << 50};
constexpr Range kDelayMs{0, 60'000}, kBytesPerSecond{1, int64_t{1} << 50};
constexpr std::string_view kNameRule =
    "a name: a letter or digit, then letters, digits, '-', '_' or '.', at most 63 in all";

// A number of replicas and where it was set; the place is what an error about it points at.
struct Setting {
  uint32_t value = 0;
  Place at;
  std::string origin;  // "[defaults]"
};

struct ReplicaSettings {
  std::optional<Setting> n, r, w;
};

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string up_to(std::string_view key, size_t max) {
  return std::string(key) + (max == 1 ? " = 1" : " from 1 to " + std::to_string(max));
}

class Parser {
 public:
  Parser(std::string_view file, const Value& document)
      : file_(file), document_(file, document, "the topology") {}

  Topology run() {
    document_.allow({"cluster", "defaults", "region", "node", "link"});
    read_cluster();
    read_defaults();
    for (const Section& section : document_.tables("region")) read_region(section);
    for (const Section& section : document_.tables("node")) read_node(section);
    for (const Section& section : document_.tables("link")) read_link(section);
    check_replicas();
    std::ranges::sort(topology_.nodes, {}, &Node::number);
    topology_.digest = digest();
    return std::move(topology_);
  }

 private:
  void read_cluster() {
    auto section = document_.table("cluster", "a section [cluster]");
    if (!section) document_.fail(document_.at(), "no [cluster]", "a [cluster] section with name and seed");
    section->rename("[cluster]");
    section->allow({"name", "seed", "partitions", "strict_disks"});
    topology_.cluster = name_of(*section);
    topology_.placement.seed = seed_of(*section);
    topology_.placement.partitions = static_cast<uint32_t>(
        section->number("partitions", kPartitions).value_or(topology_.placement.partitions));
    topology_.strict_disks = section->flag("strict_disks").value_or(false);
  }

  void read_defaults() {
    auto section = document_.table("defaults", "a section [defaults]");
    if (!section) return;
    section->rename("[defaults]");
    section->allow({"n", "r", "w", "durability", "outbox_bytes_max", "memtable_bytes"});
    defaults_ = replica_settings(*section);
    topology_.durability = durability_of(*section);
    topology_.outbox_bytes_max =
        section->number("outbox_bytes_max", kOutboxBytes).value_or(topology_.outbox_bytes_max);
    topology_.memtable_bytes =
        section->number("memtable_bytes", kMemtableBytes).value_or(topology_.memtable_bytes);
  }

  void read_region(Section section) {
    section.allow({"name", "n", "r", "w"});
    if (topology_.regions.size() == kRegionsMax)
      section.fail(section.at(), "more than " + std::to_string(kRegionsMax) + " regions",
                   "at most that many");
    Region region;
    region.name = claim_name(section);
    region.id = RegionId{static_cast<uint16_t>(topology_.regions.size())};
    section.rename("[[region]] " + in_quotes(region.name));
    region_settings_.push_back(replica_settings(section));
    region_places_.push_back(section.at());
    topology_.regions.push_back(std::move(region));
  }

  void read_node(Section section) {
    section.allow({"name", "number", "region", "zone", "address", "ports", "public_key"});
    Node node;
    node.name = claim_name(section);
    section.rename("[[node]] " + in_quotes(node.name));
    node.number = claim_number(section);
    Region& region = region_of(section);
    node.region = region.id;
    if (section.has("zone")) node.zone = checked(section, "zone", kNameRule, is_name);
    read_addresses(section, node);
    node.public_key = claim_public_key(section);
    region.nodes.push_back(node.number);
    topology_.nodes.push_back(std::move(node));
  }

  void read_addresses(const Section& section, Node& node) {
    const std::string host =
        checked(section, "address", "an IPv4 address or a host name, without a port", is_host);
    constexpr std::string_view kForm = "{ resp = PORT, http = PORT, peer = PORT, client = PORT }";
    auto ports = section.table("ports", kForm);
    if (!ports) section.fail_missing("ports", kForm);
    ports->rename("ports of " + section.title());
    ports->allow({"resp", "http", "peer", "client"});
    node.resp = claim_address(*ports, "resp", host);
    node.http = claim_address(*ports, "http", host);
    node.peer = claim_address(*ports, "peer", host);
    node.client = claim_address(*ports, "client", host);
  }

  void read_link(Section section) {
    section.allow({"between", "delay_ms", "bytes_per_second_max"});
    Link link;
    std::tie(link.a, link.b) = ends_of(section);
    link.delay_ms = static_cast<uint32_t>(section.number("delay_ms", kDelayMs).value_or(0));
    link.bytes_per_second_max = section.number("bytes_per_second_max", kBytesPerSecond).value_or(0);
    if (topology_.link(link.a, link.b) != nullptr)
      section.fail(section.at("between"),
                   "a second [[link]] between " + in_quotes(topology_.region(link.a).name) + " and " +
                       in_quotes(topology_.region(link.b).name),
                   "one section for each pair of regions");
    topology_.links.push_back(link);
  }

  std::pair<RegionId, RegionId> ends_of(const Section& section) {
    constexpr std::string_view kForm = R"(the names of two different regions: ["eu", "us"])";
    const Value* names = section.find("between");
    if (names == nullptr) section.fail_missing("between", kForm);
    const bool two_texts =
        names->kind == Value::Kind::array && names->items.size() == 2 &&
        std::ranges::all_of(names->items, [](const Value& v) { return v.kind == Value::Kind::text; });
    if (!two_texts) section.fail_value("between", kForm);
    const auto id_of = [&](const Value& name) {
      const Region* region = topology_.find_region(name.text);
      if (region == nullptr) fail_unknown_region(section, name.place, describe(name));
      return region->id;
    };
    const RegionId a = id_of(names->items[0]), b = id_of(names->items[1]);
    if (a == b) section.fail(names->place, "a link between a region and itself", kForm);
    return {a, b};
  }

  // A majority where R or W is not given: 2 of the default 3.
  void check_replicas() {
    if (topology_.regions.empty()) document_.fail(document_.at(), "no [[region]]", "at least one region");
    for (Region& region : topology_.regions) {
      const ReplicaSettings& own = region_settings_[raw(region.id)];
      if (region.nodes.empty())
        document_.fail(region_places_[raw(region.id)], "region " + in_quotes(region.name) + " without a node",
                       "at least one [[node]] with region = " + in_quotes(region.name));
      region.n = replicas_of(region, own.n ? own.n : defaults_.n);
      region.r = quorum_of(region, "r", own.r ? own.r : defaults_.r);
      region.w = quorum_of(region, "w", own.w ? own.w : defaults_.w);
    }
  }

  uint32_t replicas_of(const Region& region, const std::optional<Setting>& n) const {
    const size_t nodes = region.nodes.size();
    const std::string has = "region " + in_quotes(region.name) + " with " + std::to_string(nodes) +
                            (nodes == 1 ? " node" : " nodes");
    if (!n && nodes < kReplicasDefault)
      document_.fail(region_places_[raw(region.id)], has + " and no n",
                     "at least " + std::to_string(kReplicasDefault) +
                         " nodes (n is 3 unless it is set), or n = " + std::to_string(nodes) +
                         " in this [[region]]");
    const uint32_t value = n ? n->value : kReplicasDefault;
    if (value > nodes)
      document_.fail(n->at, "n = " + std::to_string(value) + " in " + n->origin + " for " + has,
                     "at most one replica a node, so " + up_to("n", nodes));
    return value;
  }

  uint32_t quorum_of(const Region& region, std::string_view which,
                     const std::optional<Setting>& setting) const {
    if (!setting) return region.n / 2 + 1;
    if (setting->value > region.n)
      document_.fail(setting->at,
                     std::string(which) + " = " + std::to_string(setting->value) + " in " + setting->origin +
                         " for region " + in_quotes(region.name) + " with n = " + std::to_string(region.n),
                     "a quorum of at most n, so " + up_to(which, region.n));
    return setting->value;
  }

  ReplicaSettings replica_settings(const Section& section) const {
    const auto setting = [&](std::string_view key) -> std::optional<Setting> {
      const auto value = section.number(key, kReplicas);
      if (!value) return std::nullopt;
      return Setting{static_cast<uint32_t>(*value), section.at(key), section.title()};
    };
    return {setting("n"), setting("r"), setting("w")};
  }

  static std::string checked(const Section& section, std::string_view key, std::string_view expected,
                             bool (*valid)(std::string_view)) {
    std::string text = section.required_text(key, expected);
    if (!valid(text)) section.fail_value(key, expected);
    return text;
  }

  static std::string name_of(const Section& section) { return checked(section, "name", kNameRule, is_name); }

  // Regions and nodes share one name space: `atoll dev kill eu` must mean one thing.
  std::string claim_name(const Section& section) {
    std::string name = name_of(section);
    claim(names_, name, section, "name", "the name " + in_quotes(name));
    return name;
  }

  NodeNumber claim_number(const Section& section) {
    const auto number = static_cast<uint16_t>(section.required_number("number", kNodeNumber));
    claim(numbers_, number, section, "number", "number " + std::to_string(number));
    return NodeNumber{number};
  }

  std::string claim_public_key(const Section& section) {
    std::string key = checked(
        section, "public_key",
        "a CURVE public key: 40 characters of Z85, as `atoll topology keygen` prints it", is_public_key);
    claim(public_keys_, key, section, "public_key", "this public key");
    return key;
  }

  Address claim_address(const Section& ports, std::string_view key, const std::string& host) {
    const auto port = static_cast<uint16_t>(ports.required_number(key, kPort));
    claim(addresses_, std::pair(host, port), ports, key, "port " + std::to_string(port) + " of " + host);
    return {host, port};
  }

  // Refuses what somebody else has already; `what` names it for a person.
  template <typename Value>
  void claim(std::map<Value, Place>& taken, const Value& value, const Section& section, std::string_view key,
             const std::string& what) {
    const auto [first, added] = taken.emplace(value, section.at(key));
    if (!added)
      section.fail(
          section.at(key), what + " for a second time in " + section.title(),
          "another " + std::string(key) + ": line " + std::to_string(first->second.line) + " has this one");
  }

  Region& region_of(const Section& section) {
    const std::string name = section.required_text("region", "the name of a [[region]]");
    const Region* region = topology_.find_region(name);
    if (region == nullptr)
      fail_unknown_region(section, section.at("region"), describe(*section.find("region")));
    return topology_.regions[raw(region->id)];
  }

  [[noreturn]] void fail_unknown_region(const Section& section, Place at, const std::string& name) const {
    std::string known;
    for (const Region& region : topology_.regions)
      known += (known.empty() ? "" : ", ") + in_quotes(region.name);
    section.fail(at, "unknown region " + name + " in " + section.title(),
                 known.empty() ? "a region of this file, which has none" : "one of " + known);
  }

  static SipKey seed_of(const Section& section) {
    constexpr std::string_view kForm = "32 hexadecimal digits in quotes, the same on every node for ever";
    const std::string text = section.required_text("seed", kForm);
    const auto half = [&](size_t from) -> uint64_t {
      uint64_t value = 0;
      const char *begin = text.data() + from, *end = begin + 16;
      const auto [stopped, error] = std::from_chars(begin, end, value, 16);
      if (error != std::errc{} || stopped != end) section.fail_value("seed", kForm);
      return value;
    };
    if (text.size() != 32) section.fail_value("seed", kForm);
    return {half(0), half(16)};
  }

  static Durability durability_of(const Section& section) {
    constexpr std::string_view kForm = R"("strict" or "periodic")";
    const auto text = section.text("durability", kForm);
    if (!text || *text == "strict") return Durability::strict;
    if (*text != "periodic") section.fail_value("durability", kForm);
    return Durability::periodic;
  }

  // Keyed with the seed, so that the digest can be shown to anybody without giving the seed away.
  std::string digest() const {
    std::string hashed = topology_.cluster;
    for (int shift = 0; shift < 32; shift += 8)
      hashed += static_cast<char>(topology_.placement.partitions >> shift);
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx",
                  static_cast<unsigned long long>(siphash24(topology_.placement.seed, hashed + '\1')),
                  static_cast<unsigned long long>(siphash24(topology_.placement.seed, hashed + '\2')));
    return text;
  }

  std::string_view file_;
  Section document_;
  Topology topology_;
  ReplicaSettings defaults_;
  std::vector<ReplicaSettings> region_settings_;  // by RegionId
  std::vector<Place> region_places_;              // by RegionId
  std::map<std::string, Place> names_, public_keys_;
  std::map<uint16_t, Place> numbers_;
  std::map<std::pair<std::string, uint16_t>, Place> addresses_;
};

}  // namespace

Result<Topology> parse(std::string_view toml, std::string_view file_name) {
  if (toml.size() > kFileBytesMax)
    return error_at(file_name, {1, 1}, "more than " + std::to_string(kFileBytesMax) + " bytes",
                    "at most that many");
  const auto document = read_document(toml, file_name);
  if (!document) return document.error();
  try {
    return Parser(file_name, *document).run();
  } catch (const Invalid& invalid) {
    return invalid.error;
  }
}

Result<Topology> load(const std::string& path) {
  const auto unreadable = [&] {
    return Error{Errc::io, path + ": cannot read the topology file: " + std::strerror(errno)};
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return unreadable();
  // One byte more than parse() takes: a larger file is refused there without being read whole.
  std::string text(kFileBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return unreadable();
  return parse(text, path);
}

}  // namespace atolldb::topology
