#!/usr/bin/env python3
"""Disks that are not what they were: rolled back, cloned, lost. No dot is issued twice and every acknowledged write
is there afterwards (G12, HAZARDS 1, 9, 38)."""

import os
import shutil
import subprocess

import cluster as harness
from cluster import Cluster, ClusterTest, main

ATOLLD = os.path.join(os.path.dirname(harness.ATOLL), "atolld")
# The harness's own files of a node; what remains is what the daemon has written.
KEPT = ("node.key", "pid", "log.txt")


def replace_data(node_dir, older):
    for name in os.listdir(node_dir):
        if name not in KEPT:
            path = os.path.join(node_dir, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    if older is None:
        return
    for name in os.listdir(older):
        if name not in KEPT:
            source, target = os.path.join(older, name), os.path.join(node_dir, name)
            shutil.copytree(source, target) if os.path.isdir(source) else shutil.copy2(source, target)


class Disk(ClusterTest):
    def test_rolled_back_to_an_older_copy(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            older = os.path.join(cluster.root, "older")
            load.wait(200)
            cluster.kill("eu-2")
            shutil.copytree(cluster.node_dir("eu-2"), older)
            cluster.start("eu-2")
            load.wait(300)
            cluster.kill("eu-2")
            replace_data(cluster.node_dir("eu-2"), older)
            cluster.start("eu-2")
            load.wait(200)
            self.assert_untouched(load.finish(), "us")

    def test_rolled_back_twice_to_the_same_copy(self):
        """The same start of the same disk, once more: its actors must differ all the same."""
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            older = os.path.join(cluster.root, "older")
            load.wait(100)
            cluster.kill("eu-1")
            shutil.copytree(cluster.node_dir("eu-1"), older)
            for _ in range(3):
                cluster.start("eu-1")
                load.wait(100)
                cluster.kill("eu-1")
                replace_data(cluster.node_dir("eu-1"), older)
            cluster.start("eu-1")
            load.wait(100)
            load.finish()

    def test_lost(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(200)
            cluster.kill("us-3")
            replace_data(cluster.node_dir("us-3"), None)
            cluster.start("us-3")
            load.wait(200)
            load.finish()

    def test_cloned_and_both_used_in_turn(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            clone = os.path.join(cluster.root, "clone")
            original = os.path.join(cluster.root, "original")
            load.wait(100)
            cluster.kill("eu-3")
            shutil.copytree(cluster.node_dir("eu-3"), clone)
            cluster.start("eu-3")
            load.wait(200)
            cluster.kill("eu-3")
            shutil.copytree(cluster.node_dir("eu-3"), original)
            replace_data(cluster.node_dir("eu-3"), clone)
            cluster.start("eu-3")
            load.wait(200)
            cluster.kill("eu-3")
            replace_data(cluster.node_dir("eu-3"), original)
            cluster.start("eu-3")
            load.wait(100)
            load.finish()

    def test_a_clone_beside_the_running_original_is_refused(self):
        with Cluster(regions="eu,us", nodes=1) as cluster:
            cluster.atoll("set", "--region", "eu", "k", "v")
            clone = os.path.join(cluster.root, "clone")
            shutil.copytree(cluster.node_dir("eu-1"), clone)
            # As the same node: its ports are taken. As another node: the disk is not that one's.
            for node in ("eu-1", "us-1"):
                result = subprocess.run([ATOLLD, "--topology", cluster.topology, "--node", node, "--data", clone],
                                        capture_output=True, text=True, timeout=30)
                self.assertNotEqual(result.returncode, 0, node)
                self.assertIn("belongs to node" if node == "us-1" else "port", result.stdout + result.stderr, node)
            self.assertEqual(cluster.atoll("get", "--region", "eu", "k"), "v")


if __name__ == "__main__":
    main()
