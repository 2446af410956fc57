#include "crdt/context_codec.h"

#include <xxhash.h>

#include "crdt/codec.h"
#include "crdt/wire.h"

namespace atolldb::crdt {

namespace {

constexpr uint64_t kContextVersion = 1;
constexpr size_t kContextFields = 3;  // version, key's hash, names

uint64_t hash_of_key(BytesView key) { return XXH3_64bits(key.data(), key.size()); }

}  // namespace

Bytes encode_context(const NamedContext& context, BytesView key) {
  Bytes out;
  Writer writer(out);
  writer.array(kContextFields);
  writer.uint(kContextVersion);
  writer.uint(hash_of_key(key));
  writer.array(3 * context.dots.size());
  for (const NamedContext::Named& named : context.dots) {
    write(writer, named.dot);
    writer.uint(named.total_started.value_or(0));
    writer.int128(named.total_sum);
  }
  return out;
}

Result<NamedContext> decode_context(BytesView bytes, BytesView key) {
  if (bytes.size() > kContextBytesMax)
    return {Errc::too_large, "a context of " + std::to_string(bytes.size()) + " bytes, at most " +
                                 std::to_string(kContextBytesMax) + " are allowed"};
  Reader reader(bytes);
  const size_t fields = reader.array();
  if (const uint64_t version = reader.uint(); reader.ok() && version != kContextVersion)
    return {Errc::version, "context: version " + std::to_string(version) + ", expected 1"};
  if (fields != kContextFields) reader.fail("a context has 3 fields");
  const uint64_t hash = reader.uint();
  const size_t names = reader.array();
  if (names % 3 != 0) reader.fail("a name has three fields");
  NamedContext out;
  for (size_t i = 0; i < names && reader.ok(); i += 3) {
    NamedContext::Named named;
    named.dot = read_dot(reader);
    if (const uint64_t started = reader.uint(named.dot.counter); started > 0) named.total_started = started;
    named.total_sum = reader.int128();
    if (!named.total_started && named.total_sum != 0) reader.fail("a sum without a total");
    out.dots.push_back(named);
  }
  if (!reader.done()) return reader.error("context");
  if (hash != hash_of_key(key))
    return {Errc::invalid, "the context was read from another key: read the siblings of this one"};
  return out;
}

}  // namespace atolldb::crdt
