#!/usr/bin/env python3
"""Who may include whom. Rooms are layers: an include that points back up, or from one core into the other, is
refused, and so is a library outside the rooms that may know it (docs/architecture.md)."""

import os
import re

import tree

# What the cores see of storage: the interface, and the bookkeeping over its log that has no file of its own.
STORE = ["storage/store.h", "storage/outbox.h", "storage/delta_stream.h"]

# Room -> what it may include besides itself. A name ending in ".h" is one header, one ending in "*" a group.
ROOMS = {
    "crdt/base": [],
    "crdt": ["crdt/base"],
    "topology": ["crdt/base"],
    "storage": ["crdt/base", "crdt"],
    "region/core": ["crdt/base", "crdt", "topology"] + STORE,
    "wan/core": ["crdt/base", "crdt", "topology"] + STORE,
    "region/node": ["crdt/base", "crdt", "topology", "region/core", "wan/core"] + STORE,
    "region/resp": ["crdt/base", "region/core/request*"],
    "region/http": ["crdt/base", "region/core/request*"],
    "client": ["crdt/base", "crdt", "topology", "region/core/request*"],
    "wan/io": ["crdt/base", "crdt", "topology", "storage", "region/core", "wan/core", "region/node"],
    "region/io": ["crdt/base", "crdt", "topology", "storage", "region/core", "wan/core", "region/node", "wan/io",
                  "region/resp", "region/http"],
    "tools": ["crdt/base", "crdt", "topology", "storage", "region/core", "wan/core", "region/node", "wan/io",
              "region/io", "region/resp", "region/http", "client"],
    "tests": ["crdt/base", "crdt", "topology", "storage", "region/core", "wan/core", "region/node", "wan/io",
              "region/io", "region/resp", "region/http", "client", "tools"],
}

# Library header -> files that may include it. Tests and benchmarks may include any.
LIBRARIES = [
    (r"lmdb\.h", r"storage/lmdb_(table\.cc|checkpoint\.(h|cc))"),
    (r"toml\+\+", r"topology/document\.cc"),
    (r"spdlog|fmt/", r"(wan|region)/io/.*|tools/.*"),
    (r"zmq", r"(wan|region)/io/.*|client/.*|tools/.*"),
    (r"asio", r"region/io/.*"),
    (r"openssl", r"(wan|region)/io/.*|tools/.*"),
    (r"CLI/", r"(region/io|tools)/.*"),
    (r"histedit", r"tools/atoll/line_editor\.cc"),
    (r"nlohmann", r"(region/node|region/io|region/resp|region/http|client|tools)/.*"),
    (r"httplib", r"region/io/http_protocol\.cc"),
    (r"prometheus", r"region/http/metrics\.cc"),
    (r"catch2|rapidcheck|msgpack", r"(?!)"),
]

# Protocol logic owns no thread, socket, file, clock or dice.
PURE_ROOMS = ("crdt/base", "crdt", "region/core", "wan/core", "region/node", "region/resp", "region/http")
IMPURE = re.compile(r"^(thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch|chrono|ctime|"
                    r"random|iostream|fstream|filesystem|csignal|time\.h|unistd\.h|fcntl\.h|poll\.h|pthread\.h|"
                    r"sys/.*|netinet/.*|arpa/.*)$")
# What the standard library calls its headers: no folder, no suffix.
STANDARD = re.compile(r"^[a-z_0-9]+$")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]*)"|<([^>]*)>)')


def room_of(path):
    rooms = [room for room in ROOMS if path.startswith(room + "/")]
    return max(rooms, key=len) if rooms else None


def may_include(room, included):
    if room_of(included) == room:
        return True
    for rule in ROOMS[room]:
        if rule.endswith("*") and included.startswith(rule[:-1]):
            return True
        if included == rule or room_of(included) == rule:
            return True
    return False


def own_header(root, room, included):
    """What is wrong with an include of a header of ours, or None."""
    if not os.path.exists(os.path.join(root, included)):
        return 'found "{}", expected the full path of a header, from the root'.format(included)
    if room_of(included) is None:
        return 'found "{}", expected a header in a room'.format(included)
    if not may_include(room, included):
        allowed = ", ".join([room] + ROOMS[room])
        return 'found "{}" in {}, expected a header of {}'.format(included, room, allowed)
    return None


def library_header(path, room, included):
    """What is wrong with an include of a library, or None."""
    if room == "crdt/base" and not STANDARD.match(included):
        return "found <{}> in crdt/base, expected the standard library only".format(included)
    if room in PURE_ROOMS and IMPURE.match(included):
        return "found <{}> in {}, expected protocol logic without threads, files, clocks or dice".format(included, room)
    if room == "tests":
        return None
    for library, allowed in LIBRARIES:
        if re.match(library, included) and not re.fullmatch(allowed, path):
            where = "tests" if allowed == "(?!)" else "files like " + allowed
            return "found <{}>, expected it only in {}".format(included, where)
    return None


def check(root):
    findings = []
    for path in tree.files(root, tree.CODE):
        room = room_of(path)
        if room is None:
            findings.append("{}:1: found code outside the rooms, expected one of {}".format(path, ", ".join(ROOMS)))
            continue
        for number, line in enumerate(tree.read_lines(root, path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            ours, library = match.groups()
            wrong = own_header(root, room, ours) if ours is not None else library_header(path, room, library)
            if wrong:
                findings.append("{}:{}: {}".format(path, number, wrong))
    return findings


if __name__ == "__main__":
    tree.run(check)
