// The drill's expectation is computed from the index, so a stanza that is read wrongly would be loaded
// wrongly and never noticed: these tests are the only witness.

#include "tools/atoll/drill/package_index.h"

#include <catch2/catch.hpp>

namespace atolldb::tools {
namespace {

Result<PackageIndex> parse(const std::string& text, size_t limit = 0) {
  return PackageIndex::parse(text, "index", limit);
}

constexpr const char* kTwo =
    "Package: a\n"
    "Section: libs\n"
    "Maintainer: Ann <ann@example.org>\n"
    "Description: first\n"
    " Section: not a field, the line continues the description\n"
    " .\n"
    " end\n"
    "\n"
    "Package: b\n"
    "Maintainer:\n"
    "Version: 2\n";

TEST_CASE("package index: two stanzas, fields and exact text of each", "[tools]") {
  const auto index = parse(kTwo);
  REQUIRE(index);
  REQUIRE(index->packages().size() == 2);
  const Package& a = index->packages()[0];
  CHECK(a.name == "a");
  CHECK(a.section == "libs");
  CHECK(a.maintainer == "Ann <ann@example.org>");
  CHECK(a.stanza ==
        "Package: a\nSection: libs\nMaintainer: Ann <ann@example.org>\nDescription: first\n"
        " Section: not a field, the line continues the description\n .\n end");
  const Package& b = index->packages()[1];
  CHECK(b.section == "none");
  CHECK(b.maintainer == "none");
  CHECK(b.stanza == "Package: b\nMaintainer:\nVersion: 2");
  CHECK(index->stanza_bytes() == a.stanza.size() + b.stanza.size());
}

TEST_CASE("package index: blank lines around and no newline at the end, same packages", "[tools]") {
  const auto index = parse("\n\n  \nPackage: a\n\n\n\nPackage: b");
  REQUIRE(index);
  REQUIRE(index->packages().size() == 2);
  CHECK(index->packages()[0].stanza == "Package: a");
  CHECK(index->packages()[1].stanza == "Package: b");
}

TEST_CASE("package index: a name twice, the last stanza counts", "[tools]") {
  const auto index = parse("Package: a\nVersion: 1\n\nPackage: b\n\nPackage: a\nVersion: 2\n");
  REQUIRE(index);
  REQUIRE(index->packages().size() == 2);
  CHECK(index->packages()[0].stanza == "Package: a\nVersion: 2");
  CHECK(index->replaced() == 1);
}

TEST_CASE("package index: a limit, only so many names and still the last stanza of each", "[tools]") {
  const auto index = parse("Package: a\nVersion: 1\n\nPackage: b\n\nPackage: a\nVersion: 2\n", 1);
  REQUIRE(index);
  REQUIRE(index->packages().size() == 1);
  CHECK(index->packages()[0].stanza == "Package: a\nVersion: 2");
}

TEST_CASE("package index: moved, the packages still point at the text", "[tools]") {
  auto index = parse("Package: a\n");
  REQUIRE(index);
  const PackageIndex moved = *std::move(index);
  CHECK(moved.packages()[0].stanza == "Package: a");
}

TEST_CASE("package index: bad input, an error with its line", "[tools]") {
  const auto message = [](const std::string& text) {
    const auto index = parse(text);
    return index ? std::string("no error") : index.error().message;
  };
  CHECK_THAT(message(""), Catch::Contains("found no package"));
  CHECK_THAT(message("\n \n"), Catch::Contains("found no package"));
  CHECK_THAT(message("Package: a\n\nVersion: 1\n"),
             Catch::Contains("index:3: found a stanza without a Package"));
  CHECK_THAT(message("Package: a\nnonsense\n"),
             Catch::Contains("index:2: found a line without a field name"));
  CHECK_THAT(message("Package: a\n: x\n"), Catch::Contains("index:2: found a line without a field name"));
  CHECK_THAT(message(" a\nPackage: a\n"), Catch::Contains("index:1: found a continuation line"));
  CHECK_THAT(message("Package: " + std::string(477, 'n') + "\n"), Catch::Contains("name of 477 bytes"));
  CHECK_THAT(message("Package: a\nX: " + std::string(16u << 20, 'x') + "\n"), Catch::Contains("16 MiB"));
}

}  // namespace
}  // namespace atolldb::tools
