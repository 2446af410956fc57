#!/usr/bin/env python3
"""The client library against real nodes: one that stands still, a region that dies and comes back. It prints how long
a read took at most; the test itself judges outcomes, not times."""

import json
import os
import signal
import subprocess

from cluster import Cluster, ClusterTest, main, wait_until

READER = os.environ.get("LIBRARY_READER", "build/tests/cluster/library_reader")


class Reader:
    """library_reader, and what it says."""

    def __init__(self, topology, region):
        self.process = subprocess.Popen([READER, topology, region], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def since_then(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def until(self, what, holds):
        """What happened until a report for which `holds` is true; the last report and the longest read of all."""
        longest, failed, reports = 0, 0, []

        def ask():
            nonlocal longest, failed
            report = self.since_then()
            reports.append(report)
            longest, failed = max(longest, report["longest_ms"]), failed + report["failed"]
            return holds(report)

        wait_until(what, ask)
        return reports[-1], longest, failed


class LibraryTest(ClusterTest):
    def pid(self, cluster, node):
        with open(os.path.join(cluster.node_dir(node), "pid")) as file:
            return int(file.read().split()[0])

    def test_a_node_that_stands_still(self):
        with Cluster(regions="eu,us") as cluster, Reader(cluster.topology, "eu") as reader:
            for i in range(64):
                cluster.atoll("set", "--region", "eu", "key:%d" % i, "v")
            reader.until("reads flow", lambda report: report["reads"] > 50)
            pid = self.pid(cluster, "eu-1")
            os.kill(pid, signal.SIGSTOP)
            try:
                _, longest, failed = reader.until("reads flow again", lambda report: report["reads"] > 50)
            finally:
                os.kill(pid, signal.SIGCONT)
            print("a node stood still: the longest read took {:.0f} ms".format(longest), flush=True)
            self.assertEqual(failed, 0)

    def test_a_node_that_is_killed(self):
        with Cluster(regions="eu,us") as cluster, Reader(cluster.topology, "eu") as reader:
            reader.until("reads flow", lambda report: report["reads"] > 50)
            cluster.kill("eu-1")
            _, longest, failed = reader.until("reads flow again", lambda report: report["reads"] > 50)
            print("a node was killed: the longest read took {:.0f} ms".format(longest), flush=True)
            self.assertEqual(failed, 0)

    def test_its_region_dies_and_comes_back(self):
        with Cluster(regions="eu,us") as cluster, Reader(cluster.topology, "eu") as reader:
            report, _, _ = reader.until("reads flow", lambda report: report["reads"] > 50)
            self.assertEqual(set(report["regions"]), {"eu"})
            cluster.kill("eu")
            report, longest, failed = reader.until("the next region answers",
                                                   lambda report: report["reads"] > 50 and "eu" not in report["regions"])
            print("a region was killed: the longest read took {:.0f} ms".format(longest), flush=True)
            self.assertEqual(failed, 0, report["last_error"])
            self.assertEqual(set(report["regions"]), {"us"})
            cluster.start("eu")
            report, longest, failed = reader.until("home again",
                                                   lambda report: report["reads"] > 50 and "us" not in report["regions"])
            print("it came back: the longest read took {:.0f} ms".format(longest), flush=True)
            self.assertEqual(failed, 0, report["last_error"])


if __name__ == "__main__":
    main()
