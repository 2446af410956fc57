#include "storage/packed_entries.h"

#include <algorithm>
#include <iterator>

#include "crdt/base/ensure.h"

namespace atolldb::storage {
namespace {

// The lowest bits of what an entry begins with; above them stands the actor's number.
constexpr uint64_t kNext = 1, kConditional = 2, kAligned = 4;
constexpr int kFlagBits = 3;
constexpr uint64_t kAlignment = 8;  // of records in the log

// Small numbers of either sign in few bytes.
constexpr uint64_t zigzag(uint64_t difference) { return difference << 1 ^ (0 - (difference >> 63)); }
constexpr uint64_t unzigzag(uint64_t n) { return n >> 1 ^ (0 - (n & 1)); }

// One entry: seven numbers at most.
class Written {
 public:
  void put(uint64_t n) {
    for (; n >= 0x80; n >>= 7) bytes_[size_++] = static_cast<char>(n | 0x80);
    bytes_[size_++] = static_cast<char>(n);
  }
  BytesView bytes() const { return {bytes_, size_}; }

 private:
  static constexpr size_t kNumberBytesMax = 10;
  char bytes_[7 * kNumberBytesMax];
  size_t size_ = 0;
};

bool get(BytesView& bytes, uint64_t& n) {
  n = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    n |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool get_actor(BytesView& bytes, Actor& actor) {
  uint64_t node, start, random;
  if (!get(bytes, node) || !get(bytes, start) || !get(bytes, random)) return false;
  if (node > UINT16_MAX || start > UINT32_MAX || random > UINT32_MAX) return false;
  actor = {NodeNumber{static_cast<uint16_t>(node)}, static_cast<uint32_t>(start),
           static_cast<uint32_t>(random)};
  return true;
}

bool get_entry(BytesView& bytes, EntryContext& context, OutboxEntry& entry) {
  uint64_t head, n;
  if (!get(bytes, head)) return false;
  const uint64_t number = head >> kFlagBits;
  if (number > context.actors.size()) return false;
  if (number == context.actors.size()) {
    context.actors.emplace_back();
    if (!get_actor(bytes, context.actors.back().actor)) return false;
  }
  EntryContext::OfActor& of_actor = context.actors[number];
  if (head & kNext)
    ++of_actor.counter;
  else if (get(bytes, n))
    of_actor.counter += unzigzag(n);
  else
    return false;
  if (of_actor.counter > kDotCounterMax || !get(bytes, n)) return false;
  context.at += head & kAligned ? n * kAlignment : n;
  if (!get(bytes, n)) return false;
  context.bytes += static_cast<uint32_t>(unzigzag(n));
  entry = {{of_actor.actor, of_actor.counter}, {context.at}, context.bytes, (head & kConditional) != 0, 0};
  return true;
}

}  // namespace

void EntryPacker::add(const OutboxEntry& entry) {
  ensure(entry.at.value >= context_.at, "entries stand in the order of the log");
  auto of_actor = std::find_if(context_.actors.begin(), context_.actors.end(),
                               [&](const auto& known) { return known.actor == entry.dot.actor; });
  const auto number = static_cast<uint64_t>(of_actor - context_.actors.begin());
  const bool fresh = of_actor == context_.actors.end();
  if (fresh) {
    context_.actors.push_back({entry.dot.actor, 0});
    of_actor = std::prev(context_.actors.end());
  }
  const bool next = entry.dot.counter == of_actor->counter + 1;
  const uint64_t further = entry.at.value - context_.at;
  const bool aligned = further % kAlignment == 0;
  Written written;
  written.put(number << kFlagBits | (next ? kNext : 0) | (entry.conditional ? kConditional : 0) |
              (aligned ? kAligned : 0));
  if (fresh) {
    written.put(raw(entry.dot.actor.node));
    written.put(entry.dot.actor.start);
    written.put(entry.dot.actor.random);
  }
  if (!next) written.put(zigzag(entry.dot.counter - of_actor->counter));
  written.put(aligned ? further / kAlignment : further);
  written.put(zigzag(uint64_t{entry.bytes} - context_.bytes));
  out_.append(written.bytes());
  of_actor->counter = entry.dot.counter;
  context_.at = entry.at.value;
  context_.bytes = entry.bytes;
}

bool unpack_entries(BytesView packed, const std::function<void(const OutboxEntry&)>& visit) {
  EntryContext context;
  OutboxEntry entry;
  while (!packed.empty()) {
    if (!get_entry(packed, context, entry)) return false;
    visit(entry);
  }
  return true;
}

}  // namespace atolldb::storage
