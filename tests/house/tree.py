"""The project's own files, and the frame of every check on them.

A check is a module with `check(root) -> list of findings`, each "FILE:LINE: what is wrong and what to do"."""

import os
import sys

SKIPPED_EXIT_STATUS = 77  # what Meson counts as skipped

CODE = (".h", ".cc")
TEXT = CODE + (".py", ".sh", ".md", ".toml", ".build", ".txt", ".yml", ".json")
SCRIPTS = ("tools/packages", "tools/quickstart", "tools/test", ".ci/run")


class Skip(Exception):
    """The check cannot run here; the message says what is missing."""


def files(root, suffixes):
    """Paths below `root` that end in one of `suffixes`, with '/' and sorted. Build folders and hidden ones are
    nobody's source."""
    found = []
    for folder, folders, names in os.walk(root):
        top = os.path.relpath(folder, root) == "."
        folders[:] = [f for f in folders
                      if f == ".ci" or not (f.startswith(".") or f == "__pycache__" or (top and f.startswith("build")))]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
            if path.endswith(suffixes):
                found.append(path)
    return sorted(found)


def sources(root):
    """Everything that a person writes: code, scripts, documents, build files."""
    scripts = [script for script in SCRIPTS if os.path.exists(os.path.join(root, script))]
    return sorted(files(root, TEXT) + scripts)


def read_lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace", newline="") as file:
        return file.read().split("\n")


def run(check):
    """Runs `check` on the folder that the command line names; the exit status says how it went."""
    try:
        findings = check(os.path.abspath(sys.argv[1]))
    except Skip as reason:
        print("skipped: {}".format(reason))
        sys.exit(SKIPPED_EXIT_STATUS)
    for finding in findings:
        print(finding)
    print("{} findings".format(len(findings)))
    sys.exit(1 if findings else 0)
