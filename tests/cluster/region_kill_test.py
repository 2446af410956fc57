#!/usr/bin/env python3
"""All nodes of a region at once, again and again, during load: the others see no error (G2), and nothing that was
acknowledged is lost (G1). ATOLL_CLUSTER_ROUNDS=50 for the long run."""

from cluster import Cluster, ClusterTest, main, rounds


class RegionKill(ClusterTest):
    def test_a_region_dies_and_returns(self):
        with Cluster() as cluster, cluster.load() as load:
            load.wait(100)
            for _ in range(rounds(5)):
                cluster.kill("ap")
                load.wait(200, "eu", "us")
                cluster.start("ap")
                load.wait(50, "ap")
            self.assert_untouched(load.finish(), "eu", "us")

    def test_every_region_dies_at_once(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(200)
            for _ in range(rounds(3)):
                for region in cluster.regions:
                    cluster.kill(region)
                cluster.dev("up")
                load.wait(50)
            load.finish()

    def test_a_region_is_killed_while_it_recovers(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(300)
            for _ in range(rounds(5)):
                cluster.kill("us")
                cluster.start("us-1")
                cluster.kill("us-1")
            cluster.start("us")
            load.wait(100)
            self.assert_untouched(load.finish(), "eu")


if __name__ == "__main__":
    main()
