// Sets: OR-sets, add-wins (Shapiro et al., 2011; without tombstones as in Bieniusa et al., 2012). An element
// a row: an add costs the same in a set of ten and of a million.
#include <algorithm>

#include "crdt/replica_impl.h"

namespace atolldb::crdt {

Status check_items(const char* what, const std::vector<BytesView>& items) {
  for (const BytesView item : items)
    if (item.size() > kElementBytesMax)
      return {Errc::too_large, std::string(what) + " of " + std::to_string(item.size()) + " bytes, at most " +
                                   std::to_string(kElementBytesMax) + " are allowed"};
  return ok();
}

namespace {

struct Named {
  RowName name;
  BytesView element;
};

// In row order and each once.
std::vector<Named> rows_of(const std::vector<BytesView>& elements) {
  std::vector<Named> out;
  out.reserve(elements.size());
  for (const BytesView element : elements) out.push_back({element_row(element), element});
  std::sort(out.begin(), out.end(), [](const Named& a, const Named& b) { return a.name < b.name; });
  out.erase(
      std::unique(out.begin(), out.end(), [](const Named& a, const Named& b) { return a.name == b.name; }),
      out.end());
  return out;
}

}  // namespace

Result<Mutation> Replica::sadd(BytesView key, const std::vector<BytesView>& elements, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (Status checked = check_items("an element", elements); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  if (is_other(view.type(), Type::set)) return wrong_type();
  if (elements.empty()) return Mutation{};
  Mutation out;
  Delta delta = begin_delta(at, dot);
  delta.contexts.push_back(clock_);
  for (const Named& named : rows_of(elements)) {
    const Row row = get(row_key(at.prefix, named.name), named.name).value_or(Row{});
    if (row.live.empty()) ++out.count;
    // An element that is there is added anew: the add must survive a remove that has not seen it.
    Part part = seen_part(named.name, row, view.header.row.context);
    part.live.push_back({.dot = dot});
    part.subject = named.element;
    delta.parts.push_back(std::move(part));
  }
  out.delta = std::move(delta);
  remember(std::move(at), std::move(view));
  return out;
}

Result<Mutation> Replica::sreplace(BytesView key, const std::vector<BytesView>& elements, const Dot& dot,
                                   Hlc hlc) {
  if (Status checked = check_items("an element", elements); !checked) return checked.error();
  if (elements.empty()) return del(key, dot, hlc);
  if (Status checked = check_key(key); !checked) return checked.error();
  const std::vector<Named> named = rows_of(elements);
  if (named.size() > kStoredMembersMax)
    return {Errc::too_large, "a set of " + std::to_string(named.size()) + " members, at most " +
                                 std::to_string(kStoredMembersMax) +
                                 " can be stored at once: delete the key and add them in parts"};
  At at = locate(key);
  View view = this->view(at, true);
  Mutation out;
  out.count = static_cast<int64_t>(named.size());
  Delta delta = plain(at, view, dot, {});
  std::erase_if(delta.parts, [&](const Part& part) {
    return std::binary_search(named.begin(), named.end(), Named{part.name, {}},
                              [](const Named& a, const Named& b) { return a.name < b.name; });
  });
  for (const Named& element : named) {
    const Row row = get(row_key(at.prefix, element.name), element.name).value_or(Row{});
    Part part = seen_part(element.name, row, view.header.row.context);
    part.live.push_back({.dot = dot});
    part.subject = element.element;
    delta.parts.push_back(std::move(part));
  }
  sort_parts(delta.parts);
  out.delta = std::move(delta);
  remember(std::move(at), std::move(view));
  return out;
}

// A remove names its elements and what was seen of them: no whole set is read.
Result<Mutation> Replica::srem(BytesView key, const std::vector<BytesView>& elements, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (Status checked = check_items("an element", elements); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  if (is_other(view.type(), Type::set)) return wrong_type();
  Mutation out;
  Delta delta = begin_delta(at, dot);
  for (const Named& named : rows_of(elements)) {
    const Row row = get(row_key(at.prefix, named.name), named.name).value_or(Row{});
    if (row.live.empty()) continue;
    ++out.count;
    delta.parts.push_back(seen_part(named.name, row, view.header.row.context));
  }
  if (out.count == 0) return out;
  delta.contexts.push_back(clock_);
  out.delta = std::move(delta);
  remember(std::move(at), std::move(view));
  return out;
}

Result<Mutation> Replica::clear(BytesView key, const Dot& dot, Hlc) {
  if (Status checked = check_key(key); !checked) return checked.error();
  At at = locate(key);
  View view = this->view(at, true);
  if (view.has_string()) return wrong_type();
  if (view.type() == Type::none) return Mutation{};
  Mutation out;
  Delta delta = begin_delta(at, dot);
  delta.contexts.push_back(clock_);
  clear_parts(at, view, dot, delta.parts);
  out.count =
      static_cast<int64_t>(count_live(at.prefix, RowTag::element) + count_live(at.prefix, RowTag::field));
  sort_parts(delta.parts);
  out.delta = std::move(delta);
  remember(std::move(at), std::move(view));
  return out;
}

Result<bool> Replica::contains(BytesView key, BytesView element) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  if (is_other(view(at, false).type(), Type::set)) return wrong_type();
  const RowName name = element_row(element);
  const std::optional<Row> row = get(row_key(at.prefix, name), name);
  return row && !row->live.empty();
}

Result<Replica::Members> Replica::members(BytesView key, BytesView after, size_t limit, size_t bytes_max) {
  if (Status checked = check_key(key); !checked) return checked.error();
  if (!after.empty() && after.size() != sizeof(RowId))
    return {Errc::invalid, "a position in a set has 16 bytes, this one " + std::to_string(after.size())};
  const At at = locate(key);
  if (is_other(view(at, false).type(), Type::set)) return wrong_type();
  Members out;
  Bytes from;
  if (!after.empty()) (from = tag_begin(at.prefix, RowTag::element)).append(after).push_back('\0');
  Bytes last;
  size_t size = 0;
  const auto visit = [&](BytesView row_key, BytesView bytes) {
    const RowName name = parse_row_key(row_key)->name;
    Row row = decode_stored(name, bytes);
    if (row.live.empty()) return true;
    if (out.elements.size() == limit || size >= bytes_max) {
      out.next = last;
      return false;
    }
    size += row.subject.size();
    out.elements.push_back(std::move(row.subject));
    last.assign(name.id.data(), name.id.size());
    return true;
  };
  walk_items(at.prefix, RowTag::element, from, true, std::cref(visit));
  return out;
}

Result<uint64_t> Replica::count_members(BytesView key) {
  if (Status checked = check_key(key); !checked) return checked.error();
  const At at = locate(key);
  if (is_other(view(at, false).type(), Type::set)) return wrong_type();
  return count_live(at.prefix, RowTag::element);
}

}  // namespace atolldb::crdt
