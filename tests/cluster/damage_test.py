#!/usr/bin/env python3
"""Bits that flip in a stopped node's files. Started again it never says what is wrong: what does not verify counts as
lost memory and comes back from the others, and every acknowledged write is on all replicas in the end (G1, G3, HAZARDS
17, 30, 38)."""

import os
import random
import re

from cluster import Cluster, ClusterTest, main

MARKER = b"value of "  # in every text that the load writes (load.cc)
SEED = 7


def flip(path, offsets):
    draw = random.Random(SEED)
    with open(path, "r+b") as file:
        for offset in offsets:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1 << draw.randrange(8)]))


def places(path, pattern):
    """Where the pattern ends."""
    with open(path, "rb") as file:
        return [match.end() for match in re.finditer(pattern, file.read())]


def last_segment(cluster, node):
    """The log file that holds the newest records."""
    log = os.path.join(cluster.node_dir(node), "log")
    files = [os.path.join(log, name) for name in os.listdir(log)]
    return max((file for file in files if places(file, MARKER)), key=os.path.getmtime)


class Damage(ClusterTest):
    def count_in_log(self, cluster, node, phrase):
        with open(os.path.join(cluster.node_dir(node), "log.txt"), errors="replace") as log:
            return log.read().count(phrase)

    def test_in_the_synced_part_of_the_log(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(500)
            cluster.kill("eu-2")
            segment = last_segment(cluster, "eu-2")
            ends = places(segment, MARKER)
            flip(segment, ends[len(ends) // 3::len(ends) // 9])
            cluster.start("eu-2")
            load.wait(200)
            self.assert_untouched(load.finish(), "us")
            self.assertEqual(self.count_in_log(cluster, "eu-2", "standing=lost"), 1)
            self.assertEqual(self.count_in_log(cluster, "eu-2", "memory regained"), 1)

    def test_in_the_last_records_of_the_log(self):
        """To the node itself this looks like a torn tail; the others know how far it had synced."""
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(500)
            cluster.kill("eu-2")
            segment = last_segment(cluster, "eu-2")
            flip(segment, places(segment, MARKER)[-40:])
            cluster.start("eu-2")
            load.wait(200)
            self.assert_untouched(load.finish(), "us")
            self.assertEqual(self.count_in_log(cluster, "eu-2", "standing=lost"), 1)

    @staticmethod
    def some(found, count):
        return random.Random(SEED).sample(found, min(count, len(found)))

    def flip_in_rows(self, pattern, behind, count):
        """Rows in LMDB, under a log that is replayed over some of them."""
        with Cluster(regions="eu,us", memtable_bytes=1 << 20) as cluster, cluster.load("us", "eu,bytes=2000") as load:
            while cluster.status("eu-2")["checkpoints"] < 3:
                load.wait(100)
            cluster.kill("eu-2")
            rows = os.path.join(cluster.node_dir("eu-2"), "rows", "data.mdb")
            flip(rows, (end + behind for end in self.some(places(rows, pattern), count)))
            cluster.start("eu-2")
            load.wait(200)
            self.assert_untouched(load.finish(), "us")
            self.assertGreater(self.count_in_log(cluster, "eu-2", "a damaged row was found"), 0)

    def test_in_values_that_are_written_once(self):
        self.flip_in_rows(MARKER, 0, 100)


if __name__ == "__main__":
    main()
