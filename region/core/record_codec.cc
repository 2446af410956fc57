#include "crdt/fields.h"
#include "region/core/record.h"

namespace atolldb::region {

using crdt::encode_typed;

template <typename Io>
void fields(Io& io, StartRecord& r) {
  io(r.start, r.random);
}
template <typename Io>
void fields(Io& io, DeltaRecord& r) {
  io(r.partition, r.epoch, r.stamp, r.request_id, r.delta);
  io.behind(r.verdict != Verdict::none, r.verdict, r.judged);
}
template <typename Io>
void fields(Io& io, VerdictRecord& r) {
  io(r.partition, r.dot);
}
template <typename Io>
void fields(Io& io, PromiseRecord& r) {
  io(r.partition, r.epoch);
}
template <typename Io>
void fields(Io& io, KnownRecord& r) {
  io(r.node, r.start, r.random, r.position);
}
template <typename Io>
void fields(Io& io, ForgotRecord& r) {
  io(r.node, r.start);
}
template <typename Io>
void fields(Io& io, StandingRecord& r) {
  io(r.standing);
}
template <typename Io>
void fields(Io& io, PullBeginRecord& r) {
  io(r.partition, r.clock);
}
template <typename Io>
void fields(Io& io, PullChunkRecord& r) {
  io(r.partition, r.cursor, r.units, r.next, r.last, r.settled, r.ids_forgotten_ms, r.request_ids, r.entries);
  io.behind(r.entered.number != 0 || r.stamp != crdt::Hlc{}, r.entered);
  io.behind(r.stamp != crdt::Hlc{}, r.stamp);
}
template <typename Io>
void fields(Io& io, PullAbandonRecord& r) {
  io(r.partition);
}
template <typename Io>
void fields(Io& io, PullAppliedRecord& r) {
  io(r.partition);
}
template <typename Io>
void fields(Io& io, RegainedRecord& r) {
  io(r.lost_epochs, r.ids_forgotten_ms);
}
template <typename Io>
void fields(Io& io, ResetRecord& r) {
  io(r.partition);
}
template <typename Io>
void fields(Io& io, StampRecord& r) {
  io(r.partition, r.stamp);
}

namespace {
constexpr uint8_t number(RecordType t) { return static_cast<uint8_t>(t); }

template <typename R>
Result<Record> decode_as(crdt::Reader& reader, size_t elements) {
  R record;
  if (!crdt::decode_typed(reader, elements, record) || !reader.done()) return reader.error("log record");
  return Record(std::move(record));
}
}  // namespace

void encode(const StartRecord& r, Bytes& out) { encode_typed(number(RecordType::start), r, out); }
void encode(const DeltaRecord& r, Bytes& out) { encode_typed(number(RecordType::delta), r, out); }
void encode(const VerdictRecord& r, Bytes& out) { encode_typed(number(RecordType::verdict_settled), r, out); }
void encode(const PromiseRecord& r, Bytes& out) { encode_typed(number(RecordType::promise), r, out); }
void encode(const KnownRecord& r, Bytes& out) { encode_typed(number(RecordType::known), r, out); }
void encode(const ForgotRecord& r, Bytes& out) { encode_typed(number(RecordType::forgot), r, out); }
void encode(const StandingRecord& r, Bytes& out) { encode_typed(number(RecordType::standing), r, out); }
void encode(const PullBeginRecord& r, Bytes& out) { encode_typed(number(RecordType::pull_begin), r, out); }
void encode(const PullChunkRecord& r, Bytes& out) { encode_typed(number(RecordType::pull_chunk), r, out); }
void encode(const PullAbandonRecord& r, Bytes& out) {
  encode_typed(number(RecordType::pull_abandon), r, out);
}
void encode(const PullAppliedRecord& r, Bytes& out) {
  encode_typed(number(RecordType::pull_applied), r, out);
}
void encode(const RegainedRecord& r, Bytes& out) { encode_typed(number(RecordType::regained), r, out); }
void encode(const ResetRecord& r, Bytes& out) { encode_typed(number(RecordType::reset), r, out); }
void encode(const StampRecord& r, Bytes& out) { encode_typed(number(RecordType::stamp), r, out); }

Result<Record> decode_record(BytesView bytes) {
  crdt::Reader reader(bytes);
  const size_t elements = reader.array();
  const uint64_t type = reader.uint(255);
  if (!reader.ok()) return reader.error("log record");
  switch (static_cast<RecordType>(type)) {
    case RecordType::start:
      return decode_as<StartRecord>(reader, elements);
    case RecordType::delta:
      return decode_as<DeltaRecord>(reader, elements);
    case RecordType::promise:
      return decode_as<PromiseRecord>(reader, elements);
    case RecordType::known:
      return decode_as<KnownRecord>(reader, elements);
    case RecordType::forgot:
      return decode_as<ForgotRecord>(reader, elements);
    case RecordType::standing:
      return decode_as<StandingRecord>(reader, elements);
    case RecordType::pull_begin:
      return decode_as<PullBeginRecord>(reader, elements);
    case RecordType::pull_chunk:
      return decode_as<PullChunkRecord>(reader, elements);
    case RecordType::pull_abandon:
      return decode_as<PullAbandonRecord>(reader, elements);
    case RecordType::pull_applied:
      return decode_as<PullAppliedRecord>(reader, elements);
    case RecordType::regained:
      return decode_as<RegainedRecord>(reader, elements);
    case RecordType::reset:
      return decode_as<ResetRecord>(reader, elements);
    case RecordType::verdict_settled:
      return decode_as<VerdictRecord>(reader, elements);
    case RecordType::stamp:
      return decode_as<StampRecord>(reader, elements);
  }
  return {Errc::version,
          "the log holds a record of type " + std::to_string(type) + ", which this version does not know"};
}

}  // namespace atolldb::region
