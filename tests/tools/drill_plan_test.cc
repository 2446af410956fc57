// Who writes what decides what the drill proves: strings and set adds by two regions, counts by exactly one.

#include "tools/atoll/drill/drill_plan.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

namespace atolldb::tools {
namespace {

PackageIndex some_index(size_t packages) {
  std::string text;
  for (size_t i = 0; i < packages; ++i) {
    text += "Package: p" + std::to_string(i) + "\nSection: s" + std::to_string(i % 3) + "\nMaintainer: m" +
            std::to_string(i % 5) + "\n\n";
  }
  auto index = PackageIndex::parse(text, "index", 0);
  REQUIRE(index);
  return *std::move(index);
}

TEST_CASE("drill plan: three regions, each loads two thirds, every package twice, every count once",
          "[tools]") {
  const PackageIndex index = some_index(300);
  const auto plan = plan_writes(index, 3, 7);
  REQUIRE(plan.size() == 3);
  std::map<std::pair<uint32_t, WriteKind>, std::set<size_t>> writers;
  for (size_t region = 0; region < plan.size(); ++region) {
    size_t puts = 0;
    for (const PlannedWrite& write : plan[region]) {
      CHECK(writers[{write.package, write.kind}].insert(region).second);
      puts += write.kind == WriteKind::put_package;
    }
    CHECK(puts == 200);
  }
  CHECK(writers.size() == 300 * 4);
  for (const auto& [write, regions] : writers) {
    CHECK(regions.size() == (write.second == WriteKind::count_section ? 1 : 2));
  }
}

TEST_CASE("drill plan: two, three and five regions, each of them counts a share", "[tools]") {
  const PackageIndex index = some_index(300);
  for (const size_t regions : {2, 3, 5}) {
    for (const auto& writes : plan_writes(index, regions, 1)) {
      size_t counts = 0;
      for (const PlannedWrite& write : writes) counts += write.kind == WriteKind::count_section;
      CHECK(counts > 0);
    }
  }
}

TEST_CASE("drill plan: same seed, same order; another seed, another", "[tools]") {
  const PackageIndex index = some_index(50);
  const auto first_packages = [&](uint64_t seed) {
    std::vector<uint32_t> packages;
    const auto plan = plan_writes(index, 2, seed);
    for (const PlannedWrite& write : plan[0]) packages.push_back(write.package);
    return packages;
  };
  CHECK(first_packages(1) == first_packages(1));
  CHECK(first_packages(1) != first_packages(2));
}

TEST_CASE("drill expectation: every string, member and count of the index, nothing else", "[tools]") {
  const PackageIndex index = some_index(30);
  const Placement placement{{1, 2}, 16};
  const Expectation expected = expect(index, placement);
  CHECK(expected.strings.size() == 30 + 3);
  CHECK(expected.sets.size() == 3 + 5);
  CHECK(expected.keys() == 41);
  size_t counted = 0, elements = 0;
  for (const ExpectedString& string : expected.strings) {
    CHECK(string.partition == placement.place(string.key).partition);
    CHECK(is_drill_key(string.key));
    if (string.value.empty()) counted += static_cast<size_t>(string.count);
  }
  for (const ExpectedSet& set : expected.sets) {
    CHECK(is_drill_key(set.key));
    CHECK(std::is_sorted(set.members.begin(), set.members.end()));
    elements += set.members.size();
  }
  CHECK(counted == 30);
  CHECK(elements == 60);
}

TEST_CASE("drill keys: a maintainer longer than a key, cut at 480 bytes", "[tools]") {
  const std::string name(600, 'm');
  const Package package{"p", "s", name, ""};
  CHECK(maintainer_key(package).size() == 480);
  CHECK(maintainer_key(package).starts_with("maintainer:m"));
  CHECK_FALSE(is_drill_key("pkgs:1"));
}

}  // namespace
}  // namespace atolldb::tools
