#include "tests/storage/store_harness.h"

namespace atolldb::storage::testing {

Batch::Change put(Bytes key, Bytes value) { return {std::move(key), std::move(value)}; }
Batch::Change erase(Bytes key) { return {std::move(key), std::nullopt}; }

Bytes number_key(uint64_t n) {
  Bytes key(8, '\0');
  for (int i = 7; i >= 0; --i, n >>= 8) key[static_cast<size_t>(i)] = static_cast<char>(n);
  return key;
}

std::vector<std::pair<Bytes, Bytes>> all_rows(Store& store) {
  std::vector<std::pair<Bytes, Bytes>> rows;
  store.walk("", Bytes(kRowKeyBytesMax + 1, '\xff'), [&](BytesView key, BytesView value) {
    rows.emplace_back(key, value);
    return true;
  });
  return rows;
}

}  // namespace atolldb::storage::testing
