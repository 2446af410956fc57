#!/usr/bin/env python3
"""A disk that is full under a running node: writes that need it are refused with the reason, reads go on, the other
nodes serve, and writes resume by themselves when there is room. Nothing acknowledged is lost (G1, G9, HAZARDS 28).

Mounts a small tmpfs, and is skipped where that is not allowed."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from cluster import Cluster, ClusterTest, main

DISK_BYTES = 96 << 20  # three log segments of 16 MiB, and what LMDB needs
ROOM_BYTES = 24 << 20  # that can be made
PARTS = ("log", "rows")  # of a data directory; the rest belongs to the harness


class SmallDisk:
    """What a stopped node has written lies on a small disk from then on."""

    def __init__(self, node_dir):
        self.node_dir = node_dir
        self.at = tempfile.mkdtemp(prefix="atoll-disk-")

    def __enter__(self):
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size={}".format(DISK_BYTES), "tmpfs", self.at],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            os.rmdir(self.at)
            raise unittest.SkipTest("cannot mount a small tmpfs: " + mounted.stderr.strip())
        for part in PARTS:
            shutil.move(os.path.join(self.node_dir, part), os.path.join(self.at, part))
            os.symlink(os.path.join(self.at, part), os.path.join(self.node_dir, part))
        self._allocate("first", ROOM_BYTES)
        return self

    def __exit__(self, kind, error, trace):
        subprocess.run(["umount", "--lazy", self.at], check=True)
        os.rmdir(self.at)

    def _allocate(self, name, size):
        with open(os.path.join(self.at, name), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def _free_bytes(self):
        disk = os.statvfs(self.at)
        return disk.f_bavail * disk.f_frsize

    def fill(self):
        """Somebody else takes what room there is."""
        self._allocate("second", self._free_bytes())

    def make_room(self):
        for name in ("first", "second"):
            os.remove(os.path.join(self.at, name))


class DiskFull(ClusterTest):
    def keys_led_by(self, cluster, node, count):
        """That many keys with a value whose preference list the node leads."""
        keys = []
        for i in range(1000):
            key = "before:{}".format(i)
            inspected = json.loads(cluster.atoll("inspect", key, "--json", check=False))
            in_region = [replica["node"] for replica in inspected["replicas"] if node.startswith(replica["region"])]
            if in_region[0] == node:
                cluster.atoll("set", "--region", node.split("-")[0], key, key)
                keys.append(key)
                if len(keys) == count:
                    return keys
        self.fail(node + " leads too few keys")

    def test_one_node(self):
        small, beside = "eu,coordinator=eu-1", "eu,replica=eu-1"
        large = "eu,coordinator=eu-1,bytes=65536,deadline_ms=1000"
        with Cluster(regions="eu,us", memtable_bytes=1 << 20) as cluster:
            keys = self.keys_led_by(cluster, "eu-1", 5)
            cluster.kill("eu-1")
            with SmallDisk(cluster.node_dir("eu-1")) as disk:
                cluster.start("eu-1")
                with cluster.load("us", small, beside, large, placed=True) as load:
                    load.wait_rejected(1, large)
                    disk.fill()
                    load.wait_rejected(20, large)
                    load.wait(200, "us", beside)
                    for key in keys:
                        self.assertEqual(cluster.atoll("get", "--node", "eu-1", key), key)
                    refused = cluster.run("set", "-t", cluster.topology, "--node", "eu-1", "--deadline", "1000", keys[0],
                                          "x" * 60000, check=False)
                    self.assertEqual(refused.returncode, 1)
                    self.assertIn("nothing was done (full)", refused.stderr)
                    self.assertIn("its disk or its memtables are full", refused.stderr)
                    load.end(large)
                    disk.make_room()
                    load.wait(200)
                    result = load.finish()
                    self.assert_untouched(result, "us", beside)
                self.assertTrue(cluster.status("eu-1")["has_room"])
                cluster.kill("eu-1")


if __name__ == "__main__":
    main()
