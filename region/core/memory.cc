#include "region/core/memory.h"

#include <algorithm>

#include "crdt/base/canary.h"

namespace atolldb::region {

void Memory::begin(uint32_t disk_start, storage::LogPosition disk_position, bool lost,
                   storage::Batch&& on_joining) {
  disk_start_ = disk_start;
  disk_position_ = disk_position;
  on_joining_ = std::move(on_joining);
  lost_ = lost;
  node_.start = disk_start + 1;
  node_.random = static_cast<uint32_t>(node_.prng.next() >> 32) | 1;
  if (canary(Canary::random_not_of_the_seed)) {
    static uint32_t starts = 0;
    node_.random += 2 * ++starts;
  }
  node_.joining = true;
  node_.standing = Standing::unsure;
  began_ = node_.now.monotonic;
}

bool Memory::has_local_peers() const { return node_.home().n > 1 && node_.home().nodes.size() > 1; }

void Memory::ask() {
  asked_ = node_.now.monotonic;
  const Hello hello{node_.start, node_.random, disk_start_, disk_position_};
  // Those of other regions stay asked: in a large cluster they are many, and their answers take a while.
  for (const auto& [node, peer] : node_.peers.all())
    if (peer.local || !agreed_.contains(node)) node_.out.send(node, hello);
}

// Every other region whose nodes can be reached.
bool Memory::regions_answered() const {
  for (const auto& [node, peer] : node_.peers.all())
    if (!peer.local && !regions_.contains(peer.region)) return false;
  return true;
}

void Memory::on_hello(NodeNumber from, const Hello& hello) {
  const Peer& peer = *node_.peers.find(from);
  Position answer;
  answer.start = hello.start;
  answer.random = hello.random;
  answer.known_start = peer.start;
  answer.known_position = peer.synced;
  answer.highest_start = std::max(peer.start, peer.forgot);
  answer.running = peer.runs_beside(hello.random, node_.now.monotonic);
  node_.out.send(from, answer);
}

void Memory::on_position(NodeNumber from, const Position& position) {
  if (!node_.joining || joined_ || position.start > node_.start || position.random != node_.random) return;
  if (position.running) {
    if (!twin_since_) twin_since_ = node_.now.monotonic;
    if (node_.now.monotonic - *twin_since_ > kTwinPatience)
      node_.fatal = "another process is running as node " + node_.name_of(node_.self) +
                    "; stop it first, or give this one a topology and a data directory of its own";
    return;
  }
  const auto known = std::pair(position.known_start, position.known_position);
  const bool older = known > std::pair(disk_start_, disk_position_) && !canary(Canary::old_disk_votes);
  if (!lost_ && older) {
    lost_ = true;
    node_.note(LogLevel::warn,
               "this disk is older than what the node acknowledged: it has no vote until exchanges have "
               "repaired it witness=" +
                   node_.name_of(from) + " known_start=" + std::to_string(position.known_start) +
                   " known_position=" + std::to_string(position.known_position.value) + " disk_start=" +
                   std::to_string(disk_start_) + " disk_position=" + std::to_string(disk_position_.value));
  }
  node_.start = std::max(node_.start, position.highest_start + 1);
  agreed_.insert(from);
  regions_.insert(node_.peers.find(from)->region);
  try_join();
}

void Memory::try_join() {
  if (!node_.joining || joined_ || !node_.store.has_reserve()) return;
  const Duration age = node_.now.monotonic - began_;
  uint32_t witnesses = 0;
  for (const auto& [node, peer] : node_.peers.all()) {
    if (has_local_peers() && !peer.local) continue;
    if (agreed_.contains(node))
      ++witnesses;
    else if (peer.up || (peer.local && node_.topology.strict_disks))
      return;
  }
  if (has_local_peers() ? witnesses == 0 || age < kHearAtLeast : age < kRegionsWithin) return;
  // An empty disk may be a new one for an old node, in a region that has lost all of them: then only other
  // regions know the starts that have been.
  if (canary(Canary::start_waits_for_regions) && !regions_answered()) return;
  if (disk_start_ == 0 && !regions_answered() && age < kRegionsWithin) return;
  join(std::exchange(on_joining_, {}));
}

// The standing comes first: a power cut may keep the beginning of a batch, and what is behind it would make a
// disk without memory look like the latest.
void Memory::join(storage::Batch&& batch) {
  joined_ = true;
  const Standing standing = lost_ ? Standing::lost : Standing::vote;
  batch.records.insert(batch.records.begin(), to_bytes(StandingRecord{static_cast<uint8_t>(standing)}));
  batch.records.push_back(to_bytes(StartRecord{node_.start, node_.random}));
  node_.commit_from_reserve(std::move(batch));
  node_.logged_start = node_.start;
  node_.logged_standing = standing;
  node_.out.run_when(node_.store.log_end(), [this, standing, start = node_.start] {
    if (start != node_.start) return;  // memory was lost again
    node_.joining = false;
    node_.standing = standing;
    node_.note(LogLevel::info,
               "joined start=" + std::to_string(node_.start) + " standing=" + to_string(standing));
  });
}

void Memory::lose(storage::Batch&& batch) {
  node_.out.drop_votes();
  node_.start += 1;
  node_.random = static_cast<uint32_t>(node_.prng.next() >> 32) | 1;
  node_.standing = Standing::lost;
  node_.joining = true;
  joined_ = lost_ = true;
  regaining_done_ = false;
  exchanged_.clear();
  join(std::move(batch));
}

void Memory::fetch_again(const std::set<PartitionId>& partitions, storage::Batch&& batch) {
  for (const PartitionId partition : partitions) exchanged_.erase(partition);
  node_.commit(std::move(batch));
}

std::vector<NodeNumber> Memory::witnesses(const Partition& partition) const {
  std::vector<NodeNumber> out;
  for (const NodeNumber replica : partition.replicas)
    if (replica != node_.self) out.push_back(replica);
  return out.empty() ? far_witnesses(partition) : out;
}

// One of each other region, the first that is up.
std::vector<NodeNumber> Memory::far_witnesses(const Partition& partition) const {
  std::vector<NodeNumber> out;
  for (const topology::Region& region : node_.topology.regions) {
    if (region.id == node_.region) continue;
    const auto& replicas = node_.rings[raw(region.id)].replicas(partition.id);
    const auto up =
        std::find_if(replicas.begin(), replicas.end(), [&](NodeNumber n) { return node_.peers.up(n); });
    if (up != replicas.end()) out.push_back(*up);
  }
  return out;
}

size_t Memory::needed(const Partition& partition) const {
  const auto n = static_cast<uint32_t>(partition.replicas.size());
  const uint32_t w = std::min(node_.home().w, n);
  if (canary(Canary::memory_from_one)) return 1;
  return std::min<size_t>(witnesses(partition).size(), std::max(w, n - w + 1));
}

// All other replicas are there, and too few of them have a vote to give this one back its own: what W disks
// had alone is gone, and waiting brings nothing back. What all of them and the other regions still have is
// all there is (docs/decisions/0009).
bool Memory::too_few_kept_theirs(const Partition& partition) const {
  if (partition.replicas.size() == 1) return false;
  size_t votes = 0;
  for (const NodeNumber replica : partition.replicas) {
    if (replica == node_.self) continue;
    const Peer& peer = *node_.peers.find(replica);
    if (!peer.up || peer.joining) return false;
    votes += peer.vote;
  }
  return votes < needed(partition);
}

bool Memory::regained(const Partition& partition) const {
  const auto at = exchanged_.find(partition.id);
  const Done done = at == exchanged_.end() ? Done{} : at->second;
  if (done.with_vote.size() >= needed(partition)) return true;
  if (!too_few_kept_theirs(partition)) return false;
  const auto have = [&](NodeNumber node) { return done.any.contains(node); };
  const auto near = witnesses(partition), far = far_witnesses(partition);
  return std::all_of(near.begin(), near.end(), have) && std::all_of(far.begin(), far.end(), have) &&
         (!far.empty() || node_.topology.regions.size() == 1);
}

void Memory::on_exchanged(const Exchanges::Pulled& pulled) {
  Done& done = exchanged_[pulled.partition];
  done.any.insert(pulled.from);
  if (pulled.vote) done.with_vote.insert(pulled.from);
}

void Memory::regain() {
  bool all = true;
  uint64_t ids_forgotten_ms = 0;
  for (Partition* partition : partitions_()) {
    const bool last_resort = too_few_kept_theirs(*partition);
    if (last_resort || partition->replicas.size() == 1)  // nobody can tell which increments have been counted
      ids_forgotten_ms =
          std::max(node_.hlc.highest().wall_ms(), node_.now.wall_ms) + crdt::HybridClock::kDriftMaxMs;
    if (last_resort && !std::exchange(told_too_few_, true))
      node_.note(LogLevel::error,
                 "too many replicas have lost their disks: what only they had acknowledged is lost, the rest "
                 "comes from all that are left and from other regions");
    if (regained(*partition)) continue;
    all = false;
    const Done& done = exchanged_[partition->id];
    const auto want = [&](const std::vector<NodeNumber>& nodes, bool votes_only) {
      for (const NodeNumber node : nodes) {
        const Peer& peer = *node_.peers.find(node);
        if (peer.up && (peer.vote || !votes_only) && !(votes_only ? done.with_vote : done.any).contains(node))
          exchanges_.want(partition->id, node, true);
      }
    };
    want(witnesses(*partition), !last_resort);
    if (last_resort) want(far_witnesses(*partition), true);
  }
  if (!all || regaining_done_ || !node_.damaged.empty()) return;
  regaining_done_ = true;
  RegainedRecord regained;
  regained.ids_forgotten_ms = ids_forgotten_ms;
  for (Partition* partition : partitions_()) {
    partition->lost_epoch = partition->promised.number;
    partition->ids_forgotten_ms = std::max(partition->ids_forgotten_ms, ids_forgotten_ms);
    partition->dirty = true;
    regained.lost_epochs.emplace_back(partition->id, partition->lost_epoch);
  }
  storage::Batch batch;
  batch.records.push_back(to_bytes(regained));
  batch.records.push_back(to_bytes(StandingRecord{static_cast<uint8_t>(Standing::vote)}));
  node_.commit(std::move(batch));
  node_.logged_standing = Standing::vote;
  node_.out.run_when(node_.store.log_end(), [this, start = node_.start] {
    if (start != node_.start) return;  // memory was lost again
    lost_ = false;
    node_.standing = Standing::vote;
    node_.note(LogLevel::info, "memory regained start=" + std::to_string(node_.start));
  });
}

void Memory::tick() {
  if (node_.joining && !joined_) {
    if (node_.now.monotonic - asked_ >= kAskEvery) ask();
    try_join();
  }
  if (!node_.joining && node_.standing == Standing::lost && node_.store.has_room()) regain();
}

}  // namespace atolldb::region
