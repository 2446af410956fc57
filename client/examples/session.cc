// Writes in one region, and reads its own writes in another one when the first is gone: the session knows
// what it has seen, and a region that lacks some of it says so instead of answering with something older.
//
//   ./session TOPOLOGY_FILE REGION [stale]
//
// Writes, says "written", waits for a line on standard input (the moment to kill the region), and reads.

#include <atoll/client.h>
#include <atoll/session.h>

#include <iostream>
#include <map>
#include <string>
#include <vector>

using atolldb::client::Client;
using atolldb::client::Session;
using atolldb::client::WhenBehind;

namespace {

constexpr int kNotes = 100;

std::string key_of(int i) { return "note:" + std::to_string(i); }
std::string value_of(int i) { return "written " + std::to_string(i); }

bool write_notes(Session& session) {
  atolldb::client::calls::Fields notes;
  for (int i = 0; i < kNotes; ++i) notes.emplace_back(key_of(i), value_of(i));
  for (const auto& reply : session.mset(notes)) {
    if (reply.done()) continue;
    std::cerr << "session: not written: " << reply.message << "\n";
    return false;
  }
  return true;
}

// What became of the reads: how many were answered by which region, and which were not.
bool read_notes(Session& session, const atolldb::topology::Topology& topology) {
  std::vector<std::string> keys;
  for (int i = 0; i < kNotes; ++i) keys.push_back(key_of(i));
  std::map<std::string, int> told;
  const auto replies = session.mget(keys);
  for (int i = 0; i < kNotes; ++i) {
    const auto& reply = replies[static_cast<size_t>(i)];
    if (!reply.done() && reply.behind)
      ++told["not answered: a region lacks what the session saw of " +
             topology.region(reply.behind->region).name];
    else if (!reply.done())
      ++told["not answered: " + reply.message];
    else if (reply.value.value == value_of(i))
      ++told["own write, read from " + topology.region(topology.find(reply.node)->region).name];
    else if (reply.stale)
      ++told["stale, and marked so"];
    else
      ++told["WRONG: older than what was written"];
  }
  for (const auto& [what, count] : told) std::cout << count << " " << what << "\n";
  return !told.contains("WRONG: older than what was written");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: session TOPOLOGY_FILE REGION [stale]\n";
    return 2;
  }
  const auto topology = atolldb::topology::load(argv[1]);
  if (!topology) {
    std::cerr << "session: " << topology.error().message << "\n";
    return 1;
  }
  const auto client = Client::open(*topology, {.region = argv[2], .any_region = true, .deadline_ms = 3'000});
  if (!client) {
    std::cerr << "session: " << client.error().message << "\n";
    return 1;
  }
  Session session(**client, argc > 3 ? WhenBehind::stale : WhenBehind::wait);
  if (!write_notes(session)) return 1;
  std::cout << "written, token " << atolldb::region::token_text(session.token()) << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    if (!read_notes(session, *topology)) return 1;
  return 0;
}
