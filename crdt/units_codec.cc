#include "crdt/units_codec.h"

#include "crdt/codec.h"
#include "crdt/sizes.h"

namespace atolldb::crdt {

namespace {

constexpr uint64_t kUnitsVersion = 1;
constexpr size_t kUnitsFields = 3;  // version, clock, keys

void write_rows(Writer& writer, const std::vector<EncodedRow>& rows) {
  writer.array(3 * rows.size());
  for (const EncodedRow& row : rows) {
    writer.uint(static_cast<uint64_t>(row.name.tag));
    writer.bin({row.name.id.data(), row.name.id.size()});
    writer.bin(row.bytes);
  }
}

bool is_name(const RowName& name) {
  switch (name.tag) {
    case RowTag::header:
    case RowTag::string:
      return name.id == RowId{};
    case RowTag::total:
      return name == total_row(actor_of(name));
    case RowTag::field:
    case RowTag::element:
    case RowTag::journal:
      return true;
  }
  return false;
}

// The first row that cannot be read decides the error; `failed` is set then.
std::vector<NamedRow> read_rows(Reader& reader, bool elements, std::optional<Error>& failed) {
  std::vector<NamedRow> out;
  const size_t fields = reader.array();
  if (fields % 3 != 0) reader.fail("a row of a unit has three fields");
  for (size_t i = 0; i < fields && reader.ok() && !failed; i += 3) {
    NamedRow item;
    item.name.tag = RowTag{static_cast<uint8_t>(reader.uint(static_cast<uint64_t>(RowTag::field)))};
    const BytesView id = reader.bin(), bytes = reader.bin();
    if (id.size() != sizeof(RowId)) reader.fail("a row's id has 16 bytes");
    if (!reader.ok()) break;
    std::copy(id.begin(), id.end(), item.name.id.begin());
    if (is_item(item.name.tag) != elements || !is_name(item.name)) reader.fail("a row out of place");
    if (!out.empty() && item.name <= out.back().name) reader.fail("rows out of order");
    if (!reader.ok()) break;
    Result<Row> row = decode_row(item.name, bytes);
    if (!row) {
      failed = row.error();
      break;
    }
    item.row = std::move(row).value();
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

Bytes encode_units(const DotSet& clock, const std::vector<EncodedKey>& keys) {
  Bytes out;
  Writer writer(out);
  writer.array(kUnitsFields);
  writer.uint(kUnitsVersion);
  write(writer, clock);
  writer.array(3 * keys.size());
  for (const EncodedKey& key : keys) {
    writer.bin(key.key);
    write_rows(writer, key.rows);
    write_rows(writer, key.elements);
  }
  return out;
}

Result<Units> decode_units(BytesView bytes) {
  Reader reader(bytes);
  const size_t fields = reader.array();
  if (const uint64_t version = reader.uint(); reader.ok() && version != kUnitsVersion)
    return {Errc::version, "units: version " + std::to_string(version) + ", expected 1"};
  if (fields != kUnitsFields) reader.fail("units have 3 fields");
  Units out;
  out.clock = read_dot_set(reader);
  const size_t keys = reader.array();
  if (keys % 3 != 0) reader.fail("a key of a chunk has three fields");
  std::optional<Error> failed;
  for (size_t i = 0; i < keys && reader.ok(); i += 3) {
    KeyUnits& key = out.keys.emplace_back();
    key.key = reader.bin(kKeyBytesMax);
    key.rows = read_rows(reader, false, failed);
    if (failed) return *failed;
    key.elements = read_rows(reader, true, failed);
    if (failed) return *failed;
  }
  if (!reader.done()) return reader.error("units");
  return out;
}

}  // namespace atolldb::crdt
