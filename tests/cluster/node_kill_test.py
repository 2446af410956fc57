#!/usr/bin/env python3
"""kill -9 of single nodes during load: every acknowledged write is on every node afterwards (G1, G3, G4)."""

import unittest

from cluster import Cluster, ClusterTest


class NodeKill(ClusterTest):
    def test_each_node_of_a_region_in_turn(self):
        """Every node coordinates, replicates and streams some partitions, so each role dies three times."""
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(200)
            for node in cluster.names("eu"):
                cluster.kill(node)
                load.wait(200, "eu")
                cluster.start(node)
                load.wait(100)
            self.assert_untouched(load.finish(), "us")

    def test_one_node_in_every_region_at_once(self):
        with Cluster() as cluster, cluster.load() as load:
            load.wait(100)
            for node in ("eu-1", "us-2", "ap-3"):
                cluster.kill(node)
            load.wait(200)
            for node in ("eu-1", "us-2", "ap-3"):
                cluster.start(node)
            load.wait(100)
            load.finish()

    def test_a_node_that_holds_a_part_only(self):
        """Four nodes, N=3: for every partition one node is no replica and forwards."""
        with Cluster(regions="eu,us", nodes=4) as cluster, cluster.load() as load:
            load.wait(200)
            for node in ("eu-1", "eu-4"):
                cluster.kill(node)
                load.wait(200, "eu")
                cluster.start(node)
            load.wait(100)
            self.assert_untouched(load.finish(), "us")

    def test_the_same_node_again_and_again(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            for _ in range(5):
                load.wait(100, "eu")
                cluster.kill("eu-2")
                cluster.start("eu-2")
            load.wait(100)
            load.finish()


if __name__ == "__main__":
    unittest.main(verbosity=2)
