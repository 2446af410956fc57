#!/usr/bin/env python3
"""Every test is one that runs: a file that no build file names passes for ever."""

import os
import re

import tree

BUILD = "meson.build"
NAME = re.compile(r"'([\w/.]+)'")


def named(root, folder):
    """What stands in quotes in the build file of `folder`."""
    if not os.path.exists(os.path.join(root, folder, BUILD)):
        return set()
    return {name for line in tree.read_lines(root, folder + "/" + BUILD) for name in NAME.findall(line)}


def is_built(root, path):
    """Its own folder's build file names it, by its name or by what stands before "_test"; or one above, by its path."""
    folder, name = os.path.split(path)
    if {name, re.sub(r"_test\.(cc|py)$", "", name)} & named(root, folder):
        return True
    above = os.path.dirname(folder)
    return above != "" and os.path.relpath(path, above) in named(root, above)


def check(root):
    tests = [path for path in tree.files(root, ("_test.cc", "_test.py")) if path.startswith("tests/")]
    return ["{}:1: found a test that {}/{} does not name, expected it to be built and run".format(
        path, os.path.dirname(path), BUILD) for path in tests if not is_built(root, path)]


if __name__ == "__main__":
    tree.run(check)
