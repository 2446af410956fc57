#!/usr/bin/env python3
"""The checks of this folder catch what they are for: each is given a small tree with one fault and one without."""

import os
import tempfile
import unittest
import unittest.mock

import built_test
import canaries_test
import format_test
import headers_test
import includes_test
import scripts_test
import text_test
import tree

HEADER = "#pragma once\n"


class HouseTest(unittest.TestCase):
    def setUp(self):
        # The small trees have none of the project's long files.
        patch = unittest.mock.patch.object(text_test, "LONG_FILES", {})
        patch.start()
        self.addCleanup(patch.stop)

    def findings(self, check, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as file:
                    file.write(text)
            try:
                return check(root)
            except tree.Skip as reason:
                self.skipTest(str(reason))

    def refused(self, check, files, part):
        findings = self.findings(check, files)
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(part, findings[0])

    def accepted(self, check, files):
        self.assertEqual(self.findings(check, files), [])


class Built(HouseTest):
    def test_tests_that_their_folder_or_the_one_above_names_are_accepted(self):
        self.accepted(built_test.check, {"tests/a/meson.build": "x = ['one_test.cc',\n  'two', 'b/three_test.cc']\n",
                                         "tests/a/one_test.cc": "", "tests/a/two_test.py": "",
                                         "tests/a/b/three_test.cc": ""})

    def test_a_test_that_nobody_names_is_refused(self):
        build = {"tests/a/meson.build": "x = ['another_one_test.cc']\n"}
        self.refused(built_test.check, {**build, "tests/a/one_test.cc": ""}, "tests/a/one_test.cc:1: found a test that")
        self.refused(built_test.check, {**build, "tests/a/b/one_test.py": ""}, "tests/a/b/meson.build does not name")


class Canaries(HouseTest):
    LIST = "#define LIST(X) \\\n  X(bug, \"what\")\n"
    INCLUDE = "#include \"crdt/base/canary.h\"\n"
    USE = "if (canary(Canary::bug)) return;\n"
    ROW = "## Canaries\n\n| `bug` | G1 |\n"
    ROOM = "crdt_with_canaries = files(\n  'a.cc',\n)\nx = library('x', 'b.cc')\n"
    BUILD = "x = [files('main.cc'), crdt_with_canaries]\n"

    def tree(self, uses=1, row=ROW, room=ROOM, build=BUILD, path="crdt/a.cc"):
        return {"crdt/base/canary.h": self.LIST, path: self.INCLUDE + self.USE * uses, "docs/testing.md": row,
                "crdt/meson.build": room, "tests/canaries/meson.build": build}

    def test_one_use_in_a_file_that_is_built_and_one_row_are_accepted(self):
        self.accepted(canaries_test.check, self.tree())

    def test_none_and_two_uses_are_refused(self):
        self.refused(canaries_test.check, self.tree(uses=0), "found 0 uses of the canary bug")
        self.refused(canaries_test.check, self.tree(uses=2), "found 2 uses of the canary bug")

    def test_a_canary_without_a_row_and_a_row_without_a_canary_are_refused(self):
        self.refused(canaries_test.check, self.tree(row="| `bug` | G1 |\n"), "found 0 rows for the canary bug")
        self.refused(canaries_test.check, self.tree(row=self.ROW + "| `bug` | G2 |\n"), "found 2 rows")
        self.refused(canaries_test.check, self.tree(row=self.ROW + "| `other` | G2 |\n"), "found a row for other")

    def test_a_file_that_is_not_built_anew_and_one_without_canaries_are_refused(self):
        self.refused(canaries_test.check, self.tree(build=""), "crdt/a.cc:1: found a file with canaries")
        self.refused(canaries_test.check, self.tree(room=self.ROOM.replace("a.cc", "c.cc"), path="crdt/b.cc") |
                     {"crdt/c.cc": self.INCLUDE}, "crdt/b.cc:1: found a file with canaries")
        self.refused(canaries_test.check, self.tree(room=self.ROOM.replace("a.cc", "a.cc',\n  'c.cc")),
                     "crdt/meson.build:1: found crdt/c.cc, which does not include")

    def test_a_hazard_that_names_no_canary_is_refused(self):
        hazards = {"docs/hazards.md": "| 1 | a test; canaries `bug`, `other` |\n"}
        self.refused(canaries_test.check, {**self.tree(), **hazards}, "found the canary other")

    def test_a_header_is_refused(self):
        self.refused(canaries_test.check, self.tree(path="crdt/a.h", room=""), "found canaries in a header")


class Includes(HouseTest):
    def including(self, path, line, *headers):
        return {path: line + "\n", **{header: HEADER for header in headers}}

    def test_down_is_accepted_and_up_refused(self):
        self.accepted(includes_test.check, self.including("crdt/a.cc", '#include "crdt/base/b.h"', "crdt/base/b.h"))
        self.refused(includes_test.check, self.including("crdt/base/a.h", '#include "crdt/b.h"', "crdt/b.h"),
                     'crdt/base/a.h:1: found "crdt/b.h" in crdt/base')
        self.refused(includes_test.check, self.including("storage/a.cc", '#include "region/core/b.h"', "region/core/b.h"),
                     "in storage")

    def test_the_cores_never_include_each_other(self):
        self.refused(includes_test.check, self.including("wan/core/a.h", '#include "region/core/b.h"', "region/core/b.h"),
                     "in wan/core")
        self.refused(includes_test.check, self.including("region/core/a.h", '#include "wan/core/b.h"', "wan/core/b.h"),
                     "in region/core")
        self.accepted(includes_test.check, self.including("region/node/a.h", '#include "wan/core/b.h"', "wan/core/b.h"))

    def test_cores_know_the_store_interface_only(self):
        self.accepted(includes_test.check, self.including("region/core/a.h", '#include "storage/store.h"', "storage/store.h"))
        self.refused(includes_test.check, self.including("region/core/a.h", '#include "storage/log.h"', "storage/log.h"),
                     "in region/core")

    def test_the_client_knows_the_request_messages_only(self):
        self.accepted(includes_test.check,
                      self.including("client/a.h", '#include "region/core/request_codec.h"', "region/core/request_codec.h"))
        self.refused(includes_test.check, self.including("client/a.h", '#include "region/core/quorum.h"', "region/core/quorum.h"),
                     "in client")

    def test_nobody_includes_tests(self):
        self.refused(includes_test.check, self.including("tools/a.cc", '#include "tests/b.h"', "tests/b.h"), "in tools")

    def test_libraries_stay_in_their_rooms(self):
        for path, line in [("crdt/a.h", "#include <msgpack.hpp>"), ("storage/log.cc", "#include <lmdb.h>"),
                           ("topology/parse.cc", "#include <toml++/toml.h>"), ("region/core/a.cc", "#include <zmq.h>"),
                           ("storage/a.cc", "#include <spdlog/spdlog.h>"), ("crdt/a.cc", "#include <catch2/catch.hpp>"),
                           ("crdt/base/a.h", "#include <xxhash.h>")]:
            self.refused(includes_test.check, {path: line + "\n"}, "found <")
        for path, line in [("tests/a.cc", "#include <msgpack.hpp>"), ("storage/lmdb_table.cc", "#include <lmdb.h>"),
                           ("topology/document.cc", "#include <toml++/toml.h>"), ("region/io/a.cc", "#include <zmq.h>"),
                           ("crdt/base/a.h", "#include <vector>")]:
            self.accepted(includes_test.check, {path: line + "\n"})

    def test_protocol_logic_is_pure(self):
        for line in ("#include <thread>", "#include <chrono>", "#include <random>", "#include <sys/stat.h>"):
            self.refused(includes_test.check, {"wan/core/a.cc": line + "\n"}, "without threads, files, clocks or dice")
            self.accepted(includes_test.check, {"wan/io/a.cc": line + "\n"})

    def test_paths_are_full_and_rooms_known(self):
        self.refused(includes_test.check, {"crdt/a.cc": '#include "b.h"\n', "crdt/b.h": HEADER}, "from the root")
        self.refused(includes_test.check, {"misc/a.cc": "\n"}, "outside the rooms")


class Text(HouseTest):
    def test_clean_text(self):
        self.accepted(text_test.check, {"crdt/a.h": HEADER, "docs/a.md": "[b](b.md#x) [c](https://d.org)\n", "docs/b.md": "b\n"})

    def test_each_fault(self):
        for text, part in [("a\tb\n", "a tab"), ("a \n", "blanks at the end"), ("a\r\n", "blanks at the end"),
                           ("// TO" + "DO: later\n", "the work done"), ("// FIX" + "ME\n", "the work done"),
                           ('"/ho' + 'me/me/x"\n', "a relative one"), ("a", "exactly one line feed"),
                           ("a\n\n", "exactly one line feed"), ("x\n" * 601, "at most 600")]:
            self.refused(text_test.check, {"crdt/a.cc": text}, part)

    def test_names_and_first_lines(self):
        self.refused(text_test.check, {"crdt/BigName.cc": "a\n"}, "snake_case")
        self.refused(text_test.check, {"crdt/a.h": "a\n"}, "#pragma once")

    def test_links(self):
        self.refused(text_test.check, {"docs/a.md": "[b](b.md)\n"}, "a file that is there")

    def test_build_folders_are_nobodys(self):
        self.accepted(text_test.check, {"build-x/a.cc": "a\tb", ".atoll-dev/a.cc": "a\tb"})


class Format(HouseTest):
    STYLE = "BasedOnStyle: Google\n"

    def test_layout(self):
        self.accepted(format_test.check, {".clang-format": self.STYLE, "crdt/a.cc": "int a = 1;\n"})
        self.refused(format_test.check, {".clang-format": self.STYLE, "crdt/a.cc": "int  a=1;\n"}, "crdt/a.cc:1:")


class Headers(HouseTest):
    def test_a_header_that_needs_another(self):
        self.accepted(headers_test.check, {"crdt/a.h": HEADER + "#include <string>\nstd::string a();\n"})
        self.refused(headers_test.check, {"crdt/a.h": HEADER + "std::string a();\n"}, "does not compile alone")

    def test_a_header_that_the_build_has_shown_to_need_none(self):
        wrong = {"crdt/a.h": HEADER + "std::string a();\n", "crdt/meson.build": "x = ['a.cc']\n"}
        self.accepted(headers_test.check, {**wrong, "crdt/a.cc": "// A.\n#include \"crdt/a.h\"\n"})
        for source in ("#include <string>\n#include \"crdt/a.h\"\n", ""):
            self.refused(headers_test.check, {**wrong, "crdt/a.cc": source}, "does not compile alone")
        self.refused(headers_test.check, {**wrong, "crdt/meson.build": "", "crdt/a.cc": "#include \"crdt/a.h\"\n"},
                     "does not compile alone")


class Scripts(HouseTest):
    def test_a_script_with_a_fault(self):
        self.accepted(scripts_test.check, {"tools/a.sh": "#!/bin/bash\necho \"$1\"\n"})
        self.refused(scripts_test.check, {"tools/a.sh": "#!/bin/bash\necho $1\n"}, "SC2086")
        self.refused(scripts_test.check, {"tools/a.py": "def\n"}, "tools/a.py:1:")


if __name__ == "__main__":
    unittest.main()
