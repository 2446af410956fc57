#!/usr/bin/env python3
"""clang-format 14 with the project's .clang-format would change nothing."""

import re
import shutil
import subprocess

import tree

VERSION = 14  # others lay out the same code in other ways


def clang_format():
    for name in ("clang-format-{}".format(VERSION), "clang-format"):
        program = shutil.which(name)
        if program is None:
            continue
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        if re.search(r"version {}\.".format(VERSION), version):
            return program
    raise tree.Skip("found no clang-format {}, expected it; tools/packages test installs it".format(VERSION))


def check(root):
    program = clang_format()
    paths = tree.files(root, tree.CODE)
    if not paths:
        return []
    done = subprocess.run([program, "--dry-run", "--style=file", "--ferror-limit=1"] + paths, cwd=root,
                          capture_output=True, text=True)
    places = re.findall(r"^(\S+?:\d+:\d+): (?:warning|error): code should be clang-formatted", done.stderr, re.M)
    findings = ["{}: found another layout, expected clang-format's: {} -i".format(place, program) for place in places]
    if not findings and done.returncode != 0:
        findings.append("clang-format failed: " + done.stderr.strip())
    return findings


if __name__ == "__main__":
    tree.run(check)
