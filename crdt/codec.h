#pragma once
// How identities and dot sets look inside a MessagePack value. Every format that carries them uses these, so
// that an actor has one spelling in the whole project: 10 bytes (node 2, start 4, random 4, big-endian), a
// dot 16 (its actor, then the counter in 6).

#include <array>

#include "crdt/base/ids.h"
#include "crdt/dot_set.h"
#include "crdt/wire.h"

namespace atolldb::crdt {

inline constexpr size_t kActorBytes = 10;
inline constexpr size_t kDotBytes = 16;

std::array<char, kActorBytes> pack(const Actor& actor);
std::array<char, kDotBytes> pack(const Dot& dot);
// Require: exactly kActorBytes and kDotBytes. Packed order is the order of actors and dots.
Actor unpack_actor(BytesView packed);
Dot unpack_dot(BytesView packed);

void write(Writer& writer, const Actor& actor);
void write(Writer& writer, const Dot& dot);
void write(Writer& writer, const DotSet& set);
// On failure the reader says so and the value means nothing. A dot's counter is at least 1.
Actor read_actor(Reader& reader);
Dot read_dot(Reader& reader);
DotSet read_dot_set(Reader& reader);

}  // namespace atolldb::crdt
