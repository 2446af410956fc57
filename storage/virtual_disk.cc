#include "storage/virtual_disk.h"

#include <algorithm>
#include <cerrno>

#include "storage/log_format.h"

namespace atolldb::storage {
namespace {

constexpr uint64_t kRowBytes = 16;  // what a row costs beside key and value

uint64_t row_bytes(size_t key, size_t value) { return key + value + kRowBytes; }

Error gone(const std::string& what) { return system_error(what, ENOENT); }

}  // namespace

// -- sectors and names

Bytes VirtualDisk::sector(const Inode& inode, uint64_t index) {
  const uint64_t at = index * kSectorBytes;
  return at < inode.bytes.size() ? inode.bytes.substr(at, kSectorBytes) : Bytes();
}

void VirtualDisk::set_sector(Inode& inode, uint64_t index, BytesView bytes) {
  const uint64_t at = index * kSectorBytes;
  if (at >= inode.size) return;
  const uint64_t room = std::min<uint64_t>(kSectorBytes, inode.size - at);
  if (inode.bytes.size() < at + room) inode.bytes.resize(at + room);
  Bytes whole(bytes.substr(0, room));
  whole.resize(room);
  inode.bytes.replace(at, room, whole);
}

// Each sector is what it was before one of the writes that were not synced, or after the last.
void VirtualDisk::cut_power(Inode& inode, Prng& prng) {
  std::map<uint64_t, std::vector<Bytes>> versions;
  for (auto& [index, before] : inode.never_written) versions[index].push_back(std::move(before));
  for (const Overwritten& write : inode.unsynced)
    for (uint64_t i = 0; i < write.count; ++i) {
      const uint64_t at = i * kSectorBytes;
      versions[write.first + i].push_back(at < write.before.size() ? write.before.substr(at, kSectorBytes)
                                                                   : Bytes());
    }
  inode.never_written.clear();
  inode.unsynced.clear();
  if (inode.size != inode.synced_size && prng.chance(1, 2)) inode.size = inode.synced_size;
  inode.synced_size = inode.size;
  if (inode.bytes.size() > inode.size) inode.bytes.resize(inode.size);
  for (const auto& [index, before] : versions) {
    const uint64_t survivor = prng.below(before.size() + 1);
    if (survivor < before.size()) set_sector(inode, index, before[survivor]);
  }
}

// Each name stands for what it stood for at some moment since its directory was synced.
void VirtualDisk::cut_power_of_names(Prng& prng) {
  std::map<std::string, std::vector<uint64_t>> versions;
  for (const NameChange& change : unsynced_names_) versions[change.name].push_back(change.before);
  unsynced_names_.clear();
  for (const auto& [name, before] : versions) {
    const uint64_t survivor = prng.below(before.size() + 1);
    if (survivor == before.size()) continue;
    if (before[survivor] == 0)
      names_.erase(name);
    else
      names_[name] = before[survivor];
  }
}

void VirtualDisk::forget_unnamed() {
  std::map<uint64_t, Inode> named;
  for (const auto& [name, inode] : names_) named.insert(inodes_.extract(inode));
  inodes_ = std::move(named);
}

void VirtualDisk::recount() {
  file_bytes_ = 0;
  for (const auto& [name, inode] : names_) file_bytes_ += inodes_.at(inode).size;
}

void VirtualDisk::cut_power(Prng& prng) {
  cut_power_of_names(prng);
  forget_unnamed();
  for (auto& [id, inode] : inodes_) cut_power(inode, prng);
  recount();
}

bool VirtualDisk::has_unsynced() const {
  return !unsynced_names_.empty() || std::any_of(inodes_.begin(), inodes_.end(), [](const auto& item) {
    const Inode& inode = item.second;
    return !inode.unsynced.empty() || !inode.never_written.empty() || inode.size != inode.synced_size;
  });
}

bool VirtualDisk::has_space(uint64_t more) const {
  return more == 0 || (used_bytes() <= capacity_bytes && more <= capacity_bytes - used_bytes());
}

// Space for `more` bytes beside the rows that are there.
bool VirtualDisk::take_for_table(uint64_t more) {
  const uint64_t needed = table_bytes_ + more;
  if (needed <= table_space_) return true;
  if (!has_space(needed - table_space_)) return false;
  table_space_ = needed;
  return true;
}

bool VirtualDisk::spend(uint32_t& failing) {
  if (failing == 0) return false;
  --failing;
  return true;
}

// -- damage

bool VirtualDisk::flip_bit(const std::string& path, uint64_t bit) {
  const auto name = names_.find(path);
  if (name == names_.end()) return false;
  Bytes& bytes = inodes_.at(name->second).bytes;
  if (bit / 8 >= bytes.size()) return false;
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  return true;
}

bool VirtualDisk::damage_record(LogPosition at) {
  for (const auto& [name, id] : names_) {
    const Inode& inode = inodes_.at(id);
    SegmentHeader header;
    if (decode_segment_header(BytesView(inode.bytes).substr(0, kSegmentHeaderBytes), header) !=
            HeaderFound::valid ||
        at.value < header.begin)
      continue;
    const uint64_t offset = kSegmentHeaderBytes + (at.value - header.begin);
    if (offset < inode.bytes.size() &&
        read_record_head(BytesView(inode.bytes).substr(offset), at.value, header.incarnation))
      return flip_bit(name, offset * 8);
  }
  return false;
}

bool VirtualDisk::damage(Rows& rows, BytesView key) {
  const auto row = rows.find(key);
  if (row == rows.end()) return false;
  return row->second.damaged = true;
}

bool VirtualDisk::damage_row(BytesView row_key) { return damage(rows_, row_key); }
bool VirtualDisk::damage_meta(BytesView key) { return damage(meta_, key); }

bool VirtualDisk::damage_row_key(BytesView row_key, size_t bit) {
  const auto row = rows_.find(row_key);
  if (row == rows_.end() || bit / 8 >= row_key.size()) return false;
  auto moved = rows_.extract(row);
  char& byte = moved.key()[bit / 8];
  byte = static_cast<char>(byte ^ (1 << (bit % 8)));
  moved.mapped().damaged = true;
  rows_.insert(std::move(moved));
  return true;
}

bool VirtualDisk::lose(Rows& rows, BytesView key) {
  const auto row = rows.find(key);
  if (row == rows.end()) return false;
  table_bytes_ -= row_bytes(row->first.size(), row->second.value.size());
  rows.erase(row);
  return true;
}

bool VirtualDisk::lose_row(BytesView row_key) { return lose(rows_, row_key); }
bool VirtualDisk::lose_meta(BytesView key) { return lose(meta_, key); }

std::vector<std::pair<std::string, uint64_t>> VirtualDisk::files() const {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (const auto& [name, inode] : names_) out.emplace_back(name, inodes_.at(inode).bytes.size());
  return out;
}

std::vector<Bytes> VirtualDisk::row_keys() const {
  std::vector<Bytes> out;
  for (const auto& [key, row] : rows_) out.push_back(key);
  return out;
}

std::vector<Bytes> VirtualDisk::meta_keys() const {
  std::vector<Bytes> out;
  for (const auto& [key, entry] : meta_) out.push_back(key);
  return out;
}

// -- files

class VirtualFile final : public File {
 public:
  VirtualFile(const std::string& path, VirtualDisk& disk, uint64_t inode)
      : File(path), disk_(disk), inode_(inode) {}

  Status write_at(BytesView bytes, uint64_t offset) override;
  Result<size_t> read_at(char* into, size_t size, uint64_t offset) const override;
  Status sync_data() override { return sync_all(); }
  Status sync_all() override;
  Result<uint64_t> size() const override;
  Status truncate(uint64_t size) override;
  Status reserve(uint64_t bytes) override;

 private:
  VirtualDisk::Inode* find() const {
    const auto at = disk_.inodes_.find(inode_);
    return at == disk_.inodes_.end() ? nullptr : &at->second;
  }
  // Remembers what the sectors hold.
  static void overwrite(VirtualDisk::Inode& inode, uint64_t from, uint64_t to) {
    const uint64_t first = from / kSectorBytes, end = (to + kSectorBytes - 1) / kSectorBytes;
    const uint64_t at = std::min<uint64_t>(first * kSectorBytes, inode.bytes.size());
    inode.unsynced.push_back({first, end - first, inode.bytes.substr(at, (end - first) * kSectorBytes)});
  }

  VirtualDisk& disk_;
  const uint64_t inode_;
};

Status VirtualFile::write_at(BytesView bytes, uint64_t offset) {
  VirtualDisk::Inode* inode = find();
  if (!inode) return gone("write " + path());
  if (disk_.spend(disk_.failing_writes)) return system_error("write " + path(), EIO);
  const uint64_t end = offset + bytes.size();
  const uint64_t more = end > inode->size ? end - inode->size : 0;
  if (!disk_.has_space(more)) return system_error("write " + path(), ENOSPC);
  overwrite(*inode, offset, end);
  inode->size += more;
  disk_.file_bytes_ += more;
  if (inode->bytes.size() < end) inode->bytes.resize(end);
  std::copy(bytes.begin(), bytes.end(), inode->bytes.begin() + static_cast<ptrdiff_t>(offset));
  ++disk_.activity_.writes;
  disk_.activity_.written_bytes += bytes.size();
  return ok();
}

Result<size_t> VirtualFile::read_at(char* into, size_t size, uint64_t offset) const {
  const VirtualDisk::Inode* inode = find();
  if (!inode) return gone("read " + path());
  if (offset >= inode->size) return size_t{0};
  size = std::min<uint64_t>(size, inode->size - offset);
  const size_t held = offset < inode->bytes.size() ? std::min(size, inode->bytes.size() - offset) : 0;
  std::copy_n(inode->bytes.data() + (held ? offset : 0), held, into);
  std::fill(into + held, into + size, '\0');
  return size;
}

Status VirtualFile::sync_all() {
  VirtualDisk::Inode* inode = find();
  if (!inode) return gone("sync " + path());
  ++disk_.activity_.syncs;
  const bool fails = disk_.spend(disk_.failing_syncs);
  for (const VirtualDisk::Overwritten& write : inode->unsynced)
    for (uint64_t i = 0; i < write.count; ++i) {
      if (!fails && inode->never_written.empty()) break;
      if (!fails) {
        inode->never_written.erase(write.first + i);
        continue;
      }
      const uint64_t at = std::min<uint64_t>(i * kSectorBytes, write.before.size());
      inode->never_written.try_emplace(write.first + i, write.before.substr(at, kSectorBytes));
    }
  inode->unsynced.clear();
  if (fails) return system_error("sync " + path(), EIO);
  inode->synced_size = inode->size;
  return ok();
}

Result<uint64_t> VirtualFile::size() const {
  const VirtualDisk::Inode* inode = find();
  if (!inode) return gone("stat " + path());
  return inode->size;
}

Status VirtualFile::truncate(uint64_t size) {
  VirtualDisk::Inode* inode = find();
  if (!inode) return gone("truncate " + path());
  if (size > inode->size) return system_error("truncate " + path(), EINVAL);
  if (inode->bytes.size() > size) {
    overwrite(*inode, size, inode->bytes.size());
    inode->bytes.resize(size);
  }
  disk_.file_bytes_ -= inode->size - size;
  inode->size = size;
  return ok();
}

Status VirtualFile::reserve(uint64_t bytes) {
  VirtualDisk::Inode* inode = find();
  if (!inode) return gone("preallocate " + path());
  if (disk_.spend(disk_.failing_writes)) return system_error("preallocate " + path(), EIO);
  const uint64_t more = bytes > inode->size ? bytes - inode->size : 0;
  if (!disk_.has_space(more)) return system_error("preallocate " + path(), ENOSPC);
  inode->size += more;
  disk_.file_bytes_ += more;
  return sync_all();
}

Result<std::unique_ptr<File>> VirtualFiles::open(const std::string& path) {
  const auto name = disk_.names_.find(path);
  if (name == disk_.names_.end()) return gone("open " + path);
  return std::unique_ptr<File>(std::make_unique<VirtualFile>(path, disk_, name->second));
}

Result<std::unique_ptr<File>> VirtualFiles::create(const std::string& path) {
  const auto [name, fresh] = disk_.names_.try_emplace(path, disk_.next_inode_);
  if (!fresh) return system_error("open " + path, EEXIST);
  disk_.unsynced_names_.push_back({path, 0});
  disk_.inodes_.try_emplace(disk_.next_inode_++);
  return open(path);
}

// The bytes stay until the directory is synced: a power cut may bring the name back.
Status VirtualFiles::remove(const std::string& path) {
  const auto name = disk_.names_.find(path);
  if (name == disk_.names_.end()) return gone("remove " + path);
  disk_.unsynced_names_.push_back({path, name->second});
  disk_.file_bytes_ -= disk_.inodes_.at(name->second).size;
  disk_.names_.erase(name);
  return ok();
}

Result<std::vector<std::string>> VirtualFiles::list(const std::string& directory) {
  const std::string prefix = directory + "/";
  std::vector<std::string> names;
  for (auto at = disk_.names_.lower_bound(prefix); at != disk_.names_.end() && at->first.starts_with(prefix);
       ++at)
    names.push_back(at->first.substr(prefix.size()));
  return names;
}

Status VirtualFiles::sync_directory(const std::string& directory) {
  ++disk_.activity_.syncs;
  if (disk_.spend(disk_.failing_syncs)) return system_error("sync " + directory, EIO);
  disk_.unsynced_names_.clear();
  disk_.forget_unnamed();
  return ok();
}

// -- the table

class VirtualCursor final : public Table::Cursor {
 public:
  explicit VirtualCursor(const VirtualDisk::Rows& rows) : rows_(rows), at_(rows.end()) {}
  void seek(BytesView from) override {
    at_ = rows_.lower_bound(from);
    arrive();
  }
  void next() override {
    ++at_;
    arrive();
  }
  Found read(BytesView& value) override {
    if (at_->second.damaged) return Found::damaged;
    value = at_->second.value;
    return Found::yes;
  }

 private:
  void arrive() {
    valid_ = at_ != rows_.end();
    if (valid_) key_ = at_->first;
  }
  const VirtualDisk::Rows& rows_;
  VirtualDisk::Rows::const_iterator at_;
};

Found VirtualTable::get(Part part, BytesView key, Bytes& value) {
  const VirtualDisk::Rows& rows = part == Part::rows ? disk_.rows_ : disk_.meta_;
  const auto row = rows.find(key);
  if (row == rows.end()) return Found::no;
  if (row->second.damaged) return Found::damaged;
  value = row->second.value;
  return Found::yes;
}

std::unique_ptr<Table::Cursor> VirtualTable::cursor(Part part) {
  return std::make_unique<VirtualCursor>(part == Part::rows ? disk_.rows_ : disk_.meta_);
}

Status VirtualTable::grow() {
  map_bytes_ *= 2;
  return ok();
}

bool VirtualTable::reserve(const Load& largest) {
  constexpr uint64_t kReservedWrites = 2;
  return disk_.take_for_table(kReservedWrites * largest.bytes);
}

Table::Written VirtualTable::write(const MemtablePair& changes, LogPosition position,
                                   std::optional<Error>& error) {
  if (disk_.spend(disk_.failing_checkpoints)) {
    error = system_error("checkpoint", EIO);
    return Written::failed;
  }
  uint64_t more = 0;
  for (const Memtable* table : {&changes.rows, &changes.meta})
    for (const auto& [key, erased, value] : *table)
      if (!erased) more += row_bytes(key.size(), value.size());
  // As LMDB's pages: what is replaced is free only afterwards.
  if (disk_.table_bytes_ + more > map_bytes_) return Written::needs_growth;
  if (!disk_.take_for_table(more)) return Written::disk_full;
  const auto apply = [&](const Memtable& table, VirtualDisk::Rows& rows) {
    for (const auto& [from, to] : table.ranges()) {
      const auto end = rows.lower_bound(to);
      for (auto at = rows.lower_bound(from); at != end; at = rows.erase(at))
        disk_.table_bytes_ -= row_bytes(at->first.size(), at->second.value.size());
    }
    for (const auto& [key, erased, value] : table) {
      const auto at = rows.lower_bound(key);
      const bool held = at != rows.end() && at->first == key;
      if (held) disk_.table_bytes_ -= row_bytes(key.size(), at->second.value.size());
      if (!erased) disk_.table_bytes_ += row_bytes(key.size(), value.size());
      if (!erased && held)
        at->second = {Bytes(value), false};
      else if (!erased)
        rows.emplace_hint(at, key, VirtualDisk::Row{Bytes(value), false});
      else if (held)
        rows.erase(at);
    }
  };
  apply(changes.rows, disk_.rows_);
  apply(changes.meta, disk_.meta_);
  disk_.checkpoint_ = position;
  ++disk_.activity_.checkpoints;
  return Written::done;
}

}  // namespace atolldb::storage
