#!/usr/bin/env python3
"""What every file looks like: no tabs, no blanks at the end of a line, no marks for later, no paths of one machine,
no file that outgrew its idea, no link into nothing."""

import os
import re

import tree

LINES_MAX = 600
# A longer file needs an entry here with its reason.
LONG_FILES = {
    "tests/model/coordinator_model.py": "the specification of the coordinator is one program that needs nothing else",
    "tests/model/data_model.py": "the specification of the data model is one program that needs nothing else",
}

# Written in two parts, so that this file passes.
MARK = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:" + "|".join(["ho" + "me/", "ro" + "ot/", "Us" + "ers/", "wo" + "rk/"]) + ")")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def check_line(line):
    if "\t" in line:
        yield "found a tab, expected blanks"
    if line != line.rstrip():
        yield "found blanks at the end of the line, expected none"
    mark = MARK.search(line)
    if mark:
        yield "found {}, expected the work done or an issue about it".format(mark.group(1))
    path = MACHINE_PATH.search(line)
    if path:
        yield "found a path of one machine ({}...), expected a relative one".format(path.group(0))


def check_links(root, path, number, line):
    for target in LINK.findall(line):
        if re.match(r"[a-z]+:|#", target):
            continue
        file = os.path.join(root, os.path.dirname(path), target.split("#")[0])
        if not os.path.exists(file):
            yield "{}:{}: found a link to {}, expected a file that is there".format(path, number, target)


def check_file(root, path):
    lines = tree.read_lines(root, path)
    findings = []
    for number, line in enumerate(lines, 1):
        findings += ["{}:{}: {}".format(path, number, wrong) for wrong in check_line(line)]
        if path.endswith(".md"):
            findings += check_links(root, path, number, line)
    if lines[-1] != "" or (len(lines) > 1 and lines[-2] == ""):
        findings.append("{}:{}: found another end, expected exactly one line feed at the end".format(path, len(lines)))
    if path.endswith(tree.CODE + (".py",)) and len(lines) - 1 > LINES_MAX and path not in LONG_FILES:
        findings.append("{}:1: found {} lines, expected at most {}: split it by ideas, or give it a reason in "
                        "tests/house/text_test.py".format(path, len(lines) - 1, LINES_MAX))
    if path.endswith(".h") and lines[0] != "#pragma once":
        findings.append("{}:1: found another first line, expected #pragma once".format(path))
    if path.endswith(tree.CODE) and not re.fullmatch(r"[a-z0-9_]+\.(h|cc)", os.path.basename(path)):
        findings.append("{}:1: found another name, expected snake_case".format(path))
    return findings


def check(root):
    findings = [finding for path in tree.sources(root) for finding in check_file(root, path)]
    for path in LONG_FILES:
        if not os.path.exists(os.path.join(root, path)):
            findings.append("tests/house/text_test.py: found {} in LONG_FILES, expected a file".format(path))
    return findings


if __name__ == "__main__":
    tree.run(check)
