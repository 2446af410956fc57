// The crash semantics of the in-memory twin: what a real disk would keep, and nothing else.

#include "storage/memory_store.h"

#include <catch2/catch.hpp>

#include "tests/storage/store_harness.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

MemoryStoreOptions by_hand() {
  MemoryStoreOptions options;
  options.automatic = false;
  return options;
}

std::vector<Bytes> records_after_restart(MemoryDisk& disk) {
  MemoryStore store(disk);
  std::vector<Bytes> records;
  REQUIRE(store.recover(nullptr, [&](LogPosition, BytesView record) {
    records.emplace_back(record);
    return true;
  }));
  return records;
}

TEST_CASE("memory store: power loss, keeps what was synced and nothing reported is missing", "[storage]") {
  MemoryDisk disk;
  LogPosition synced;
  {
    MemoryStore store(disk, by_hand());
    REQUIRE(store.recover(nullptr, nullptr));
    REQUIRE(store.commit({{"a", "b"}, {}, {}}));
    CHECK(store.poll().durable == LogPosition{0});
    store.sync();
    synced = store.poll().durable;
    CHECK(synced == store.log_end());
    REQUIRE(store.commit({{"c", "d", "e"}, {}, {}}));
    CHECK(store.poll().durable == synced);
  }
  MemoryDisk process_died = disk;
  CHECK(records_after_restart(process_died) == std::vector<Bytes>{"a", "b", "c", "d", "e"});
  MemoryDisk torn = disk;
  torn.crash(1);
  CHECK(records_after_restart(torn) == std::vector<Bytes>{"a", "b", "c"});
  disk.crash();
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a", "b"});
}

TEST_CASE("memory store: recovery, syncs what it hands out", "[storage]") {
  MemoryDisk disk;
  {
    MemoryStore store(disk, by_hand());
    REQUIRE(store.recover(nullptr, nullptr));
    REQUIRE(store.commit({{"a"}, {}, {}}));
  }
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a"});
  disk.crash();
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a"});
}

TEST_CASE("memory store: a checkpoint, waits for the records that its rows come from", "[storage]") {
  MemoryDisk disk;
  {
    MemoryStore store(disk, by_hand());
    REQUIRE(store.recover(nullptr, nullptr));
    REQUIRE(store.commit({{"a"}, {put("a", "1")}, {}}));
    REQUIRE(store.begin_checkpoint({}));
    CHECK_FALSE(store.finish_checkpoint());
    store.sync();
    CHECK(store.finish_checkpoint());
    CHECK(store.poll().checkpoint_done);
    CHECK_FALSE(store.poll().checkpoint_done);
    REQUIRE(store.commit({{"b"}, {put("b", "2")}, {}}));
  }
  disk.crash();
  MemoryStore store(disk);
  REQUIRE(store.recover(nullptr, nullptr));
  CHECK(all_rows(store) == std::vector<std::pair<Bytes, Bytes>>{{"a", "1"}});
}

TEST_CASE("memory store: a failed sync, reported and nothing is durable afterwards", "[storage]") {
  MemoryDisk disk;
  MemoryStore store(disk);
  REQUIRE(store.recover(nullptr, nullptr));
  disk.fail_sync = true;
  REQUIRE(store.commit({{"a"}, {}, {}}));
  const Events events = store.poll();
  REQUIRE(events.failed);
  CHECK(events.failed->code == Errc::io);
  CHECK(events.durable == LogPosition{0});
  disk.fail_sync = false;
  CHECK(store.poll().durable == LogPosition{0});
  CHECK(store.commit({{"b"}, {}, {}}).error().code == Errc::io);
  CHECK_FALSE(store.has_room());
}

TEST_CASE("memory store: a full disk, refuses writes, reads on and resumes", "[storage]") {
  MemoryDisk disk;
  MemoryStore store(disk);
  REQUIRE(store.recover(nullptr, nullptr));
  REQUIRE(store.commit({{"a"}, {put("a", "1")}, {}}));
  disk.full = true;
  CHECK_FALSE(store.has_room());
  CHECK(store.commit({{"b"}, {put("b", "2")}, {}}).error().code == Errc::full);
  REQUIRE(store.begin_checkpoint({}));
  CHECK_FALSE(store.poll().checkpoint_done);
  Bytes value;
  CHECK(store.get("a", value) == Found::yes);
  CHECK(store.get("b", value) == Found::no);
  disk.full = false;
  CHECK(store.poll().checkpoint_done);
  CHECK(store.commit({{"b"}, {put("b", "2")}, {}}));
}

TEST_CASE("memory store: a damaged synced record, lost memory until a checkpoint covers it", "[storage]") {
  MemoryDisk disk;
  LogPosition end;
  {
    MemoryStore store(disk);
    REQUIRE(store.recover(nullptr, nullptr));
    const auto at = store.commit({{"a", "b", "c"}, {}, {}});
    store.poll();
    end = store.log_end();
    REQUIRE(disk.damage_record(at->at(1)));
  }
  for (int restart = 0; restart < 2; ++restart) {
    MemoryStore store(disk);
    std::vector<Bytes> records;
    REQUIRE(store.recover(nullptr, [&](LogPosition, BytesView record) {
      records.emplace_back(record);
      return true;
    }));
    CHECK(records == std::vector<Bytes>{"a"});
    CHECK(store.log_damaged());
    CHECK(store.log_end() >= end);
  }
  {
    MemoryStore store(disk);
    REQUIRE(store.recover(nullptr, nullptr));
    REQUIRE(store.begin_checkpoint({}));
    CHECK(store.poll().checkpoint_done);
  }
  MemoryStore store(disk);
  REQUIRE(store.recover(nullptr, nullptr));
  CHECK_FALSE(store.log_damaged());
}

TEST_CASE("memory store: a copied disk, is a store of its own from then on", "[storage]") {
  MemoryDisk disk;
  MemoryStore store(disk);
  REQUIRE(store.recover(nullptr, nullptr));
  REQUIRE(store.commit({{"a"}, {put("a", "1")}, {}}));
  store.poll();
  MemoryDisk older = disk;
  REQUIRE(store.commit({{"b"}, {put("a", "2")}, {}}));
  store.poll();
  CHECK(records_after_restart(older) == std::vector<Bytes>{"a"});
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a", "b"});
}

}  // namespace
