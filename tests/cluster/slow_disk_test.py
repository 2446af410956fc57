#!/usr/bin/env python3
"""Nodes whose disks take their time and now and then stand still for a second (slow_disk.cc), under load, while nodes
die and links are cut: nobody stops, and every acknowledged write is on every node afterwards (G1, G3, G4)."""

import os
import random

from cluster import Cluster, ClusterTest, main

SLOW_DISK = os.environ.get("SLOW_DISK", "build/tests/cluster/libslow_disk.so")
SEED = "ATOLL_SLOW_DISK_SEED"


class SlowDisk(ClusterTest):
    def slow_disks(self):
        seed = os.environ.get(SEED, str(random.randrange(1 << 32)))
        print("disks of seed {0}; again: {1}={0}".format(seed, SEED), flush=True)
        # Sanitizers want to be loaded first, and need not be: this library allocates nothing before main().
        return {"LD_PRELOAD": os.path.abspath(SLOW_DISK), SEED: seed,
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def assert_all_on_slow_disks(self, cluster):
        """All nodes run, and on such disks."""
        for node, process in cluster.processes().items():
            self.assertTrue(process["running"], node + " has stopped")
            with open("/proc/{}/maps".format(process["pid"])) as maps:
                self.assertIn(os.path.basename(SLOW_DISK), maps.read(), node)

    def test_a_node_and_a_region_that_is_cut_off_are_killed(self):
        """What the region has acknowledged behind the cut is nowhere else: it must be on its disks."""
        loads = ["{},bytes=20000".format(region) for region in ("eu", "us", "ap")]
        with Cluster(environment=self.slow_disks(), memtable_bytes=1 << 20) as cluster:
            self.assert_all_on_slow_disks(cluster)
            with cluster.load(*loads) as load:
                load.wait(100)
                cluster.kill("eu-2")
                load.wait(100)
                cluster.start("eu-2")
                for other in ("eu", "us"):
                    cluster.cut("ap", other)
                load.wait(150)
                cluster.kill("ap")
                load.wait(100, *loads[:2])
                cluster.start("ap")
                load.wait(50)
                cluster.heal()
                load.wait(50)
                result = load.finish()
            self.assert_all_on_slow_disks(cluster)
            checkpoints = sum(status["checkpoints"] for status in cluster.statuses().values())
            self.assertGreater(checkpoints, 0)
            print("figures: {} writes, {} checkpoints".format(
                sum(told["done"] for told in result["loads"].values()), checkpoints))


if __name__ == "__main__":
    main()
