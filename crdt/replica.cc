#include "crdt/replica.h"

#include "crdt/base/canary.h"
#include "crdt/codec.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

namespace {

// Version, clock, leaves, waiting rows; of 2 the exchange that is received; of 3, which is written where
// there is something to say, the clears that are under way and what is ahead of the clock.
constexpr uint64_t kStateVersionOldest = 1, kStateVersionPlain = 2, kStateVersion = 3;
constexpr size_t kStateFields[] = {0, 4, 5, 7};
constexpr size_t kSweepFields = 4;  // prefix, what is cleared, cursor, once more
constexpr size_t kDigestBytes = 16;

void write_digest(Writer& writer, const Digest& digest) {
  char packed[kDigestBytes];
  for (int i = 0; i < 8; ++i) {
    packed[i] = static_cast<char>(digest.high >> (56 - 8 * i));
    packed[8 + i] = static_cast<char>(digest.low >> (56 - 8 * i));
  }
  writer.bin({packed, sizeof packed});
}

Digest read_digest(Reader& reader) {
  const BytesView packed = reader.bin();
  Digest out;
  if (packed.size() != kDigestBytes) {
    reader.fail("a digest has 16 bytes");
    return out;
  }
  for (size_t i = 0; i < 8; ++i) {
    out.high = out.high << 8 | static_cast<uint8_t>(packed[i]);
    out.low = out.low << 8 | static_cast<uint8_t>(packed[8 + i]);
  }
  return out;
}

void read_leaves(Reader& reader, std::vector<Digest>& leaves) {
  const size_t fields = reader.array();
  if (fields % 2 != 0) reader.fail("a leaf has two fields");
  for (size_t i = 0, next = 0; i < fields && reader.ok(); i += 2) {
    const uint64_t leaf = reader.uint(kTreeLeaves - 1);
    if (leaf < next) reader.fail("leaves out of order");
    leaves[leaf] = read_digest(reader);
    if (leaves[leaf] == Digest{}) reader.fail("an empty leaf is left out");
    next = leaf + 1;
  }
}

void read_waiting(Reader& reader, PartitionId partition, WaitingRows& waiting) {
  const size_t fields = reader.array();
  if (fields % 2 != 0) reader.fail("a waiting row has two fields");
  Bytes previous;
  for (size_t i = 0; i < fields && reader.ok(); i += 2) {
    Bytes key(reader.bin());
    const auto parts = parse_row_key(key);
    if (!parts || parts->place.partition != partition) reader.fail("a waiting row of another partition");
    if (key <= previous) reader.fail("waiting rows out of order");
    waiting.wait(key, read_dot(reader));
    previous = std::move(key);
  }
}

}  // namespace

Replica::Replica(PartitionId partition, const Placement& placement, Rows& rows, size_t cleared_at_once_max)
    : partition_(partition),
      placement_(placement),
      rows_(rows),
      leaves_(kTreeLeaves),
      cleared_at_once_max_(cleared_at_once_max) {}

Replica::Replica(Replica&&) noexcept = default;
Replica::~Replica() = default;

PartitionId Replica::partition() const { return partition_; }
const DotSet& Replica::clock() const { return clock_; }
Digest Replica::digest() const { return root_; }
Digest Replica::leaf(uint32_t leaf) const { return leaves_.at(leaf); }

Bytes Replica::encode_state() const {
  Bytes out;
  Writer writer(out);
  const DotSet ahead = minus(ahead_, clock_);
  const bool plain = ahead.empty() && (sweeps_.empty() || canary(Canary::sweep_not_kept));
  const uint64_t version = plain ? kStateVersionPlain : kStateVersion;
  writer.array(kStateFields[version]);
  writer.uint(version);
  write(writer, clock_);
  size_t used = 0;
  for (const Digest& leaf : leaves_) used += leaf == Digest{} ? 0 : 1;
  writer.array(2 * used);
  for (uint32_t i = 0; i < kTreeLeaves; ++i) {
    if (leaves_[i] == Digest{}) continue;
    writer.uint(i);
    write_digest(writer, leaves_[i]);
  }
  writer.array(2 * waiting_.rows().size());
  for (const auto& [key, dot] : waiting_.rows()) {
    writer.bin(key);
    write(writer, dot);
  }
  writer.array(pull_ ? 2 : 0);
  if (pull_) {
    write(writer, pull_->clock);
    writer.bin(pull_->cursor);
  }
  if (plain) return out;
  writer.array(kSweepFields * sweeps_.size());
  for (const auto& [prefix, sweep] : sweeps_) {
    writer.bin(prefix);
    write(writer, sweep.cleared);
    writer.bin(sweep.cursor);
    writer.uint(sweep.again ? 1 : 0);
  }
  write(writer, ahead);
  return out;
}

Sweeps Replica::read_sweeps(Reader& reader) const {
  Sweeps out;
  const size_t fields = reader.array();
  if (fields % kSweepFields != 0) reader.fail("a clear that is under way has 4 fields");
  for (size_t i = 0; i < fields && reader.ok(); i += kSweepFields) {
    Bytes prefix(reader.bin());
    const Bytes header = row_key(prefix, header_row());
    const auto parts = parse_row_key(header);
    if (!parts || parts->prefix != prefix || parts->place.partition != partition_)
      reader.fail("a clear of another partition");
    if (!out.empty() && prefix <= out.rbegin()->first) reader.fail("clears out of order");
    Sweep sweep;
    sweep.cleared = read_dot_set(reader);
    sweep.cursor = reader.bin();
    if (!sweep.cursor.empty() && !sweep.cursor.starts_with(prefix)) reader.fail("a clear of another key");
    sweep.again = reader.uint(1) == 1;
    if (reader.ok()) out.emplace(std::move(prefix), std::move(sweep));
  }
  return out;
}

std::optional<Replica::Pull> Replica::read_pull(Reader& reader) {
  const size_t fields = reader.array();
  if (fields == 0) return std::nullopt;
  if (fields != 2) reader.fail("an exchange that runs has 2 fields");
  DotSet clock = read_dot_set(reader);
  return Pull{std::move(clock), Bytes(reader.bin())};
}

Status Replica::restore(BytesView state) {
  Reader reader(state);
  const size_t fields = reader.array();
  const uint64_t version = reader.uint();
  if (reader.ok() && (version < kStateVersionOldest || version > kStateVersion))
    return {Errc::version, "replica state: version " + std::to_string(version) + ", expected 1 to 3"};
  if (reader.ok() && fields != kStateFields[version])
    reader.fail("a replica's state has 4, 5 or 7 fields, of version 1, 2 or 3");
  DotSet clock = read_dot_set(reader);
  std::vector<Digest> leaves(kTreeLeaves);
  read_leaves(reader, leaves);
  WaitingRows waiting;
  read_waiting(reader, partition_, waiting);
  std::optional<Pull> pull;
  if (version > kStateVersionOldest) pull = read_pull(reader);
  Sweeps sweeps;
  DotSet ahead;
  if (version == kStateVersion) {
    sweeps = read_sweeps(reader);
    ahead = read_dot_set(reader);
  }
  if (!reader.done()) return reader.error("replica state");
  reset();
  clock_ = std::move(clock);
  leaves_ = std::move(leaves);
  for (const Digest& leaf : leaves_) root_ += leaf;
  waiting_ = std::move(waiting);
  pull_ = std::move(pull);
  sweeps_ = std::move(sweeps);
  ahead_ = std::move(ahead);
  ahead_unknown_ = pull_ && version != kStateVersion;
  return ok();
}

void Replica::reset() {
  clock_.clear();
  leaves_.assign(kTreeLeaves, Digest{});
  root_ = {};
  waiting_.clear();
  scans_.clear();
  pull_.reset();
  remembered_.reset();
  sweeps_.clear();
  live_names_ = 0;
  ahead_.clear();
  ahead_unknown_ = false;
}

Replica::At Replica::locate(BytesView key) const {
  const KeyPlace place = placement_.place(key);
  ensure(place.partition == partition_, "a key is handed to its own partition");
  return {key, key_prefix(place, key), placement_.leaf_of(place.hash)};
}

std::optional<Row> Replica::get(const Bytes& row_key, const RowName& name) const {
  Bytes bytes;
  if (!rows_.get(row_key, bytes)) return std::nullopt;
  Row row = decode_stored(name, bytes);
  strip_cleared(BytesView(row_key).substr(0, row_key.size() - 1 - sizeof name.id), name, row);
  return row;
}

void Replica::account(uint32_t leaf, const std::optional<Digest>& before,
                      const std::optional<Digest>& after) {
  if (before) leaves_[leaf] -= *before, root_ -= *before;
  if (after) leaves_[leaf] += *after, root_ += *after;
}

Row decode_stored(const RowName& name, BytesView bytes) {
  Result<Row> row = decode_row(name, bytes);
  ensure(row.has_value(), "the store hands out rows as they were put");
  return std::move(row).value();
}

Error wrong_type() { return {Errc::wrong_type, "Operation against a key holding the wrong kind of value"}; }

Status check_key(BytesView key) {
  if (key.size() <= kKeyBytesMax) return ok();
  return {Errc::too_large, "a key of " + std::to_string(key.size()) + " bytes, at most " +
                               std::to_string(kKeyBytesMax) + " are allowed"};
}

}  // namespace atolldb::crdt
