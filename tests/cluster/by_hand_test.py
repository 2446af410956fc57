#!/usr/bin/env python3
"""The story that a newcomer plays by hand: writes in each region, a cut with conflicting writes on both sides, a heal,
a region that dies and catches up. After each step all nodes agree."""

import json

from cluster import Cluster, ClusterTest, main


class ByHand(ClusterTest):
    def agree(self, cluster, key):
        """The value of `key`, which every node must hold itself."""
        cluster.atoll("digest", "--wait", "60")
        values = {cluster.atoll("get", "--node", node, "--local", key) for node in cluster.names()}
        self.assertEqual(len(values), 1, key)
        return values.pop()

    def test_the_story(self):
        with Cluster() as cluster:
            for region in cluster.regions:
                cluster.atoll("set", "--region", region, "from:" + region, region)
                cluster.atoll("sadd", "--region", region, "regions", region)
                cluster.atoll("incr", "--region", region, "visits", "5")
            for region in cluster.regions:
                self.assertEqual(self.agree(cluster, "from:" + region), region)
            self.assertEqual(self.agree(cluster, "visits"), "15")

            cluster.cut("eu", "us")
            cluster.cut("eu", "ap")
            cluster.atoll("set", "--region", "eu", "cart", "apples")
            cluster.atoll("set", "--region", "us", "cart", "pears")
            cluster.atoll("incr", "--region", "eu", "visits", "1")
            cluster.atoll("incr", "--region", "us", "visits", "2")
            cluster.atoll("sadd", "--region", "eu", "regions", "mars")
            cluster.atoll("srem", "--region", "us", "regions", "ap")
            self.assertEqual(cluster.atoll("get", "--region", "eu", "cart"), "apples")
            self.assertEqual(cluster.atoll("get", "--region", "us", "cart"), "pears")
            cluster.heal()
            self.assertIn(self.agree(cluster, "cart"), ("apples", "pears"))
            self.assertEqual(self.agree(cluster, "visits"), "18")
            for region in cluster.regions:
                members = cluster.atoll("smembers", "--region", region, "regions").split()
                self.assertEqual(sorted(members), ["eu", "mars", "us"])
            inspected = cluster.atoll("inspect", "cart", "--json")
            json.loads(inspected)
            self.assertIn("apples", inspected)
            self.assertIn("pears", inspected)

            cluster.kill("ap")
            for region in ("eu", "us"):
                cluster.atoll("set", "--region", region, "without:ap", region)
                self.assertEqual(cluster.atoll("get", "--region", region, "visits"), "18")
            cluster.start("ap")
            self.assertEqual(self.agree(cluster, "without:ap"), "us")


if __name__ == "__main__":
    main()
