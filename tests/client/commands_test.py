#!/usr/bin/env python3
"""The client commands of `atoll` as a person and a script meet them, against a toy cluster: what they print where, and
their exit status."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from toy import ATOLL, WithToyCluster

os.environ.pop("ATOLL_TOPOLOGY", None)


class Commands(WithToyCluster):
    def run_atoll(self, *args, stdin=b""):
        done = subprocess.run([ATOLL, *args], input=stdin, capture_output=True, timeout=60, cwd=self.dir)
        return done.returncode, done.stdout, done.stderr.decode()

    def atoll(self, *args):
        status, out, err = self.run_atoll(*args)
        return status, out.decode(), err

    def test_string(self):
        self.assertEqual(self.atoll("set", "a", "one"), (0, "OK\n", ""))
        self.assertEqual(self.atoll("get", "a"), (0, "one\n", ""))
        self.assertEqual(self.atoll("get", "nothing"), (1, "(nil)\n", ""))
        self.assertEqual(self.atoll("del", "a", "nothing"), (0, "1\n", ""))
        self.assertEqual(self.atoll("get", "a")[0], 1)

    def test_value_from_standard_input_byte_for_byte(self):
        value = bytes(range(256))
        self.assertEqual(self.run_atoll("set", "raw", "-", stdin=value)[0], 0)
        self.assertEqual(self.run_atoll("get", "raw")[1], value + b"\n")
        answer = json.loads(self.atoll("get", "raw", "--json")[1])
        self.assertNotIn("value", answer)
        import base64
        self.assertEqual(base64.b64decode(answer["value_base64"]), value)

    def test_value_from_standard_input_too_long(self):
        status, _, err = self.run_atoll("set", "raw", "-", stdin=b"x" * ((16 << 20) + 1))
        self.assertEqual(status, 1)
        self.assertIn("16777216 bytes", err)

    def test_hidden_siblings_and_stale_reads_are_noted(self):
        self.atoll("set", "siblings", "v")
        status, out, err = self.atoll("get", "siblings", "--local", "--node", "us-2")
        self.assertEqual((status, out), (0, "v\n"))
        self.assertIn('2 more siblings stand behind this value; "atoll inspect siblings"', err)
        self.assertIn("read from one replica", err)
        answer = json.loads(self.atoll("get", "siblings", "--json")[1])
        self.assertEqual((answer["value"], answer["hidden"], answer["stale"]), ("v", 2, False))

    def test_counter(self):
        self.assertEqual(self.atoll("incr", "n"), (0, "1\n", ""))
        self.assertEqual(self.atoll("incr", "n", "41"), (0, "42\n", ""))
        self.assertEqual(self.atoll("decr", "n", "2"), (0, "40\n", ""))
        self.assertEqual(self.atoll("incr", "n", "--", "-100"), (0, "-60\n", ""))
        self.assertEqual(json.loads(self.atoll("incr", "n", "--json")[1]),
                         {"key": "n", "outcome": "done", "value": -59})
        self.assertEqual(self.atoll("incr", "n", "99999999999999999999")[0], 2)

    def test_set(self):
        self.assertEqual(self.atoll("sadd", "s", "b", "a", "b"), (0, "2\n", ""))
        self.assertEqual(self.atoll("smembers", "s"), (0, "a\nb\n", ""))
        self.assertEqual(self.atoll("srem", "s", "b", "c"), (0, "1\n", ""))
        self.assertEqual(json.loads(self.atoll("smembers", "s", "--json")[1])["members"], ["a"])

    def test_map(self):
        self.assertEqual(self.atoll("hset", "m", "f", "1", "g", "x"), (0, "2\n", ""))
        self.assertEqual(self.atoll("hset", "m", "f", "2"), (0, "0\n", ""))
        self.assertEqual(self.atoll("hget", "m", "f"), (0, "2\n", ""))
        self.assertEqual(self.atoll("hget", "m", "none"), (1, "(nil)\n", ""))
        self.assertEqual(self.atoll("hgetall", "m"), (0, "f\t2\ng\tx\n", ""))
        self.assertEqual(json.loads(self.atoll("hgetall", "m", "--json")[1])["fields"],
                         [{"field": "f", "value": "2"}, {"field": "g", "value": "x"}])
        self.assertEqual(self.atoll("hdel", "m", "f", "none"), (0, "1\n", ""))
        status, out, err = self.atoll("hset", "m", "f")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("in pairs", err)

    def test_siblings_and_a_set_that_resolves_them(self):
        self.assertEqual(self.atoll("siblings", "siblings"),
                         (0, "shown   shown\nsibling other\nadded   5\nbehind  a set\ncontext kwE=\n", ""))
        told = json.loads(self.atoll("siblings", "siblings", "--json")[1])
        self.assertEqual(told["siblings"], [{"value": "shown"}, {"value": "other"}])
        self.assertEqual((told["added"], told["behind"], told["context"]), ("5", ["set"], "kwE="))
        self.assertEqual(self.atoll("siblings", "nothing")[0], 1)
        self.assertEqual(self.atoll("set", "siblings", "one", "--context", "kwE="), (0, "OK\n", ""))
        status, _, err = self.atoll("set", "siblings", "one", "--context", "kwE")
        self.assertEqual(status, 1)
        self.assertIn("no base64", err)

    def test_rejected(self):
        status, out, err = self.atoll("set", "k", "refuse me", "--json")
        self.assertEqual(status, 1)
        self.assertEqual(json.loads(out)["code"], "too_large")
        self.assertEqual(err, "atoll set: k: nothing was done (too_large): the value says so\n")
        self.atoll("set", "word", "abc")
        self.assertIn("wrong_type", self.atoll("incr", "word")[2])

    def test_topology_not_found(self):
        status, out, err = self.atoll("get", "k", "-t", "no-such-file")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("no-such-file", err)

    def test_topology_of_a_dev_cluster_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, ".atoll-dev"))
            shutil.copy(os.path.join(self.dir, "topology.toml"), os.path.join(folder, ".atoll-dev"))
            done = subprocess.run([ATOLL, "set", "k", "v"], capture_output=True, timeout=60, cwd=folder)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_status(self):
        status, out, err = self.atoll("status")
        self.assertEqual((status, err), (0, ""))
        lines = out.splitlines()
        self.assertEqual(len(lines), 10)
        self.assertRegex(lines[1], r"^eu-1 +eu +yes +7 +votes +85 +0 +8/8 +us 4, ap 9 cut +12 +2.0 KiB +3.0 MiB$")
        nodes = json.loads(self.atoll("status", "--json")[1])["nodes"]
        self.assertEqual([node["node"] for node in nodes][:2], ["eu-1", "eu-2"])

    def test_status_of_a_node_that_is_down(self):
        self.tell("stop us-2")
        status, out, err = self.atoll("status")
        self.tell("start us-2")
        self.assertEqual(status, 1)
        self.assertRegex(out, r"\nus-2 +us +NO\n")
        self.assertIn("is the node running?", err)

    def test_digest(self):
        status, out, err = self.atoll("digest")
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.endswith("eu: equal\nus: equal\nap: equal\noverall: equal\n"), out)

    def test_digest_of_nodes_that_differ(self):
        self.tell("differ ap-3")
        status, out, err = self.atoll("digest", "--wait", "0.6")
        self.tell("agree ap-3")
        self.assertEqual(status, 1)
        self.assertIn("us: equal\nap: different: 1 of 2 partitions\noverall: different: 1 of 2 partitions\n", out)
        self.assertIn("after 0 s: different", err)

    def test_digest_waits_until_nodes_agree(self):
        self.tell("differ ap-3")
        waiting = subprocess.Popen([ATOLL, "digest", "--wait", "30", "--json"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd=self.dir)
        self.assertIn("different", waiting.stderr.readline())
        self.tell("agree ap-3")
        out, _ = waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, 0)
        self.assertTrue(json.loads(out)["equal"])

    def test_digest_without_a_node_is_not_equal(self):
        self.tell("stop eu-1")
        status, out, _ = self.atoll("digest")
        self.tell("start eu-1")
        self.assertEqual(status, 1)
        self.assertIn("eu: different: no answer from eu-1", out)

    def test_inspect(self):
        self.atoll("set", "shown", "v")
        status, out, err = self.atoll("inspect", "shown")
        self.assertEqual((status, err), (0, ""))
        self.assertNotIn("DIFFERENT", out)
        self.assertRegex(out, r"v +1\.7\.99:4 +77 +2026-09-21T\d\d:\d\d:\d\d\.123Z")
        self.assertEqual(len(json.loads(self.atoll("inspect", "shown", "--json")[1])["replicas"]), 9)

    def test_inspect_marks_what_differs(self):
        self.atoll("set", "shown", "v")
        self.tell("differ us-1")
        status, out, _ = self.atoll("inspect", "shown")
        report = json.loads(self.atoll("inspect", "shown", "--json")[1])
        self.tell("agree us-1")
        self.assertEqual(status, 1)
        self.assertIn("DIFFERENT: 2 versions", out)
        self.assertRegex(out, r"\nus-1 +us +B ")
        self.assertIn("something else", out)
        self.assertFalse(report["equal"])

    def test_bench_closed_loop(self):
        status, out, err = self.atoll("bench", "--requests", "20000", "--warm-up", "0", "--keys", "100", "--json",
                                      "--mix", "get=40,set=30,incr=20,sadd=10", "--region", "eu", "--fill")
        self.assertEqual(status, 0, err + out)
        report = json.loads(out)
        self.assertEqual(report["all"]["done"], 20000)
        done = {one["operation"]: one["done"] for one in report["operations"]}
        self.assertEqual(sum(done.values()), report["all"]["done"])
        self.assertGreater(done["get"], done["sadd"])
        self.assertEqual(report["operations"][0]["found"], done["get"])
        latency = report["all"]["latency_us"]
        self.assertLessEqual(latency["p50"], latency["p99"])
        self.assertGreater(report["cpu_us_per_operation"], 0)

    def test_bench_open_loop(self):
        status, out, err = self.atoll("bench", "--rate", "1000", "--seconds", "1", "--warm-up", "0.2", "--keys", "100",
                                      "--distribution", "zipf", "--region", "all", "--json")
        self.assertEqual(status, 0, err + out)
        report = json.loads(out)
        self.assertEqual(report["loop"], "open")
        self.assertEqual(set(report["regions"]), {"eu", "us", "ap"})
        self.assertGreater(report["all"]["done"], 1500)
        self.assertLess(report["all"]["done"], 4500)

    def test_bench_with_a_wrong_mix(self):
        status, out, err = self.atoll("bench", "--mix", "get=1,fetch=2")
        self.assertEqual((status, out), (1, ""))
        self.assertIn('found "fetch" in the mix, expected one of get, set', err)


if __name__ == "__main__":
    unittest.main()
