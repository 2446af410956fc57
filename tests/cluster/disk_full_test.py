#!/usr/bin/env python3
"""A disk that is full under a running node: writes that need it are refused with the reason, reads go on, the other
nodes serve, and writes resume by themselves when there is room. Nothing acknowledged is lost (G1, G9, HAZARDS 28).

Mounts a small tmpfs, and is skipped where that is not allowed."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from cluster import Cluster, ClusterTest, main, wait_until

DISK_BYTES = 136 << 20  # four log segments of 16 MiB, what LMDB needs, and the reserve of 32 MiB for deletes
ROOM_BYTES = 64 << 20  # that can be made; less may leave a node with its reserve alone
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
        with open(os.path.join(self.at, "first"), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
        return self

    def __exit__(self, kind, error, trace):
        subprocess.run(["umount", "--lazy", self.at], check=True)
        os.rmdir(self.at)

    def fill(self):
        """Somebody else takes what room there is, and what the node gives back when a file of its own did not fit."""
        refused = 0
        with open(os.path.join(self.at, "second"), "wb", buffering=0) as file:
            while refused < 10:
                try:
                    file.write(bytes(4096))
                    refused = 0
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    refused += 1
                    time.sleep(0.05)

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

    def assert_refused_for_room(self, told):
        """What was rejected was so because of the disk, and the answers say that."""
        self.assertGreater(told["rejected"], 0)
        self.assertTrue(any("its disk or its memtables are full" in reason for reason in told["reasons"]),
                        told["reasons"])

    def test_one_node(self):
        """Others coordinate what it did, and it catches up when there is room."""
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
                    wait_until("eu-1 is full", lambda: cluster.status("eu-1")["disk_full"])
                    load.end(large)
                    load.wait(200)
                    for key in keys:
                        self.assertEqual(cluster.atoll("get", "--node", "eu-1", "--local", key), key)
                        self.assertEqual(cluster.atoll("get", "--node", "eu-1", key), key)
                    self.assertTrue(cluster.status("eu-1")["disk_full"])
                    disk.make_room()
                    wait_until("eu-1 has room", lambda: cluster.status("eu-1")["has_room"])
                    load.wait_placed()
                    load.wait(200)
                    result = load.finish()
                self.assert_untouched(result, "us", beside)
                self.assert_refused_for_room(result["loads"][large])
                cluster.kill("eu-1")

    def test_all_nodes_of_a_region(self):
        """Nobody is left to take writes there: they are refused, reads go on, and so does the other region."""
        small, large = "eu,deadline_ms=1000", "eu,bytes=65536,deadline_ms=1000"
        with Cluster(regions="eu,us", memtable_bytes=1 << 20) as cluster, contextlib.ExitStack() as stack:
            cluster.atoll("set", "--region", "eu", "before", "it")
            cluster.kill("eu")
            disks = [stack.enter_context(SmallDisk(cluster.node_dir(node))) for node in cluster.names("eu")]
            stack.callback(cluster.kill, "eu")
            cluster.start("eu")
            with cluster.load("us", small, large) as load:
                load.wait_rejected(1, large)
                for disk in disks:
                    disk.fill()
                for node in cluster.names("eu"):
                    wait_until(node + " is full", lambda: cluster.status(node)["disk_full"])
                load.end(large)
                load.wait_rejected(8, small)
                load.wait(200, "us")
                self.assertEqual(cluster.atoll("get", "--region", "eu", "before"), "it")
                for disk in disks:
                    disk.make_room()
                load.wait(200, "us", small)
                result = load.finish()
            self.assertEqual(cluster.atoll("get", "--region", "us", "before"), "it")
            self.assert_untouched(result, "us")
            for refused in (small, large):
                self.assert_refused_for_room(result["loads"][refused])

    def test_deletes_make_room(self):
        """With every disk of a region full, deletes are done, and what they free is room for writes: nothing is given
        to the disks, and nothing restarts."""
        with Cluster(regions="eu", memtable_bytes=1 << 20) as cluster, contextlib.ExitStack() as stack:
            def write(key):
                return cluster.run("set", "-t", cluster.topology, "--region", "eu", key, "v" * 60000, check=False)

            cluster.kill("eu")
            disks = [stack.enter_context(SmallDisk(cluster.node_dir(node))) for node in cluster.names("eu")]
            stack.callback(cluster.kill, "eu")
            cluster.start("eu")
            written = ["room:{}".format(i) for i in range(100)]
            for key in written:
                self.assertEqual(write(key).returncode, 0)
            for disk in disks:
                disk.fill()
            for i in range(2000):
                result = write("more:{}".format(i))
                if "full" in result.stderr:
                    break
                if result.returncode == 0:
                    written.append("more:{}".format(i))
                else:  # its coordinator has room, and two of the three have none
                    self.assertIn("unknown", result.stderr)
            self.assertIn("full", result.stderr)
            starts = [cluster.status(node)["start"] for node in cluster.names("eu")]
            for node in cluster.names("eu"):
                wait_until(node + " is full", lambda: cluster.status(node)["disk_full"])
            self.assertNotEqual(write("another").returncode, 0)
            for removed, key in enumerate(written):
                cluster.atoll("del", "--region", "eu", key)
                if removed % 10 == 9 and all(cluster.status(node)["has_room"] for node in cluster.names("eu")):
                    break
            for node in cluster.names("eu"):
                wait_until(node + " has room", lambda: cluster.status(node)["has_room"])
            cluster.atoll("set", "--region", "eu", "another", "value")
            self.assertEqual(cluster.atoll("get", "--region", "eu", "another"), "value")
            self.assertNotEqual(cluster.run("get", "-t", cluster.topology, "--region", "eu", written[0],
                                            check=False).returncode, 0)
            self.assertEqual(starts, [cluster.status(node)["start"] for node in cluster.names("eu")])
            print("removed", removed + 1, "of", len(written), flush=True)


if __name__ == "__main__":
    main()
