#include "crdt/replica.h"

#include "crdt/codec.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

namespace {

constexpr uint64_t kStateVersion = 2;
constexpr size_t kStateFields = 5;           // version, clock, leaves, waiting rows, exchange
constexpr uint64_t kStateVersionOldest = 1;  // without the exchange
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

Replica::Replica(PartitionId partition, const Placement& placement, Rows& rows)
    : partition_(partition), placement_(placement), rows_(rows), leaves_(kTreeLeaves) {}

Replica::Replica(Replica&&) noexcept = default;
Replica::~Replica() = default;

PartitionId Replica::partition() const { return partition_; }
const DotSet& Replica::clock() const { return clock_; }
Digest Replica::digest() const { return root_; }
Digest Replica::leaf(uint32_t leaf) const { return leaves_.at(leaf); }

Bytes Replica::encode_state() const {
  Bytes out;
  Writer writer(out);
  writer.array(kStateFields);
  writer.uint(kStateVersion);
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
    return {Errc::version, "replica state: version " + std::to_string(version) + ", expected 1 or 2"};
  if (fields != (version == kStateVersionOldest ? kStateFields - 1 : kStateFields))
    reader.fail("a replica's state has 5 fields, of version 1 4");
  DotSet clock = read_dot_set(reader);
  std::vector<Digest> leaves(kTreeLeaves);
  read_leaves(reader, leaves);
  WaitingRows waiting;
  read_waiting(reader, partition_, waiting);
  std::optional<Pull> pull;
  if (version > kStateVersionOldest) pull = read_pull(reader);
  if (!reader.done()) return reader.error("replica state");
  reset();
  clock_ = std::move(clock);
  leaves_ = std::move(leaves);
  for (const Digest& leaf : leaves_) root_ += leaf;
  waiting_ = std::move(waiting);
  pull_ = std::move(pull);
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
}

Replica::At Replica::locate(BytesView key) const {
  const KeyPlace place = placement_.place(key);
  ensure(place.partition == partition_, "a key is handed to its own partition");
  return {key, key_prefix(place, key), placement_.leaf_of(place.hash)};
}

std::optional<Row> Replica::get(const Bytes& row_key, const RowName& name) const {
  Bytes bytes;
  if (!rows_.get(row_key, bytes)) return std::nullopt;
  return decode_stored(name, bytes);
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
