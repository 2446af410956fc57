#!/usr/bin/env python3
"""tools/test_summary.py: its last line and its exit status are what people and machines go by."""

import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest

SUMMARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "test_summary.py")
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("test_summary", SUMMARY)
test_summary = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test_summary)


def summary_of(*tests):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        for name, result, stdout in tests:
            file.write(json.dumps({"name": name, "result": result, "stdout": stdout}) + "\n")
        file.flush()
        return summary_of_file(file.name)


def summary_of_file(path):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = test_summary.main(path)
    return status, out.getvalue().splitlines()


class Summary(unittest.TestCase):
    def test_all_passed_and_cases_are_counted(self):
        status, lines = summary_of(("a", "OK", "All tests passed (15 assertions in 3 test cases)\n"),
                                   ("b", "OK", "Ran 9 tests in 0.1s\n\nOK\n"), ("c", "OK", "no cases\n"))
        self.assertEqual(status, 0)
        self.assertEqual(lines[-2:], ["3 tests ran, 13 test cases in them", "3 passed, 0 failed, 0 skipped"])

    def test_whatever_is_no_pass_fails(self):
        for result in ("FAIL", "TIMEOUT", "ERROR", "INTERRUPT", "UNEXPECTEDPASS"):
            status, lines = summary_of(("a", "OK", ""), ("b", result, "test cases: 4 | 3 passed | 1 failed\n"))
            self.assertEqual(status, 1)
            self.assertIn("failed: b ({})".format(result.lower()), lines)
            self.assertEqual(lines[-2:], ["2 tests ran, 5 test cases in them", "1 passed, 1 failed, 0 skipped"])

    def test_skipped_tests_are_named_and_do_not_fail(self):
        status, lines = summary_of(("a", "OK", ""), ("b", "SKIP", ""))
        self.assertEqual(status, 0)
        self.assertIn("skipped: b", lines)
        self.assertEqual(lines[-1], "1 passed, 0 failed, 1 skipped")

    def test_figures_and_laws_are_shown_before_the_tally(self):
        status, lines = summary_of(("sim", "OK", "x\nfigures: 2 days in 9 s\n"), ("b", "OK", "no figures: 3\n"),
                                   ("laws", "OK", "- one\nOK, passed 100 tests\n\nOK, passed 7 tests\n"))
        self.assertEqual(status, 0)
        self.assertEqual(lines[1:3], ["sim: 2 days in 9 s", "laws: 2 laws held in 107 random cases"])

    def test_nothing_ran_fails(self):
        self.assertEqual(summary_of()[0], 1)
        self.assertEqual(summary_of(("a", "SKIP", ""))[0], 1)
        status, lines = summary_of_file("no-such-log.json")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 0 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
