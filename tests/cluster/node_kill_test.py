#!/usr/bin/env python3
"""kill -9 of single nodes during load: every acknowledged write is on every node afterwards (G1, G3, G4)."""

from cluster import Cluster, ClusterTest, main


class NodeKill(ClusterTest):
    def test_each_role(self):
        """Four nodes, N=3: the node that dies coordinates some keys, is a replica of others, and only forwards the
        rest. Whoever writes what it does not coordinate, and asks others, sees no error."""
        coordinator, replica, without = ("eu,{}=eu-1".format(role) for role in ("coordinator", "replica", "without"))
        forwarded = without + ",via=eu-1"
        with Cluster(regions="eu,us", nodes=4) as cluster:
            with cluster.load("us", coordinator, replica, without, forwarded, placed=True) as load:
                load.wait(200)
                cluster.kill("eu-1")
                load.wait(200, "us", coordinator, replica, without)
                cluster.start("eu-1")
                load.wait(200)
                result = load.finish()
        self.assert_untouched(result, "us", replica, without)
        for touched in (coordinator, forwarded):
            self.assertGreater(result["loads"][touched]["unknown"], 0, "the kill met no write of " + touched)

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

    def test_the_same_node_again_and_again(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            for _ in range(5):
                load.wait(100, "eu")
                cluster.kill("eu-2")
                cluster.start("eu-2")
            load.wait(100)
            self.assert_untouched(load.finish(), "us")


if __name__ == "__main__":
    main()
