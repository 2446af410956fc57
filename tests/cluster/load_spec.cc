#include "tests/cluster/load_spec.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

namespace atolldb::tests {
namespace {

constexpr uint32_t kAttemptsMax = 1'000'000;

Error bad(const LoadSpec& spec, const std::string& word, const std::string& expected) {
  return {Errc::invalid, "load '" + spec.label + "': found '" + word + "', expected " + expected};
}

std::optional<uint32_t> number(const std::string& text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status set_number(LoadSpec& spec, const std::string& word, uint32_t& field, const std::string& value) {
  const auto read = number(value);
  if (!read) return bad(spec, word, "a number");
  field = *read;
  return ok();
}

Status set_node(LoadSpec& spec, const std::string& word, const std::string& name, const std::string& value,
                const topology::Topology& topology) {
  const topology::Node* node = topology.find(value);
  if (node == nullptr || topology.region(node->region).name != spec.region)
    return bad(spec, word, "a node of region " + spec.region);
  if (name == "via") {
    spec.via = value;
    return ok();
  }
  if (spec.role != Role::any) return bad(spec, word, "one role and no second one");
  spec.role = name == "coordinator" ? Role::coordinator : name == "replica" ? Role::replica : Role::without;
  spec.node = node->number;
  return ok();
}

Status set(LoadSpec& spec, const std::string& word, const topology::Topology& topology) {
  const size_t at = word.find('=');
  const std::string name = word.substr(0, at);
  const std::string value = at == std::string::npos ? "" : word.substr(at + 1);
  if (name == "bytes") return set_number(spec, word, spec.bytes, value);
  if (name == "deadline_ms") return set_number(spec, word, spec.deadline_ms, value);
  for (const char* known : {"coordinator", "replica", "without", "via"})
    if (name == known) return set_node(spec, word, name, value, topology);
  return bad(spec, word, "coordinator=, replica=, without=, via=, bytes= or deadline_ms=");
}

}  // namespace

Result<LoadSpec> parse_load(const std::string& text, const topology::Topology& topology) {
  LoadSpec spec;
  spec.label = text;
  std::istringstream words(text);
  std::getline(words, spec.region, ',');
  if (topology.find_region(spec.region) == nullptr) return bad(spec, spec.region, "a region");
  for (std::string word; std::getline(words, word, ',');)
    if (Status done = set(spec, word, topology); !done) return done.error();
  return spec;
}

KeyMaker::KeyMaker(const topology::Topology& topology, const LoadSpec& spec)
    : topology_(topology),
      ring_(topology, topology.find_region(spec.region)->id),
      role_(spec.role),
      node_(spec.node) {}

bool KeyMaker::fits(const Bytes& key) const {
  if (role_ == Role::any) return true;
  const auto& replicas = ring_.replicas(topology_.placement.place(key).partition);
  if (replicas.front() == node_) return role_ == Role::coordinator;
  const bool holds = std::find(replicas.begin(), replicas.end(), node_) != replicas.end();
  return role_ == (holds ? Role::replica : Role::without);
}

Bytes KeyMaker::key(const Bytes& stem) const {
  if (fits(stem)) return stem;
  for (uint32_t i = 0; i < kAttemptsMax; ++i) {
    Bytes key = stem + "." + std::to_string(i);
    if (fits(key)) return key;
  }
  ensure(false, "some partition fits: every node leads some, and holds not all where there are more than N");
  return stem;
}

}  // namespace atolldb::tests
