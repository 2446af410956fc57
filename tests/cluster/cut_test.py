#!/usr/bin/env python3
"""Links between regions cut during load: both sides go on (G2), and converge after the heal (G3)."""

from cluster import Cluster, ClusterTest, main


class Cut(ClusterTest):
    def test_a_link_is_cut_and_healed(self):
        with Cluster(regions="eu,us") as cluster, cluster.load() as load:
            load.wait(100)
            cluster.cut("eu", "us")
            load.wait(500)
            cluster.heal("eu", "us")
            load.wait(100)
            self.assert_untouched(load.finish(), "eu", "us")

    def test_one_side_of_a_triangle(self):
        with Cluster() as cluster, cluster.load() as load:
            load.wait(100)
            cluster.cut("eu", "us")
            load.wait(300)
            cluster.heal()
            self.assert_untouched(load.finish(), "eu", "us", "ap")

    def test_a_node_dies_and_returns_while_the_link_is_cut(self):
        """The cut is in force for a node that starts meanwhile."""
        with Cluster(regions="eu,us") as cluster:
            cluster.cut("us", "eu")
            cluster.kill("us")
            cluster.start("us")
            cluster.atoll("set", "--region", "eu", "there", "only")
            self.assertEqual(cluster.run("get", "-t", cluster.topology, "--region", "us", "there",
                                         check=False).returncode, 1)
            with cluster.load() as load:
                load.wait(200)
                cluster.kill("eu-1")
                load.wait(100)
                cluster.start("eu-1")
                cluster.heal()
                load.finish()
            self.assertEqual(cluster.atoll("get", "--region", "us", "there"), "only")


if __name__ == "__main__":
    main()
