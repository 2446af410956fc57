#pragma once
// A Debian package index (deb-control(5)): stanzas of "Field: value" lines, separated by blank lines, where a
// line that begins with a space or tab continues the field before it. `apt-cache dumpavail`,
// /var/lib/dpkg/status and Packages files all have this form.
//
// A name may stand in an index more than once (several versions or architectures). The last stanza of a name
// is what the index says of it; the ones before it are skipped, and counted. Loading and expectation both
// start from here, so they follow the same rule.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/result.h"

namespace atolldb::tools {

struct Package {
  std::string_view name;
  std::string_view section;     // "none" where the stanza has none
  std::string_view maintainer;  // "none" where the stanza has none
  std::string_view stanza;      // without the newline that ends its last line
};

// Owns the text; the packages borrow from it.
class PackageIndex {
 public:
  // `limit`: at most that many packages, 0 = all. Errc::invalid names source and line: a stanza without a
  // Package field, a line that is neither a field nor a continuation, an index without any package, a stanza
  // above what a value may hold.
  static Result<PackageIndex> parse(std::string text, const std::string& source, size_t limit);

  PackageIndex(PackageIndex&&) noexcept = default;
  PackageIndex& operator=(PackageIndex&&) noexcept = default;

  const std::vector<Package>& packages() const { return packages_; }  // in the order of first appearance
  size_t replaced() const { return replaced_; }                       // stanzas that a later one replaced
  const std::string& source() const { return source_; }
  uint64_t stanza_bytes() const { return stanza_bytes_; }

 private:
  PackageIndex() = default;

  std::vector<char> text_;  // a vector keeps its address when it is moved, a short string does not
  std::string source_;
  std::vector<Package> packages_;
  size_t replaced_ = 0;
  uint64_t stanza_bytes_ = 0;
};

struct IndexText {
  std::string text;
  std::string source;  // for people: a path or a command
};

// The index of this machine: what `apt-cache dumpavail` prints, or /var/lib/dpkg/status where that prints
// nothing. Errc::not_found when there is neither.
Result<IndexText> read_machine_index();
Result<IndexText> read_index_file(const std::string& path);

}  // namespace atolldb::tools
