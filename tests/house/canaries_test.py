#!/usr/bin/env python3
"""Every canary of crdt/base/canary.h stands in the code exactly once, in a file that the second build has, and
in the table of docs/testing.md."""

import os
import re

import tree

LIST = "crdt/base/canary.h"
TABLE = "docs/testing.md"
HAZARDS = "docs/hazards.md"
BUILD = "tests/canaries/meson.build"
NAME = re.compile(r"^\s*X\((\w+),")
USE = re.compile(r"canary\(Canary::(\w+)\)")
INCLUDE = re.compile(r'^#include "(crdt/base/canary\.h)"')
LISTED_FILES = re.compile(r"^(\w+_with_canaries) = files\(\n(.*?)^\)", re.M | re.S)
ROW = re.compile(r"^\| `(\w+)` \|")
MENTION = re.compile(r"canar(?:y|ies) ((?:`\w+`(?:, )?)+)")
SECTION = "## Canaries"


def table(root):
    """Name -> where it stands in the section of the document that is about canaries."""
    if not os.path.exists(os.path.join(root, TABLE)):
        return {}
    told, inside = {}, False
    for number, line in enumerate(tree.read_lines(root, TABLE), 1):
        inside = line == SECTION or (inside and not line.startswith("## "))
        for name in ROW.findall(line) if inside else []:
            told.setdefault(name, []).append("{}:{}".format(TABLE, number))
    return told


def found_in(root, paths, pattern):
    """What the pattern captures -> the places "FILE:LINE" where it stands."""
    places = {}
    for path in paths:
        if not os.path.exists(os.path.join(root, path)):
            continue
        for number, line in enumerate(tree.read_lines(root, path), 1):
            for name in pattern.findall(line):
                places.setdefault(name, []).append("{}:{}".format(path, number))
    return places


def read(root, path):
    return "\n".join(tree.read_lines(root, path)) if os.path.exists(os.path.join(root, path)) else ""


def built_anew(root):
    """Path of a file that the second build compiles -> the place where its room lists it."""
    second = set(re.findall(r"\w+", re.sub(r"#.*", "", read(root, BUILD))))
    built = {}
    for path in tree.files(root, ("meson.build",)):
        text = read(root, path)
        for found in LISTED_FILES.finditer(text):
            if found.group(1) in second:
                place = "{}:{}".format(path, text.count("\n", 0, found.start()) + 1)
                for name in re.findall(r"'([\w.]+)'", found.group(2)):
                    built[os.path.join(os.path.dirname(path), name)] = place
    return built


def check_build(root, code):
    """The files that may hold canaries are those that the second build compiles anew, and no headers."""
    holders = [place for places in found_in(root, code, INCLUDE).values() for place in places]
    built = built_anew(root)
    findings = []
    for place in holders:
        path = place.split(":")[0]
        if path.endswith(".h"):
            findings.append("{}: found canaries in a header, expected them in .cc files: what includes this one "
                            "would differ between the two builds".format(place))
        elif path not in built:
            findings.append("{}: found a file with canaries, expected it in its room's list of them (..._with_canaries), "
                            "and that list in {}".format(place, BUILD))
    held = {place.split(":")[0] for place in holders}
    for path, place in built.items():
        if path not in held:
            findings.append("{}: found {}, which does not include {}; list it with the others of its room".format(
                place, path, LIST))
    return findings


def check(root):
    if not os.path.exists(os.path.join(root, LIST)):
        return ["{}:1: found no file, expected the list of canaries".format(LIST)]
    listed = found_in(root, [LIST], NAME)
    code = [path for path in tree.files(root, tree.CODE) if not path.startswith("tests/")]
    used = found_in(root, code, USE)
    told = table(root)
    findings = check_build(root, code)
    for name, places in listed.items():
        at = used.get(name, [])
        if len(at) != 1:
            findings.append("{}: found {} uses of the canary {}, expected one: {}".format(
                places[0], len(at), name, ", ".join(at) or "switch it on somewhere, or delete it"))
        if len(told.get(name, [])) != 1:
            findings.append("{}: found {} rows for the canary {} in {}, expected one".format(
                places[0], len(told.get(name, [])), name, TABLE))
    for name, places in told.items():
        if name not in listed:
            findings.append("{}: found a row for {}, expected a canary of {}".format(places[0], name, LIST))
    for names, places in found_in(root, [HAZARDS], MENTION).items():
        for name in re.findall(r"\w+", names):
            if name not in listed:
                findings.append("{}: found the canary {}, expected one of {}".format(places[0], name, LIST))
    return findings


if __name__ == "__main__":
    tree.run(check)
