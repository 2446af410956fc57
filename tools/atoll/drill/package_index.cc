#include "tools/atoll/drill/package_index.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <unordered_map>

namespace atolldb::tools {
namespace {

constexpr size_t kStanzaBytesMax = 16u << 20;
constexpr size_t kNameBytesMax = 476;  // a key of 480 less "pkg:"
constexpr std::string_view kNone = "none";
constexpr const char* kStatusFile = "/var/lib/dpkg/status";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Walks the lines of an index and hands over one stanza after the other.
class StanzaReader {
 public:
  StanzaReader(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  // nullopt at the end of the text.
  Result<std::optional<Package>> next() {
    skip_blank_lines();
    if (at_ == text_.size()) return std::optional<Package>{};
    const size_t start = at_;
    const size_t first_line = line_;
    Package package{{}, kNone, kNone, {}};
    size_t end = at_;
    while (at_ < text_.size()) {
      const std::string_view line = take_line();
      if (trimmed(line).empty()) break;
      if (Status read = read_field(line, end == start, package); !read) return read.error();
      end = static_cast<size_t>(line.data() - text_.data()) + line.size();
    }
    package.stanza = text_.substr(start, end - start);
    if (package.name.empty()) return problem(first_line, "found a stanza without a Package field");
    if (package.name.size() > kNameBytesMax) {
      return problem(first_line, "found a package name of " + std::to_string(package.name.size()) +
                                     " bytes, a key has room for " + std::to_string(kNameBytesMax));
    }
    if (package.stanza.size() > kStanzaBytesMax) {
      return problem(first_line, "found a stanza of " + std::to_string(package.stanza.size()) +
                                     " bytes, a value holds at most 16 MiB");
    }
    return std::optional<Package>{package};
  }

 private:
  Error problem(size_t line, const std::string& what) const {
    return {Errc::invalid,
            source_ + ":" + std::to_string(line) + ": " + what + "; expected a Debian package index"};
  }

  std::string_view take_line() {
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = std::min(end + 1, text_.size());
    ++line_;
    return line;
  }

  void skip_blank_lines() {
    while (at_ < text_.size()) {
      const size_t before = at_;
      if (trimmed(take_line()).empty()) continue;
      at_ = before;
      --line_;
      return;
    }
  }

  Status read_field(std::string_view line, bool first, Package& package) const {
    if (line[0] == ' ' || line[0] == '\t') {
      if (first) return problem(line_ - 1, "found a continuation line where a field begins");
      return ok();
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return problem(line_ - 1, "found a line without a field name");
    }
    const std::string_view field = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (value.empty()) return ok();
    if (field == "Package") package.name = value;
    if (field == "Section") package.section = value;
    if (field == "Maintainer") package.maintainer = value;
    return ok();
  }

  std::string_view text_;
  const std::string& source_;
  size_t at_ = 0;
  size_t line_ = 1;
};

}  // namespace

Result<PackageIndex> PackageIndex::parse(std::string text, const std::string& source, size_t limit) {
  PackageIndex index;
  index.text_.assign(text.begin(), text.end());
  index.source_ = source;
  std::unordered_map<std::string_view, size_t> position;
  StanzaReader reader({index.text_.data(), index.text_.size()}, index.source_);
  for (;;) {
    const auto package = reader.next();
    if (!package) return package.error();
    if (!*package) break;
    const Package& found = **package;
    const auto known = position.find(found.name);
    if (known != position.end()) {
      index.packages_[known->second] = found;
      ++index.replaced_;
    } else if (limit == 0 || index.packages_.size() < limit) {
      position.emplace(found.name, index.packages_.size());
      index.packages_.push_back(found);
    }
  }
  if (index.packages_.empty()) {
    return {Errc::invalid, source + ": found no package; expected a Debian package index"};
  }
  for (const Package& package : index.packages_) index.stanza_bytes_ += package.stanza.size();
  return index;
}

Result<IndexText> read_index_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {Errc::not_found, "cannot open " + path + "; --input takes a readable package index"};
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return {Errc::io, "cannot read " + path};
  return IndexText{std::move(text), path};
}

Result<IndexText> read_machine_index() {
  std::string text;
  struct Close {
    void operator()(FILE* pipe) const { pclose(pipe); }
  };
  const std::unique_ptr<FILE, Close> pipe(popen("apt-cache dumpavail 2>/dev/null", "re"));
  std::vector<char> buffer(1u << 16);
  while (pipe) {
    const size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
    if (got == 0) break;
    text.append(buffer.data(), got);
  }
  if (text.find_first_not_of(" \n") != std::string::npos) {
    return IndexText{std::move(text), "apt-cache dumpavail"};
  }
  auto status = read_index_file(kStatusFile);
  if (status) return status;
  return {Errc::not_found,
          "this machine has no package index: `apt-cache dumpavail` printed nothing and there is no " +
              std::string(kStatusFile) + "; pass one with --input FILE"};
}

}  // namespace atolldb::tools
