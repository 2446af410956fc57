#!/usr/bin/env python3
"""Reads Meson's testlog.json and says how many tests and test cases ran; the last line is the tally.

Exit status 0 only if something ran and nothing failed."""

import json
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}

# Catch2: "All tests passed (9 assertions in 3 test cases)" or "test cases: 3 | 2 passed | 1 failed".
# Python's unittest: "Ran 9 tests in 0.1s".
CASES = [
    re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)", re.M),
    re.compile(r"^test cases:\s+(\d+) \|", re.M),
    re.compile(r"^Ran (\d+) tests? in ", re.M),
]


# What a test has to say at the end of them all; and RapidCheck's word for each law.
FIGURES = re.compile(r"^figures: (.+)$", re.M)
LAW = re.compile(r"^OK, passed (\d+) tests", re.M)


def output_of(test):
    return (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")


def figures_of(test):
    output = output_of(test)
    figures = FIGURES.findall(output)
    laws = [int(number) for number in LAW.findall(output)]
    if laws:
        figures.append("{} laws held in {} random cases".format(len(laws), sum(laws)))
    return ["{}: {}".format(test["name"], figure) for figure in figures]


def cases_in(output):
    found = [int(number) for pattern in CASES for number in pattern.findall(output)]
    return sum(found) if found else 1


def main(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            tests = [json.loads(line) for line in file if line.strip()]
    except FileNotFoundError:
        tests = []
    passed = [test for test in tests if test["result"] in PASSED]
    skipped = [test for test in tests if test["result"] in SKIPPED]
    failed = [test for test in tests if test not in passed and test not in skipped]
    cases = sum(cases_in(output_of(test)) for test in passed + failed)
    print()
    for test in tests:
        for figure in figures_of(test):
            print(figure)
    for test in skipped:
        print("skipped: {}".format(test["name"]))
    for test in failed:
        print("failed: {} ({})".format(test["name"], test["result"].lower()))
    print("{} tests ran, {} test cases in them".format(len(passed) + len(failed), cases))
    print("{} passed, {} failed, {} skipped".format(len(passed), len(failed), len(skipped)))
    if not passed and not failed:
        print("found no test that ran, expected at least one", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
