#include "tools/atoll/drill/drill_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "crdt/base/ensure.h"
#include "crdt/base/prng.h"

namespace atolldb::tools {
namespace {

constexpr std::string_view kPackagePrefix = "pkg:";
constexpr std::string_view kSectionPrefix = "section:";
constexpr std::string_view kMaintainerPrefix = "maintainer:";
constexpr std::string_view kCountPrefix = "count:";

Bytes key_of(std::string_view prefix, std::string_view name) {
  Bytes key(prefix);
  key.append(name.substr(0, kDrillKeyBytesMax - prefix.size()));
  return key;
}

// Fisher and Yates, with our own numbers: the same order on every platform.
std::vector<uint32_t> shuffled(size_t count, uint64_t seed) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  Prng prng(seed);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[prng.below(i)]);
  return order;
}

std::vector<ExpectedSet> to_sets(std::map<Bytes, std::vector<std::string_view>>&& by_key,
                                 const Placement& placement) {
  std::vector<ExpectedSet> sets;
  for (auto& [key, members] : by_key) {
    std::sort(members.begin(), members.end());
    sets.push_back({key, placement.place(key).partition, std::move(members)});
  }
  return sets;
}

}  // namespace

Bytes package_key(const Package& package) { return key_of(kPackagePrefix, package.name); }
Bytes section_key(const Package& package) { return key_of(kSectionPrefix, package.section); }
Bytes maintainer_key(const Package& package) { return key_of(kMaintainerPrefix, package.maintainer); }
Bytes count_key(const Package& package) { return key_of(kCountPrefix, package.section); }

bool is_drill_key(BytesView key) {
  for (const auto prefix : {kPackagePrefix, kSectionPrefix, kMaintainerPrefix, kCountPrefix}) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

std::vector<std::vector<PlannedWrite>> plan_writes(const PackageIndex& index, size_t regions, uint64_t seed) {
  ensure(regions >= 2, "a drill has at least two regions");
  std::vector<std::vector<PlannedWrite>> plan(regions);
  const auto order = shuffled(index.packages().size(), seed);
  for (size_t k = 0; k < order.size(); ++k) {
    const std::array<size_t, 2> writers = {k % regions, (k + 1) % regions};
    // Which of the two counts changes from round to round, so that every region counts its share.
    const size_t counting = writers[(k / regions) % 2];
    for (const size_t region : writers) {
      plan[region].push_back({order[k], WriteKind::put_package});
      plan[region].push_back({order[k], WriteKind::add_to_section});
      plan[region].push_back({order[k], WriteKind::add_to_maintainer});
      if (region == counting) plan[region].push_back({order[k], WriteKind::count_section});
    }
  }
  return plan;
}

Expectation expect(const PackageIndex& index, const Placement& placement) {
  Expectation expected;
  std::map<Bytes, std::vector<std::string_view>> sets;
  std::map<Bytes, int64_t> counts;
  for (const Package& package : index.packages()) {
    Bytes key = package_key(package);
    const PartitionId partition = placement.place(key).partition;
    expected.strings.push_back({std::move(key), partition, package.stanza, 0});
    sets[section_key(package)].push_back(package.name);
    sets[maintainer_key(package)].push_back(package.name);
    ++counts[count_key(package)];
  }
  for (const auto& [key, count] : counts) {
    expected.strings.push_back({key, placement.place(key).partition, {}, count});
  }
  expected.sets = to_sets(std::move(sets), placement);
  return expected;
}

}  // namespace atolldb::tools
