#include "tools/atoll/bench/workload.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "crdt/base/ensure.h"

namespace atolldb::tools {
namespace {

using region::Op;
using region::Request;

constexpr double kZipfExponent = 0.99;
constexpr uint32_t kWeightMax = 1'000'000;
constexpr size_t kElements = 1'000;  // that a set's elements are drawn from

struct Known {
  const char* name;
  Op op;
};
constexpr Known kKnown[] = {{"get", Op::get},
                            {"set", Op::set},
                            {"del", Op::del},
                            {"incr", Op::add},
                            {"sadd", Op::sadd},
                            {"srem", Op::srem},
                            {"sismember", Op::sismember},
                            {"scard", Op::scard},
                            {"ping", Op::ping}};

std::string known_names() {
  std::string names;
  for (const Known& known : kKnown) names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

Result<MixPart> parse_part(const std::string& word) {
  const size_t equals = word.find('=');
  MixPart part;
  part.name = word.substr(0, equals);
  const auto* known =
      std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& k) { return part.name == k.name; });
  if (known == std::end(kKnown))
    return {Errc::invalid, "found \"" + part.name + "\" in the mix, expected one of " + known_names()};
  part.op = known->op;
  const std::string digits = equals == std::string::npos ? "1" : word.substr(equals + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), part.weight);
  if (error != std::errc() || end != digits.data() + digits.size() || part.weight > kWeightMax)
    return {Errc::invalid, "found weight \"" + digits + "\" for " + part.name +
                               " in the mix, expected a number up to " + std::to_string(kWeightMax)};
  return part;
}

// Spreads ranks over the key space, so that hot keys are not neighbours.
uint64_t scatter(uint64_t rank, uint64_t keys) { return Prng(rank).next() % keys; }

double unit(Prng& dice) { return static_cast<double>(dice.next() >> 11) * 0x1.0p-53; }

}  // namespace

Result<std::vector<MixPart>> parse_mix(const std::string& text) {
  std::vector<MixPart> mix;
  uint64_t weights = 0;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    auto part = parse_part(text.substr(from, comma - from));
    if (!part) return part.error();
    if (std::any_of(mix.begin(), mix.end(), [&](const MixPart& m) { return m.op == part->op; }))
      return {Errc::invalid, "found \"" + part->name + "\" twice in the mix"};
    weights += part->weight;
    if (part->weight > 0) mix.push_back(std::move(*part));
    from = comma + 1;
  }
  if (weights == 0) return {Errc::invalid, "the mix has no operation with a weight above 0"};
  return mix;
}

Zipf::Zipf(uint64_t n) : n_(n) {
  ensure(n > 0, "a distribution over no keys");
  for (uint64_t i = 1; i <= n; ++i) zeta_ += 1.0 / std::pow(static_cast<double>(i), kZipfExponent);
  second_ = 1.0 + std::pow(0.5, kZipfExponent);
  alpha_ = 1.0 / (1.0 - kZipfExponent);
  eta_ = n < 3
             ? 0
             : (1.0 - std::pow(2.0 / static_cast<double>(n), 1.0 - kZipfExponent)) / (1.0 - second_ / zeta_);
}

uint64_t Zipf::next(Prng& dice) const {
  const double u = unit(dice);
  const double uz = u * zeta_;
  if (uz < 1.0) return 0;
  if (uz < second_ || n_ < 3) return n_ > 1 ? 1 : 0;
  const double rank = static_cast<double>(n_) * std::pow(eta_ * u - eta_ + 1.0, alpha_);
  return std::min(static_cast<uint64_t>(rank), n_ - 1);
}

Workload::Workload(const WorkloadConfig& config) : config_(config), dice_(config.seed) {
  if (config.zipf) zipf_.emplace_back(config.keys);
  for (const MixPart& part : config.mix) weights_ += part.weight;
  noise_.resize(config.value_bytes + 4096);
  for (char& c : noise_) c = static_cast<char>('a' + dice_.below(26));
}

size_t Workload::pick() {
  if (config_.mix.size() == 1) return 0;
  uint64_t at = dice_.below(weights_);
  size_t part = 0;
  while (at >= config_.mix[part].weight) at -= config_.mix[part++].weight;
  return part;
}

uint64_t Workload::key_number() {
  return zipf_.empty() ? dice_.below(config_.keys) : scatter(zipf_.front().next(dice_), config_.keys);
}

std::string Workload::key(char type, uint64_t number) const {
  std::string out = config_.prefix;
  out += type;
  out += ':';
  out += std::to_string(number);
  return out;
}

Bytes Workload::value() { return noise_.substr(dice_.below(4096), config_.value_bytes); }

Request Workload::make(size_t part) {
  Request request;
  request.op = config_.mix[part].op;
  switch (request.op) {
    case Op::ping:
      break;
    case Op::add:
      request.key = key('n', key_number());
      request.amount = 1;
      break;
    case Op::sadd:
    case Op::srem:
    case Op::sismember:
      request.key = key('e', key_number());
      request.args.push_back("element-" + std::to_string(dice_.below(kElements)));
      break;
    case Op::scard:
      request.key = key('e', key_number());
      break;
    default:
      request.key = key('s', key_number());
      if (request.op == Op::set) request.value = value();
  }
  return request;
}

Request Workload::make_fill(uint64_t index) {
  Request request;
  request.op = Op::set;
  request.key = key('s', index);
  request.value = value();
  return request;
}

}  // namespace atolldb::tools
