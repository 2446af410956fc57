"""A dev cluster for one test: on free ports, in a directory of its own, gone when the test is over.

    with Cluster(regions="eu,us") as cluster, cluster.load() as load:
        load.wait(200)
        cluster.kill("eu-1")
        load.wait(200, "eu")
        result = load.finish()

The programs come from the environment: ATOLL (atolld lies beside it) and CLUSTER_LOAD."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import ports

ATOLL = os.environ.get("ATOLL", "build/atoll")
CLUSTER_LOAD = os.environ.get("CLUSTER_LOAD", "build/tests/cluster/cluster_load")
LOG_LINES_SHOWN = 40
WAIT_SECONDS_MAX = 120
STALL_MS = 1000  # less than a node waits before it takes a silent peer for dead


# Meson ends a test that takes too long with SIGTERM; its cluster must not stay.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))


class Failed(AssertionError):
    """A command ended with another status than it should."""


class Cluster:
    def __init__(self, regions="eu,us,ap", nodes=3, wan_delay="5ms", environment=None, **defaults):
        """`environment`: what the nodes have in theirs on top. `defaults`: what the topology's section of that name is
        to say instead."""
        self.regions, self.nodes, self.wan_delay, self.defaults = regions.split(","), nodes, wan_delay, defaults
        self.environment, self.ports = {**os.environ, **(environment or {})}, None
        assert len(self.regions) <= ports.REGIONS_MAX
        self.root = tempfile.mkdtemp(prefix="atoll-cluster-")
        self.dir = os.path.join(self.root, "dev")
        self.topology = os.path.join(self.dir, "topology.toml")

    def __enter__(self):
        try:
            self._up()
        except BaseException:
            self._show_logs()
            self._remove()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self._show_logs()
        self._remove()

    def _up(self):
        self.ports = ports.free_ports()
        self.base_port = self.ports.base
        self.dev("up", "--regions", ",".join(self.regions), "--nodes", str(self.nodes), "--base-port",
                 str(self.base_port), "--wan-delay", self.wan_delay)
        self._change_defaults()

    def _change_defaults(self):
        if not self.defaults:
            return
        with open(self.topology) as file:
            text = file.read()
        for name, value in self.defaults.items():
            text, count = re.subn("^{} = .*$".format(name), "{} = {}".format(name, value), text, flags=re.M)
            if count != 1:
                raise Failed("the topology has no default " + name)
        with open(self.topology, "w") as file:
            file.write(text)
        for region in self.regions:
            self.kill(region)
        self.dev("up")

    def _remove(self):
        self.dev("down", check=False)
        shutil.rmtree(self.root, ignore_errors=True)
        if self.ports is not None:
            self.ports.close()

    def _show_logs(self):
        for name in self.names():
            try:
                with open(os.path.join(self.node_dir(name), "log.txt"), errors="replace") as log:
                    lines = log.readlines()[-LOG_LINES_SHOWN:]
            except OSError:
                continue
            print("---- {}\n{}".format(name, "".join(lines)), flush=True)

    def names(self, region=None):
        return ["{}-{}".format(r, j) for r in self.regions if region in (None, r) for j in range(1, self.nodes + 1)]

    def node_dir(self, node):
        return os.path.join(self.dir, node)

    # ---- commands

    def run(self, *args, check=True, timeout=90, env=None):
        result = subprocess.run([ATOLL, *args], capture_output=True, text=True, timeout=timeout, errors="replace",
                                env=env)
        if check and result.returncode != 0:
            raise Failed("atoll {}: status {}\n{}{}".format(" ".join(args), result.returncode, result.stdout,
                                                            result.stderr))
        return result

    def dev(self, verb, *args, check=True):
        return self.run("dev", verb, *args, "--dir", self.dir, check=check, env=self.environment)

    def atoll(self, verb, *args, check=True):
        """Any other command: its output without the newline at the end."""
        return self.run(verb, "-t", self.topology, *args, check=check).stdout.rstrip("\n")

    def statuses(self):
        """What each node that answers says of itself."""
        nodes = json.loads(self.atoll("status", "--json", check=False))["nodes"]
        return {status["node"]: status for status in nodes}

    def status(self, node):
        return self.statuses()[node]

    def processes(self, check=False):
        """What `dev status` says of each node. `check`: all of them serve."""
        nodes = json.loads(self.dev("status", "--json", check=check).stdout)["nodes"]
        return {process["node"]: process for process in nodes}

    def kill(self, target):
        return self.dev("kill", target)

    def start(self, target):
        return self.dev("start", target)

    def cut(self, a, b):
        return self.dev("cut", a, b)

    def heal(self, *pair):
        return self.dev("heal", *pair)

    def load(self, *loads, placed=False):
        """Writes in the background: those that load_spec.h describes, or everywhere. `placed`: they begin when every
        key is coordinated by the first node of its preference list."""
        return Load(self.topology, loads, placed)


class Load:
    """Writes in the background (cluster_load.cc) until finish()."""

    def __init__(self, topology, loads, placed):
        self.placed = placed
        self.process = subprocess.Popen([CLUSTER_LOAD, topology, *loads], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            if self.placed:
                self._tell("placed")
            self._tell("start")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def _tell(self, *words):
        answer = self._say(" ".join(words))
        if answer != "ok":
            raise Failed("{}: {}".format(" ".join(words), answer or "the load ended"))

    def wait(self, count, *loads):
        """Until that many more writes are acknowledged in each of the loads (none named: in all)."""
        self._tell("wait", str(count), *loads)

    def wait_rejected(self, count, *loads):
        """The same for writes that are rejected."""
        self._tell("rejected", str(count), *loads)

    def end(self, *loads):
        """They write no more; finish() judges what they have written."""
        self._tell("end", *loads)

    def wait_placed(self):
        """Until every key is coordinated by the first node of its preference list."""
        self._tell("placed")

    def finish(self):
        """Stops the writing, and returns what all nodes hold compared with what was acknowledged. Raises when
        anything is wrong."""
        answer = self._say("stop")
        status = self.process.wait(timeout=120)
        result = json.loads(answer) if answer else {}
        print(json.dumps(result), flush=True)
        if status != 0 or not result:
            raise Failed("the load ended with status {}: {}".format(status, answer))
        return result


def wait_until(what, holds):
    """Asks until it does; nobody announces it."""
    for _ in range(WAIT_SECONDS_MAX * 10):
        if holds():
            return
        time.sleep(0.1)
    raise Failed("waited {} s in vain: {}".format(WAIT_SECONDS_MAX, what))


def rounds(default):
    """How often the tests that repeat a fault do so: ATOLL_CLUSTER_ROUNDS overrides."""
    return int(os.environ.get("ATOLL_CLUSTER_ROUNDS", default))


SKIPPED = 77  # what Meson takes for it


def main():
    """Runs the tests of the file. Where all of them had to be skipped, the exit status says so."""
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.testsRun == len(result.skipped) > 0 else 0)


class ClusterTest(unittest.TestCase):
    longMessage = True

    def assert_untouched(self, result, *loads):
        """Every write of these loads was acknowledged."""
        for load in loads:
            told = result["loads"][load]
            self.assertGreater(told["done"], 0, load)
            if result["stalled_ms"] >= STALL_MS:  # nodes may have suspected each other (stall_watch.h)
                print("the machine stood still for {} ms: unknown writes are nobody's fault".format(
                    result["stalled_ms"]))
                self.assertEqual(told["rejected"], 0, told["reasons"])
            else:
                self.assertEqual(told["reasons"], {}, load)
