// `down --wipe` removes directories: only those that `up` made. Keys stay secret. A crash half-way is
// repaired.

#include "tools/atoll/dev_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace atolldb::tools {
namespace {

namespace fs = std::filesystem;

class Scratch {
 public:
  Scratch() { REQUIRE(mkdtemp(path_) != nullptr); }
  ~Scratch() { fs::remove_all(path_); }
  DevPaths paths() const { return DevPaths(std::string(path_) + "/cluster"); }

 private:
  char path_[32] = "/tmp/atoll-files-XXXXXX";
};

DevSpec small_spec() { return {{"eu", "us"}, 2, 20'000, 5}; }

TEST_CASE("dev files: made, read back as they were asked for", "[tools]") {
  const Scratch scratch;
  CHECK_FALSE(*read_manifest(scratch.paths()));
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  const auto manifest = read_manifest(scratch.paths());
  REQUIRE(manifest);
  CHECK(*manifest == small_spec());
  const auto topology = topology::load(scratch.paths().topology());
  if (!topology) FAIL(topology.error().message);
  CHECK(topology->nodes.size() == 4);
  CHECK(topology->placement.seed != SipKey{});
}

TEST_CASE("dev files: secret keys, readable by their owner only", "[tools]") {
  const Scratch scratch;
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  struct stat status {};
  REQUIRE(::stat(scratch.paths().key("us-2").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(status.st_size == 41);
}

TEST_CASE("dev files: made twice, nothing changes", "[tools]") {
  const Scratch scratch;
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  const auto before = tail_of(scratch.paths().topology(), 1000);
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  CHECK(tail_of(scratch.paths().topology(), 1000) == before);
}

TEST_CASE("dev files: topology missing after a crash, made again", "[tools]") {
  const Scratch scratch;
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  fs::remove(scratch.paths().topology());
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  CHECK(topology::load(scratch.paths().topology()));
}

TEST_CASE("dev files: a directory of somebody else, refused", "[tools]") {
  const Scratch scratch;
  fs::create_directories(scratch.paths().dir());
  std::ofstream(scratch.paths().dir() + "/thesis.tex") << "text";
  const auto manifest = read_manifest(scratch.paths());
  REQUIRE_FALSE(manifest);
  CHECK(manifest.error().code == Errc::refused);
}

TEST_CASE("dev files: a manifest that cannot be read, an error with its path", "[tools]") {
  const Scratch scratch;
  fs::create_directories(scratch.paths().dir());
  for (const char* content :
       {"", "[]", "{}", R"({"version": "1"})", R"({"version": 1, "regions": ["../../home"], "nodes": 3,
        "base_port": 7000, "wan_delay_ms": 0})"}) {
    std::ofstream(scratch.paths().manifest(), std::ios::trunc) << content;
    const auto manifest = read_manifest(scratch.paths());
    REQUIRE_FALSE(manifest);
    CHECK_THAT(manifest.error().message, Catch::Contains("dev.json"));
  }
  std::ofstream(scratch.paths().manifest(), std::ios::trunc) << R"({"version": 2})";
  CHECK(read_manifest(scratch.paths()).error().code == Errc::version);
}

TEST_CASE("dev files: wiped, the directory goes; a stranger's file stays and is named", "[tools]") {
  const Scratch scratch;
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  const auto topology = topology::load(scratch.paths().topology());
  REQUIRE(topology);
  const std::string stranger = scratch.paths().dir() + "/notes.txt";
  std::ofstream(stranger) << "text";
  CHECK_FALSE(wipe_cluster_files(scratch.paths(), *topology));
  CHECK(fs::exists(stranger));
  CHECK_FALSE(fs::exists(scratch.paths().node_dir("eu-1")));
  fs::remove(stranger);
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  REQUIRE(wipe_cluster_files(scratch.paths(), *topology));
  CHECK_FALSE(fs::exists(scratch.paths().dir()));
}

TEST_CASE("dev files: cuts, written and read; none without a file", "[tools]") {
  const Scratch scratch;
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  CHECK(read_cuts(scratch.paths())->empty());
  const Cuts cuts = {{"eu", "us"}, {"ap", "eu"}};
  REQUIRE(write_cuts(scratch.paths(), cuts));
  CHECK(*read_cuts(scratch.paths()) == cuts);
  std::ofstream(scratch.paths().cuts(), std::ios::trunc) << "7";
  CHECK_FALSE(read_cuts(scratch.paths()));
}

TEST_CASE("dev files: the lock, held by one at a time", "[tools]") {
  const Scratch scratch;
  REQUIRE(write_cluster_files(scratch.paths(), small_spec()));
  { REQUIRE(DirectoryLock::acquire(scratch.paths())); }
  const auto again = DirectoryLock::acquire(scratch.paths());
  CHECK(again);
}

}  // namespace
}  // namespace atolldb::tools
