// A disk that takes its time, for the nodes of a cluster test: loaded before the system's library
// (LD_PRELOAD), it makes each fdatasync and fsync of an atolld wait first, mostly for milliseconds, now and
// then for longer than nodes are patient with each other. A process has one disk: its syncs wait for one
// another.
//
//   ATOLL_SLOW_DISK_SEED    a number. The waits of a node are a function of it and of the node's name.
//
// Other programs (without --node NAME) are left alone.

#include <dlfcn.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>

namespace {

constexpr uint64_t kWaitUsMax = 12'000;
constexpr uint64_t kHiccupUsMax = 1'500'000;
constexpr uint64_t kHiccupOneIn = 40;

// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
uint64_t draw(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// What stands behind --node in this process's command line.
std::string node_name() {
  std::ifstream words("/proc/self/cmdline", std::ios::binary);
  bool found = false;
  for (std::string word; std::getline(words, word, '\0'); found = word == "--node")
    if (found) return word;
  return {};
}

// Nothing: it is no node.
std::optional<uint64_t> first_state() {
  const std::string name = node_name();
  const char* seed = std::getenv("ATOLL_SLOW_DISK_SEED");
  if (name.empty() || seed == nullptr) return std::nullopt;
  uint64_t state = std::strtoull(seed, nullptr, 10);
  for (const char c : name) state = draw(state) ^ static_cast<unsigned char>(c);
  return state;
}

void wait_for_disk() {
  static std::mutex disk;
  const std::lock_guard lock(disk);
  static std::optional<uint64_t> state = first_state();
  if (!state) return;
  const bool hiccup = draw(*state) % kHiccupOneIn == 0;
  const uint64_t us = draw(*state) % (hiccup ? kHiccupUsMax : kWaitUsMax);
  const timespec wait{static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000 * 1000)};
  nanosleep(&wait, nullptr);
}

using Sync = int (*)(int fd);

Sync of_system(const char* name) { return reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name)); }

}  // namespace

extern "C" int fdatasync(int fd) {
  static const Sync sync = of_system("fdatasync");
  wait_for_disk();
  return sync(fd);
}

extern "C" int fsync(int fd) {
  static const Sync sync = of_system("fsync");
  wait_for_disk();
  return sync(fd);
}
