#!/usr/bin/env python3
"""`atoll topology` as a person and a script meet it: what it prints where, and its exit status."""

import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ATOLL = os.path.abspath(sys.argv.pop(1))
EXAMPLE = "docs/examples/three-regions.toml"


def atoll(*args, environment=None):
    done = subprocess.run([ATOLL, *args], capture_output=True, text=True, timeout=60, env=environment)
    return done.returncode, done.stdout, done.stderr


class Check(unittest.TestCase):
    def test_valid_file_prints_a_table(self):
        status, out, err = atoll("topology", "check", EXAMPLE)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("cluster shop: 3 regions, 9 nodes, 256 partitions", out)
        self.assertIn("remark: region ap: w = n, so one node that is down stops writes", out)

    def test_valid_file_as_json(self):
        status, out, _ = atoll("topology", "check", "-t", EXAMPLE, "--json")
        self.assertEqual(status, 0)
        report = json.loads(out)
        self.assertTrue(report["valid"])
        self.assertEqual([region["name"] for region in report["regions"]], ["eu", "us", "ap"])
        for region in report["regions"]:
            self.assertEqual(sum(node["first_of_partitions"] for node in region["nodes"]), 256)
            self.assertEqual(sum(node["replica_of_partitions"] for node in region["nodes"]), 3 * 256)

    def test_the_environment_names_the_file_unless_the_command_line_does(self):
        with_file = dict(os.environ, ATOLL_TOPOLOGY=EXAMPLE)
        self.assertEqual(atoll("topology", "check", environment=with_file)[0], 0)
        status, _, err = atoll("topology", "check", "-t", "no-such.toml", environment=with_file)
        self.assertEqual(status, 1)
        self.assertIn("no-such.toml: cannot read", err)

    def test_wrong_file_names_the_place(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('[cluster]\nnmae = "shop"\n')
            file.flush()
            status, out, err = atoll("topology", "check", file.name)
            self.assertEqual((status, out), (1, ""))
            self.assertEqual(err, file.name + ':2:1: found unknown key "nmae" in [cluster], expected name, seed, '
                             'partitions or strict_disks; did you mean "name"?\n')
            status, out, _ = atoll("topology", "check", file.name, "--json")
            self.assertEqual(status, 1)
            self.assertFalse(json.loads(out)["valid"])


class Keygen(unittest.TestCase):
    def test_keys_differ_and_the_secret_is_private(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = set()
            for name in ("a", "b"):
                path = os.path.join(folder, name)
                status, out, err = atoll("topology", "keygen", "--out", path)
                self.assertEqual((status, err), (0, ""))
                self.assertEqual(len(out), 41)
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                with open(path) as file:
                    secret = file.read()
                self.assertEqual(len(secret), 41)
                self.assertNotEqual(secret, out)
                keys.add(out)
            self.assertEqual(len(keys), 2)

    def test_an_existing_file_is_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            with open(path, "w") as file:
                file.write("precious")
            status, out, err = atoll("topology", "keygen", "--out", path)
            self.assertEqual((status, out), (1, ""))
            self.assertIn("a key is never overwritten", err)
            with open(path) as file:
                self.assertEqual(file.read(), "precious")

    def test_a_folder_that_is_missing_is_named(self):
        status, out, err = atoll("topology", "keygen", "--out", "/no-such-folder/key")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "/no-such-folder/key: cannot create the file: No such file or directory\n")


class CommandLine(unittest.TestCase):
    def test_version(self):
        status, out, _ = atoll("--version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^atoll \d+\.\d+\.\d+\n$")

    def test_misspelt_commands_get_a_suggestion(self):
        status, out, err = atoll("toplogy", "check")
        self.assertEqual((status, out), (2, ""))
        self.assertIn('did you mean "topology"?', err)
        status, _, err = atoll("topology", "chek")
        self.assertEqual(status, 2)
        self.assertIn('atoll topology: found "chek", expected one of check, keygen; did you mean "check"?', err)

    def test_what_is_missing_is_named(self):
        status, out, err = atoll("topology", "keygen")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("atoll topology keygen: --out is required", err)


if __name__ == "__main__":
    unittest.main()
