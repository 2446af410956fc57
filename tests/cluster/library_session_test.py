#!/usr/bin/env python3
"""client/examples/session.cc: it writes in eu, eu is killed with SIGKILL, and from us it reads its own writes, or is
told that us lacks them (G8)."""

import os
import shutil
import subprocess
import unittest

from cluster import ATOLL, Cluster, ClusterTest, main, wait_until
from installed import Installed

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "client", "examples", "session.cc")
NOTES = 100


@unittest.skipIf(shutil.which("meson") is None or shutil.which("pkg-config") is None, "no meson or no pkg-config")
class LibrarySessionTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.installed = Installed(os.path.dirname(os.path.abspath(ATOLL)))
        cls.program = cls.installed.compile(EXAMPLE)

    @classmethod
    def tearDownClass(cls):
        cls.installed.remove()

    def wait_placed(self, cluster):
        """Until nodes have handed over what others shall coordinate, as they do seconds after they have come up: a read
        that waits for its session would begin anew in the middle, and has nothing to say then at its deadline."""
        for node in cluster.names():
            wait_until(node + " coordinates its part", lambda node=node: cluster.status(node)["epochs_held"] > 50)

    def start(self, cluster, *more):
        """The example, when it has written; its token."""
        process = subprocess.Popen([self.program, cluster.topology, "eu", *more], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=self.installed.environment())
        self.addCleanup(process.stdout.close)
        written = process.stdout.readline()
        self.assertRegex(written, r"^written, token [-_A-Za-z0-9]+\n$")
        return process, written.split()[-1]

    def read(self, process):
        """What became of its reads: text -> how many."""
        out, _ = process.communicate("\n", timeout=120)
        self.assertEqual(process.returncode, 0, out)
        told = {}
        for line in out.splitlines():
            count, text = line.split(" ", 1)
            told[text] = int(count)
        self.assertEqual(sum(told.values()), NOTES, out)
        print(told, flush=True)
        return told

    def test_its_region_is_killed(self):
        with Cluster() as cluster:
            self.wait_placed(cluster)
            process, token = self.start(cluster)
            cluster.kill("eu")
            told = self.read(process)
            self.assertLessEqual(set(told), {"own write, read from us",
                                             "not answered: a region lacks what the session saw of eu"})
            # And another process goes on with the token.
            with open(os.path.join(cluster.root, "token"), "w") as file:
                file.write(token + "\n")
            result = cluster.run("get", "-t", cluster.topology, "note:0", "--region", "us", "--session", file.name,
                                 "--deadline", "1000", check=False)
            if result.returncode == 0:
                self.assertEqual(result.stdout, "written 0\n")
            else:
                self.assertIn("(behind)", result.stderr)

    def test_its_region_is_killed_when_the_next_one_has_it_all(self):
        with Cluster() as cluster:
            process, token = self.start(cluster)
            lines = ["use us", "session join " + token] + ["get note:%d" % i for i in range(NOTES)]
            shell = subprocess.run([ATOLL, "shell", "-t", cluster.topology], input="\n".join(lines) + "\n",
                                   capture_output=True, text=True, timeout=120)
            self.assertEqual((shell.returncode, shell.stderr), (0, ""))
            self.assertEqual(shell.stdout.splitlines(), ["written %d" % i for i in range(NOTES)])
            cluster.kill("eu")
            self.assertEqual(self.read(process), {"own write, read from us": NOTES})

    def test_its_region_is_killed_before_it_could_tell_anybody(self):
        with Cluster() as cluster:
            self.wait_placed(cluster)
            cluster.cut("eu", "us")
            cluster.cut("eu", "ap")
            process, token = self.start(cluster)
            cluster.kill("eu")
            self.assertEqual(self.read(process), {"not answered: a region lacks what the session saw of eu": NOTES})

            with open(os.path.join(cluster.root, "token"), "w") as file:
                file.write(token + "\n")
            session = ["--region", "us", "--session", file.name]
            self.assertEqual(cluster.atoll("get", "note:0", *session, "--when-behind", "stale", check=False), "(nil)")
            cluster.heal()
            cluster.start("eu")
            self.assertEqual(cluster.atoll("get", "note:0", *session, "--deadline", "60000"), "written 0")

    def test_it_takes_what_is_there(self):
        with Cluster() as cluster:
            cluster.cut("eu", "us")
            process, _ = self.start(cluster, "stale")
            cluster.kill("eu")
            self.assertEqual(self.read(process), {"stale, and marked so": NOTES})

    def test_its_region_lives(self):
        with Cluster(regions="eu,us", nodes=1) as cluster:
            process, _ = self.start(cluster)
            self.assertEqual(self.read(process), {"own write, read from eu": NOTES})


if __name__ == "__main__":
    main()
