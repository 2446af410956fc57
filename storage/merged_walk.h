#pragma once
// A walk over up to two memtables and what lies below them. The newer source wins; an erasure, of a key or of
// a range, hides what is below.

#include "storage/memtable.h"
#include "storage/store.h"

namespace atolldb::storage {

// `Base` is a cursor over the checkpointed entries: seek(from), valid(), key(), read(view) -> Found, next().
// sound(). The view of read() lasts until the next call. Returns false when a damaged entry was met, or may
// have hidden others.
template <typename Base>
bool merged_walk(const Memtable& active, const Memtable* frozen, Base& base, BytesView from, BytesView to,
                 const Store::RowVisitor& visit) {
  static const Memtable kNothing;
  const Memtable& middle = frozen ? *frozen : kNothing;
  auto a = active.lower_bound(from);
  auto f = middle.lower_bound(from);
  bool undamaged = true;
  // What an erased range hides is passed over, and not read: it may be damaged.
  const auto show_base = [&] {
    while (base.valid()) {
      const Bytes* until = active.erased_until(base.key());
      if (!until) until = middle.erased_until(base.key());
      if (!until) return;
      base.seek(*until);
    }
  };
  const auto show_frozen = [&] {
    while (f != middle.end()) {
      const Bytes* until = active.erased_until(f.key());
      if (!until) return;
      f = middle.lower_bound(*until);
    }
  };
  base.seek(from);
  show_base();
  show_frozen();
  for (;;) {
    const bool has_a = a != active.end() && a.key() < to;
    const bool has_f = f != middle.end() && f.key() < to;
    const bool has_b = base.valid() && base.key() < to;
    if (!has_a && !has_f && !has_b) return base.sound() && undamaged;

    BytesView least = has_a ? a.key() : has_f ? f.key() : base.key();
    if (has_f && f.key() < least) least = f.key();
    if (has_b && base.key() < least) least = base.key();
    const bool at_a = has_a && a.key() == least;
    const bool at_f = has_f && f.key() == least;
    const bool at_b = has_b && base.key() == least;

    if (at_a || at_f) {
      const Memtable::Entry entry = at_a ? *a : *f;
      if (!entry.erased && !visit(least, entry.value)) return base.sound() && undamaged;
    } else {
      BytesView value;
      const Found found = base.read(value);
      if (found == Found::damaged) undamaged = false;
      if (found == Found::yes && !visit(least, value)) return base.sound() && undamaged;
    }
    // `least` may point into the base, which moves last.
    if (at_a) ++a;
    if (at_f) {
      ++f;
      show_frozen();
    }
    if (at_b) {
      base.next();
      show_base();
    }
  }
}

}  // namespace atolldb::storage
