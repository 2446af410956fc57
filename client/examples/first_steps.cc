// Reads and writes with the library: one at a time, many at once, with a future, with a callback.
//
//   g++ -std=c++20 first_steps.cc $(pkg-config --cflags --libs atoll) -o first_steps
//   ./first_steps TOPOLOGY_FILE REGION

#include <atoll/client.h>
#include <atoll/handles.h>

#include <future>
#include <iostream>
#include <string>
#include <vector>

namespace calls = atolldb::client::calls;
using atolldb::client::Client;
using atolldb::client::Counter;
using atolldb::client::Got;
using atolldb::client::Map;
using atolldb::client::Reply;
using atolldb::client::Set;

namespace {

// What an application does with an outcome: go on, give up, or look before it tries again.
template <typename T>
bool went_well(const std::string& what, const Reply<T>& reply) {
  if (reply.done()) return true;
  std::cerr << what << (reply.unknown() ? ": may have happened, or may yet: " : ": has not happened: ")
            << reply.message << "\n";
  return false;
}

bool one_at_a_time(Client& client) {
  if (!went_well("set", client.set("greeting", "hello"))) return false;
  const auto got = client.get("greeting");
  if (!went_well("get", got)) return false;
  std::cout << "greeting: " << got.value.value.value_or("(none)") << "\n";
  return true;
}

bool by_type(Client& client) {
  Counter visits(client, "visits");
  Set tags(client, "tags");
  Map profile(client, "profile");
  if (!went_well("remove", visits.remove()) || !went_well("add", visits.add(2)) ||
      !went_well("add", visits.add()))
    return false;
  if (!went_well("add", tags.add({"new", "red"})) || !went_well("set", profile.set({{"name", "Ada"}})))
    return false;
  const auto count = visits.value();
  const auto red = tags.contains("red");
  const auto name = profile.get("name");
  if (!went_well("value", count) || !went_well("contains", red) || !went_well("get", name)) return false;
  std::cout << "visits: " << count.value << ", red: " << (red.value ? "yes" : "no")
            << ", name: " << name.value.value.value_or("(none)") << "\n";
  return true;
}

// Each key goes straight to the node that coordinates it, all of them at the same time.
bool many_at_once(Client& client) {
  calls::Fields values;
  std::vector<std::string> keys;
  for (int i = 0; i < 1'000; ++i) {
    keys.push_back("item:" + std::to_string(i));
    values.emplace_back(keys.back(), std::to_string(i * i));
  }
  for (const auto& reply : client.mset(values))
    if (!went_well("mset", reply)) return false;
  int right = 0;
  const auto replies = client.mget(keys);
  for (size_t i = 0; i < replies.size(); ++i) right += replies[i].value.value == values[i].second;
  std::cout << "items: " << right << " of " << keys.size() << "\n";
  return true;
}

bool without_waiting(Client& client) {
  std::future<Reply<Got>> later = client.start(calls::get("greeting"));
  std::promise<std::string> told;
  client.start(calls::hget("profile", "name"), [&told](Reply<Got>&& reply) {
    told.set_value(reply.value.value.value_or("(none)"));  // on the client's thread: it must not block
  });
  std::cout << "later: " << later.get().value.value.value_or("(none)")
            << ", called back: " << told.get_future().get() << "\n";
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: first_steps TOPOLOGY_FILE REGION\n";
    return 2;
  }
  const auto client = Client::open(std::string(argv[1]), {.region = argv[2]});
  if (!client) {
    std::cerr << "first_steps: " << client.error().message << "\n";
    return 1;
  }
  const bool ok =
      one_at_a_time(**client) && by_type(**client) && many_at_once(**client) && without_waiting(**client);
  return ok ? 0 : 1;
}
