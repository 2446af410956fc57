// What a node reads back from its disk, and what it puts there for the next time.

#include "crdt/fields.h"
#include "region/core/node.h"

namespace atolldb::region {

namespace {
constexpr uint8_t kNodeStateVersion = 1;
constexpr const char* kNodeKey = "n";
constexpr const char* kStartEmpty =
    ": move this node's data directory away and start the node with an empty one, it fetches everything from "
    "the "
    "others; or restore a backup";

struct KnownPeer {
  NodeNumber node{};
  uint32_t start = 0, random = 0;
  uint64_t position = 0;
  uint32_t forgot = 0;
};
template <typename Io>
void fields(Io& io, KnownPeer& k) {
  io(k.node, k.start, k.random, k.position, k.forgot);
}

struct NodeImage {
  uint32_t start = 0, random = 0;
  uint8_t standing = 0;
  crdt::Hlc hlc;
  std::vector<KnownPeer> known;
};
template <typename Io>
void fields(Io& io, NodeImage& n) {
  io(n.start, n.random, n.standing, n.hlc, n.known);
}

Bytes partition_key(PartitionId id) {
  Bytes key = "p";
  key.push_back(static_cast<char>(raw(id) >> 8));
  key.push_back(static_cast<char>(raw(id)));
  return key;
}
}  // namespace

Status Node::recover(Now now) {
  state_.now = now;
  bool restored = false;
  Status failed = ok();
  const auto restore_once = [&] {
    if (!std::exchange(restored, true)) failed = restore_meta();
    return failed.has_value();
  };
  outbox_index_.find();
  const storage::LogRange known = outbox_index_.known();
  bool loaded = false;
  // Entries of the outboxes stand in the order of the log.
  const auto load_up_to = [&](storage::LogPosition at) {
    if (!restore_once()) return false;
    if (at >= known.end && !std::exchange(loaded, true))
      failed = outbox_index_.load([this](const OutboxImage& image) {
        Partition* p = partition(image.partition);
        return p != nullptr ? p->remember(image) : ok();
      });
    return failed.has_value();
  };
  auto recovered = state_.store.recover(
      [&](storage::LogPosition at, BytesView bytes) {
        if (!load_up_to(at)) return false;
        auto record = decode_record(bytes);
        if (!record)
          failed = record.error();
        else if (const auto* delta = std::get_if<DeltaRecord>(&*record)) {
          if (Partition* p = partition(delta->partition)) failed = p->remember(*delta, at);
        } else if (const auto* verdict = std::get_if<VerdictRecord>(&*record)) {
          if (Partition* p = partition(verdict->partition)) p->remember(*verdict, at);
        }
        return failed.has_value();
      },
      [&](storage::LogPosition at, BytesView bytes) {
        if (load_up_to(at)) failed = replay(at, bytes);
        return failed.has_value();
      },
      known);
  if (!recovered) return failed ? recovered : failed;  // why the replay stopped it, where it did
  if (!load_up_to(known.end)) return failed;
  storage::Batch dropped;
  for (auto& [id, partition] : partitions_) {
    partition->outbox.cut(state_.store.log_begin());
    exchanges_.recovered(*partition, dropped);
    partition->recount();
    state_.hlc.restore(std::max(state_.hlc.highest(), partition->stamp));
  }
  state_.durable = state_.told_end = state_.store.log_end();
  // What replay found damaged begins again once this start has joined (check_news).
  const bool lost = disk_standing_ == Standing::lost || state_.store.log_damaged() || !state_.damaged.empty();
  state_.logged_start = disk_start_;
  state_.logged_standing = lost ? Standing::lost : disk_standing_;  // a checkpoint covers up damage
  // The disk is judged by where its log ends: until that is done, nothing more is written to it.
  storage::Batch on_joining;
  on_joining.records = std::exchange(dropped.records, {});
  memory_.begin(disk_start_, state_.store.log_end(), lost, std::move(on_joining));
  if (!dropped.empty()) state_.commit_from_reserve(std::move(dropped));
  return ok();
}

Status Node::restore_meta() {
  Bytes value;
  if (state_.store.get_meta(kNodeKey, value) == storage::Found::damaged)
    return {Errc::corrupt, std::string("the node's own state in LMDB is damaged") + kStartEmpty};
  if (!value.empty())
    if (auto restored = restore_node(value); !restored) return restored;
  for (auto& [id, partition] : partitions_) {
    Bytes bytes;
    const storage::Found found = state_.store.get_meta(partition_key(id), bytes);
    if (found == storage::Found::damaged)
      return {Errc::corrupt,
              "the state of partition " + std::to_string(raw(id)) + " in LMDB is damaged" + kStartEmpty};
    if (found == storage::Found::no) continue;
    if (auto restored = partition->restore(bytes); !restored) return restored;
  }
  return ok();
}

Status Node::restore_node(BytesView value) {
  crdt::Reader reader(value);
  const size_t elements = reader.array();
  const uint64_t version = reader.uint(255);
  if (reader.ok() && version != kNodeStateVersion)
    return {Errc::version, "the node's state has version " + std::to_string(version) +
                               "; this program reads " + std::to_string(kNodeStateVersion)};
  NodeImage image;
  if (!crdt::decode_typed(reader, elements, image) || !reader.done()) return reader.error("node state");
  disk_start_ = image.start;
  disk_standing_ = static_cast<Standing>(image.standing);
  state_.hlc.restore(image.hlc);
  for (const KnownPeer& known : image.known) {
    Peer* peer = state_.peers.find(known.node);
    if (peer == nullptr) continue;
    peer->start = known.start;
    peer->random = known.random;
    peer->synced.value = known.position;
    state_.peers.note_forgot(known.node, known.forgot);
  }
  return ok();
}

Bytes Node::encode_node() const {
  NodeImage image;
  image.start = state_.logged_start;
  image.random = state_.random;
  image.standing = static_cast<uint8_t>(state_.logged_standing);
  image.hlc = state_.hlc.highest();
  for (const auto& [node, peer] : state_.peers.all())
    image.known.push_back({node, peer.start, peer.random, peer.synced.value, peer.forgot});
  Bytes out;
  crdt::encode_typed(kNodeStateVersion, image, out);
  return out;
}

Status Node::replay(storage::LogPosition at, BytesView bytes) {
  auto record = decode_record(bytes);
  if (!record) return record.error();
  return std::visit([&](const auto& r) { return replay(at, r); }, *record);
}

Status Node::replay(storage::LogPosition at, const DeltaRecord& r) {
  Partition* p = partition(r.partition);
  return p != nullptr ? p->replay(r, at) : ok();
}
Status Node::replay(storage::LogPosition at, const VerdictRecord& r) {
  Partition* p = partition(r.partition);
  return p != nullptr ? p->replay(r, at) : ok();
}
Status Node::replay(storage::LogPosition, const PromiseRecord& r) {
  if (Partition* p = partition(r.partition)) p->promised = std::max(p->promised, r.epoch);
  return ok();
}
Status Node::replay(storage::LogPosition, const StartRecord& r) {
  disk_start_ = r.start;
  return ok();
}
Status Node::replay(storage::LogPosition, const StandingRecord& r) {
  disk_standing_ = static_cast<Standing>(r.standing);
  return ok();
}
Status Node::replay(storage::LogPosition, const KnownRecord& r) {
  Peer* peer = state_.peers.find(r.node);
  if (peer == nullptr) return ok();
  peer->start = r.start;
  peer->random = r.random;
  peer->synced.value = r.position;
  return ok();
}
Status Node::replay(storage::LogPosition, const ForgotRecord& r) {
  state_.peers.note_forgot(r.node, r.start);
  return ok();
}
Status Node::replay(storage::LogPosition, const RegainedRecord& r) {
  for (const auto& [id, epoch] : r.lost_epochs)
    if (Partition* p = partition(id)) {
      p->lost_epoch = epoch;
      p->ids_forgotten_ms = std::max(p->ids_forgotten_ms, r.ids_forgotten_ms);
    }
  return ok();
}
Status Node::replay(storage::LogPosition, const ResetRecord& r) {
  Partition* p = partition(r.partition);
  return p != nullptr ? p->replay_reset() : ok();
}
Status Node::replay(storage::LogPosition, const StampRecord& r) {
  if (Partition* p = partition(r.partition)) {
    p->stamp = std::max(p->stamp, r.stamp);
    p->logged_stamp = std::max(p->logged_stamp, r.stamp);
  }
  return ok();
}
Status Node::replay(storage::LogPosition, const PullBeginRecord& r) { return exchanges_.replay(r); }
Status Node::replay(storage::LogPosition, const PullChunkRecord& r) { return exchanges_.replay(r); }
Status Node::replay(storage::LogPosition, const PullAppliedRecord& r) { return exchanges_.replay(r); }
Status Node::replay(storage::LogPosition, const PullAbandonRecord& r) { return exchanges_.replay(r); }

void Node::checkpoint() {
  if (checkpoint_running_ || !state_.store.wants_checkpoint()) return;
  std::vector<storage::Batch::Change> meta;
  meta.push_back({kNodeKey, encode_node()});
  for (auto& [id, partition] : partitions_)
    if (partition->dirty) meta.push_back({partition_key(id), partition->encode_state()});
  const auto indexed = index_outboxes(meta);
  if (!state_.store.begin_checkpoint(std::move(meta))) return;
  checkpoint_running_ = true;
  if (indexed) outbox_index_.written(*indexed);
  swept_in_checkpoint_ = 0;
  for (auto& [id, partition] : partitions_) {
    partition->dirty = false;
    if (indexed) partition->outbox_imaged(*indexed);
  }
}

// What a start would have to read the log for, where there is enough of it.
std::optional<storage::LogRange> Node::index_outboxes(std::vector<storage::Batch::Change>& meta) const {
  const auto range = outbox_index_.due([this](storage::LogPosition from) {
    std::optional<storage::LogPosition> lowest;
    for (const auto& [id, partition] : partitions_) {
      const uint64_t first = partition->outbox.first_from(from);
      if (first == partition->outbox.end()) continue;
      const storage::LogPosition at = partition->outbox.at(first).at;
      lowest = std::min(lowest.value_or(at), at);
    }
    return lowest;
  });
  if (!range) return std::nullopt;
  std::vector<OutboxImage> images;
  for (const auto& [id, partition] : partitions_)
    if (OutboxImage image = partition->outbox_image(*range); !image.empty())
      images.push_back(std::move(image));
  outbox_index_.write(*range, images, meta);
  return range;
}

}  // namespace atolldb::region
