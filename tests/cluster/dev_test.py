#!/usr/bin/env python3
"""`atoll dev` with real daemons: what docs/guide/dev-cluster.md promises."""

import os
import socket

from cluster import Cluster, ClusterTest, main


class Dev(ClusterTest):
    def test_up_status_kill_start(self):
        with Cluster(regions="eu,us", nodes=2) as cluster:
            lines = cluster.processes(check=True)
            self.assertEqual(sorted(lines), ["eu-1", "eu-2", "us-1", "us-2"])
            self.assertTrue(all(line["ready"] for line in lines.values()))
            self.assertEqual(lines["us-2"]["resp"], cluster.base_port + 102)
            self.assertEqual(lines["us-2"]["client"], cluster.base_port + 3102)

            self.assertIn("was running", cluster.dev("up").stdout)
            cluster.kill("us-1")
            self.assertFalse(cluster.processes()["us-1"]["running"])
            self.assertIn("nothing ran", cluster.kill("us-1").stdout)
            self.assertIn("started us-1", cluster.dev("up").stdout)
            self.assertTrue(cluster.processes(check=True)["us-1"]["ready"])

            pids = {name: line["pid"] for name, line in cluster.processes(check=True).items()}
            cluster.kill("eu")
            cluster.start("eu")
            after = {name: line["pid"] for name, line in cluster.processes(check=True).items()}
            self.assertNotEqual(pids["eu-1"], after["eu-1"])
            self.assertEqual(pids["us-2"], after["us-2"])

            cluster.dev("down", "--wipe")
            self.assertFalse(os.path.exists(cluster.dir))

    def test_mistakes(self):
        with Cluster(regions="eu,us", nodes=1) as cluster:
            for args, message in ((("kill", "mars"), "found no region or node 'mars'"),
                                  (("cut", "eu", "eu"), "twice"),
                                  (("cut", "eu", "mars"), "found no region 'mars'"),
                                  (("heal", "eu"), "two regions"),
                                  (("up", "--nodes", "2"), "holds a cluster of"),
                                  (("up", "--wan-delay", "fast"), "found the delay 'fast'")):
                result = cluster.dev(*args, check=False)
                self.assertEqual(result.returncode, 1, args)
                self.assertIn(message, result.stderr, args)
            other = os.path.join(cluster.root, "other")
            taken = cluster.run("dev", "up", "--dir", other, "--base-port", str(cluster.base_port), check=False)
            self.assertEqual(taken.returncode, 1)
            self.assertIn("eu-1", taken.stderr)
            self.assertFalse(os.path.exists(other))

    def test_a_node_that_cannot_start(self):
        """Its log is shown, and the others stay."""
        with Cluster(regions="eu,us", nodes=1) as cluster:
            cluster.kill("us-1")
            key = os.path.join(cluster.node_dir("us-1"), "node.key")
            with open(key, "w") as file:
                file.write("not a key\n")
            result = cluster.dev("start", "us-1", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("us-1 ended while it was starting", result.stderr)
            self.assertIn("node.key", result.stderr)
            self.assertTrue(cluster.processes()["eu-1"]["ready"])

    def test_a_port_that_somebody_took(self):
        with Cluster(regions="eu,us", nodes=1) as cluster:
            cluster.kill("us-1")
            with socket.socket() as thief:
                # As the daemon does: connections of the dead process may still be in TIME_WAIT.
                thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                thief.bind(("127.0.0.1", cluster.base_port + 2101))
                thief.listen()
                result = cluster.dev("start", "us-1", check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn("{} (peers of us-1)".format(cluster.base_port + 2101), result.stderr)
            cluster.start("us-1")


if __name__ == "__main__":
    main()
