#!/usr/bin/env python3
"""Every header compiles alone: whoever includes it needs nothing before it. The build has shown that of those which
their own source includes first; the others are compiled here."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import tempfile

import built_test
import tree

SECONDS_MAX = 240
# As in meson.build.
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wno-missing-field-initializers", "-Werror",
         "-DMSGPACK_NO_BOOST", '-DATOLL_VERSION="0"']
# A source of a fixed name, so that ccache knows it again.
NOTHING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nothing.cc")


def compiler():
    name = os.environ.get("CXX", "g++")
    if shutil.which(name) is None:
        raise tree.Skip("found no {}, expected a compiler".format(name))
    # ccache knows objects but no syntax checks; an object of a header alone is next to nothing.
    return (["ccache"] if shutil.which("ccache") else []) + [name]


def compile_alone(root, header, scratch):
    """What the compiler says against `header`, or None."""
    out = os.path.join(scratch, re.sub(r"[^a-z0-9]", "_", header) + ".o")
    command = compiler() + FLAGS + ["-I", ".", "-include", header, "-c", NOTHING, "-o", out]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=SECONDS_MAX)
    if done.returncode == 0:
        return None
    first = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr.strip())
    return "{}:1: found a header that does not compile alone, expected it to include what it uses: {}".format(
        header, first)


INCLUDE = re.compile(r"^\s*#\s*include\s+(.*)$")


def is_shown_by_the_build(root, header):
    source = header[:-len(".h")] + ".cc"
    if not os.path.exists(os.path.join(root, source)) or not built_test.is_built(root, source):
        return False
    includes = (found.group(1) for found in map(INCLUDE.match, tree.read_lines(root, source)) if found)
    return next(includes, "") == '"{}"'.format(header)


def check(root):
    compiler()
    headers = [header for header in tree.files(root, (".h",)) if not is_shown_by_the_build(root, header)]
    with tempfile.TemporaryDirectory() as scratch:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = pool.map(lambda header: compile_alone(root, header, scratch), headers)
            return [answer for answer in answers if answer]


if __name__ == "__main__":
    tree.run(check)
