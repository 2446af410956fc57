// Whose directory it is: every refusal says what was found and leaves the directory as it was.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/storage/disk_fixture.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;
using Catch::Contains;

namespace {

Error refusal(const DiskStoreOptions& options) {
  auto opened = DiskStore::open(options);
  REQUIRE_FALSE(opened);
  return opened.error();
}

TEST_CASE("directory: absent or empty, made and opened again", "[storage][directory]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path() + "/absent");
  must_recover(options);
  must_recover(options);
  CHECK_THAT(read_whole(options.directory + "/identity"),
             Contains("node 7\n") && Contains("cluster test-cluster\n"));
}

TEST_CASE("directory: another node's or cluster's, refused with both names", "[storage][directory]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  must_recover(options);
  options.node = NodeNumber{8};
  CHECK(refusal(options).code == Errc::refused);
  CHECK_THAT(refusal(options).message, Contains("node number 7") && Contains("expected 8"));
  options.node = NodeNumber{7};
  options.cluster = "other";
  CHECK(refusal(options).code == Errc::refused);
  CHECK_THAT(refusal(options).message, Contains("cluster test-cluster") && Contains("expected other"));
}

TEST_CASE("directory: open already, refused in this process and in another", "[storage][directory]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  const auto store = must_recover(options);
  CHECK(refusal(options).code == Errc::refused);
  CHECK_THAT(refusal(options).message, Contains("open in another process"));
  const pid_t child = ::fork();
  if (child == 0) {
    auto opened = DiskStore::open(options);
    ::_exit(!opened && opened.error().code == Errc::refused ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("directory: an identity of a newer format or with a flipped bit, refused", "[storage][directory]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  must_recover(options);
  const std::string path = dir.path() + "/identity";
  const std::string identity = read_whole(path);
  for (size_t i = 0; i < identity.size(); ++i) {
    std::string flipped = identity;
    flipped[i] ^= 4;
    write_whole(path, flipped);
    const Error error = refusal(options);
    CHECK((error.code == Errc::corrupt));
  }
  const std::string newer = "atoll data directory\nformat 2\ncluster test-cluster\nnode 7\n";
  char checksum[32];
  std::snprintf(checksum, sizeof checksum, "checksum %016llx\n",
                static_cast<unsigned long long>(XXH3_64bits(newer.data(), newer.size())));
  write_whole(path, newer + checksum);
  CHECK(refusal(options).code == Errc::version);
  CHECK_THAT(refusal(options).message, Contains("format 2"));
  write_whole(path, identity);
  must_recover(options);
}

TEST_CASE("directory: something else's files in it, refused and untouched", "[storage][directory]") {
  TemporaryDirectory dir;
  write_whole(dir.path() + "/thesis.txt", "mine");
  CHECK(refusal(small_options(dir.path())).code == Errc::refused);
  CHECK_THAT(refusal(small_options(dir.path())).message, Contains("thesis.txt"));
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("directory: making it was interrupted, finished at the next start", "[storage][directory]") {
  TemporaryDirectory dir;
  std::filesystem::create_directory(dir.path() + "/log");
  std::filesystem::create_directory(dir.path() + "/rows");
  write_whole(dir.path() + "/identity.new", "ato");
  must_recover(small_options(dir.path()));
}

TEST_CASE("directory: a part of it lost, refused and not started empty", "[storage][directory]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  {
    auto store = must_recover(options);
    REQUIRE(store->commit({{"record"}, {put("a", "1")}, {}}));
    wait_durable(*store);
  }
  SECTION("the identity") { std::filesystem::remove(dir.path() + "/identity"); }
  SECTION("the rows") { std::filesystem::remove(dir.path() + "/rows/data.mdb"); }
  SECTION("the log's folder") { std::filesystem::remove_all(dir.path() + "/log"); }
  CHECK(refusal(options).code == Errc::corrupt);
  CHECK_THAT(refusal(options).message, Contains("missing"));
}

TEST_CASE("directory: not writable, refused", "[storage][directory]") {
  TemporaryDirectory dir;
  std::filesystem::create_directory(dir.path() + "/readonly");
  ::chmod((dir.path() + "/readonly").c_str(), 0555);
  ::chmod(dir.path().c_str(), 0755);
  const DiskStoreOptions options = small_options(dir.path() + "/readonly");
  const pid_t child = ::fork();
  if (child == 0) {
    // Root may write anywhere.
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    auto opened = DiskStore::open(options);
    const bool said = !opened && opened.error().code == Errc::io &&
                      opened.error().message.find("not writable") != std::string::npos;
    ::_exit(said ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace
