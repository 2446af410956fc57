#include "storage/log_format.h"

#define XXH_INLINE_ALL  // with sizes that are known, most of it goes away
#include <xxhash.h>

#include <bit>
#include <cstring>

#include "crdt/base/canary.h"

namespace atolldb::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers lie on disk as they lie in memory");

constexpr char kMagic[8] = {'A', 'T', 'O', 'L', 'L', 'L', 'O', 'G'};

struct HeaderBytes {
  char magic[8];
  uint32_t version;
  uint32_t zero;
  SegmentHeader header;
  uint64_t checksum;
};
static_assert(sizeof(HeaderBytes) == 56);

uint64_t header_checksum(const HeaderBytes& bytes) {
  return XXH3_64bits(&bytes, offsetof(HeaderBytes, checksum));
}

uint64_t head_hash(const RecordHead& head, uint64_t position, uint64_t incarnation) {
  if (canary(Canary::checksum_without_place)) position = incarnation = 0;
  const uint64_t words[4] = {head.size, head.synced_below, position, incarnation};
  return XXH3_64bits(words, sizeof words);
}

HeaderFound decode_copy(BytesView copy, SegmentHeader& header) {
  HeaderBytes bytes;
  std::memcpy(&bytes, copy.data(), sizeof bytes);
  if (copy.find_first_not_of('\0') == BytesView::npos) return HeaderFound::unused;
  if (std::memcmp(bytes.magic, kMagic, sizeof kMagic) != 0) return HeaderFound::damaged;
  if (bytes.checksum != header_checksum(bytes)) return HeaderFound::damaged;
  if (bytes.version > kLogFormatVersion) return HeaderFound::newer_version;
  header = bytes.header;
  return HeaderFound::valid;
}

}  // namespace

Bytes encode_segment_header(const SegmentHeader& header) {
  HeaderBytes bytes{};
  std::memcpy(bytes.magic, kMagic, sizeof kMagic);
  bytes.version = kLogFormatVersion;
  bytes.header = header;
  bytes.checksum = header_checksum(bytes);
  Bytes block(kSegmentHeaderBytes, '\0');
  std::memcpy(block.data(), &bytes, sizeof bytes);
  std::memcpy(block.data() + kSegmentHeaderCopyOffset, &bytes, sizeof bytes);
  return block;
}

HeaderFound decode_segment_header(BytesView block, SegmentHeader& header) {
  if (block.size() < kSegmentHeaderBytes) return HeaderFound::unused;
  SegmentHeader first, second;
  const HeaderFound a = decode_copy(block.substr(0, sizeof(HeaderBytes)), first);
  const HeaderFound b = decode_copy(block.substr(kSegmentHeaderCopyOffset, sizeof(HeaderBytes)), second);
  if (a == HeaderFound::newer_version || b == HeaderFound::newer_version) return HeaderFound::newer_version;
  if (a == HeaderFound::valid && b == HeaderFound::valid)
    header = first.sequence >= second.sequence ? first : second;
  else if (a == HeaderFound::valid || b == HeaderFound::valid)
    header = a == HeaderFound::valid ? first : second;
  else
    return a == HeaderFound::unused && b == HeaderFound::unused ? HeaderFound::unused : HeaderFound::damaged;
  return HeaderFound::valid;
}

void seal_record(char* head_bytes, BytesView record, uint64_t position, uint64_t incarnation,
                 uint64_t synced_below) {
  RecordHead head;
  head.size = static_cast<uint32_t>(record.size());
  head.synced_below = synced_below;
  const uint64_t hash = head_hash(head, position, incarnation);
  head.check = static_cast<uint32_t>(hash >> 32);
  head.checksum = XXH3_64bits_withSeed(record.data(), record.size(), hash);
  std::memcpy(head_bytes, &head, sizeof head);
}

void encode_record(char* into, BytesView record, uint64_t position, uint64_t incarnation,
                   uint64_t synced_below) {
  seal_record(into, record, position, incarnation, synced_below);
  std::memcpy(into + kRecordHeadBytes, record.data(), record.size());
  const size_t end = kRecordHeadBytes + record.size();
  std::memset(into + end, 0, record_extent(record.size()) - end);
}

std::optional<RecordHead> read_record_head(BytesView bytes, uint64_t position, uint64_t incarnation) {
  if (bytes.size() < kRecordHeadBytes) return std::nullopt;
  RecordHead head;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.size > kRecordBytesMax) return std::nullopt;
  if (head.check != static_cast<uint32_t>(head_hash(head, position, incarnation) >> 32)) return std::nullopt;
  return head;
}

bool verify_record(const RecordHead& head, BytesView record, uint64_t position, uint64_t incarnation) {
  return record.size() == head.size &&
         head.checksum ==
             XXH3_64bits_withSeed(record.data(), record.size(), head_hash(head, position, incarnation));
}

}  // namespace atolldb::storage
