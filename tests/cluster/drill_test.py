#!/usr/bin/env python3
"""A small drill from one end to the other, and that it says no where something is wrong."""

import json
import os

from cluster import Cluster, ClusterTest, main

PACKAGES = 300


def write_index(path):
    """Stanzas of all sizes, long maintainers, sections with a slash, one name twice."""
    with open(path, "w") as index:
        for i in range(PACKAGES):
            index.write("Package: package-{}\nVersion: {}\nSection: {}\nMaintainer: {} <m@example.org>\n"
                        "Description: number {}\n{}\n".format(i, i % 7, ["libs", "contrib/games", "doc"][i % 3],
                                                              "m" * (i % 5 * 120 + 1), i, " more text\n" * (i % 50)))
        index.write("Package: package-0\nVersion: 9\nSection: libs\n")


class Drill(ClusterTest):
    def test_load_kill_converge_compare(self):
        with Cluster() as cluster:
            index = os.path.join(cluster.root, "index")
            write_index(index)
            drill = ["drill", "--dir", cluster.dir, "--input", index, "--json"]
            report = json.loads(cluster.run(*drill, "--outage", "3").stdout)
            self.assertTrue(report["passed"])
            self.assertEqual(report["packages"], PACKAGES)
            self.assertEqual(report["replaced"], 1)
            self.assertEqual(report["killed"], "ap")
            self.assertEqual(report["writes"], 7 * PACKAGES)
            self.assertEqual(report["errors"], 0)
            self.assertEqual(len(report["nodes"]), 9)
            for node in report["nodes"]:
                self.assertEqual((node["elements"], node["wrong"]), (2 * PACKAGES, 0), node["node"])

            again = cluster.run(*drill, check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn("fresh cluster", again.stderr)

            cluster.run(*drill, "--verify-only")
            cluster.atoll("set", "--region", "us", "pkg:package-7", "something else")
            cluster.atoll("set", "--region", "us", "count:none", "1")
            cluster.atoll("srem", "--region", "us", "section:libs", "package-3")
            cluster.atoll("incr", "--region", "us", "count:doc")
            wrong = cluster.run(*drill, "--verify-only", check=False)
            self.assertEqual(wrong.returncode, 1)
            self.assertTrue(wrong.stdout, wrong.stderr)
            for node in json.loads(wrong.stdout)["nodes"]:
                self.assertEqual(node["wrong"], 4, node["examples"])

    def test_bad_input(self):
        with Cluster(regions="eu,us", nodes=1) as cluster:
            index = os.path.join(cluster.root, "index")
            with open(index, "w") as file:
                file.write("no package index\n")
            for args, message in ((("--input", index), "index:1: found a line without a field name"),
                                  (("--input", index + ".none"), "cannot open")):
                result = cluster.run("drill", "--dir", cluster.dir, *args, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn(message, result.stderr)
            self.assertIn("atoll dev up", cluster.run("drill", "--dir", cluster.root + "/none", check=False).stderr)


if __name__ == "__main__":
    main()
