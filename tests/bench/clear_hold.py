#!/usr/bin/env python3
"""How long clears of a large collection hold the loops of the nodes: a region of three nodes, one connection to each that
sends PING without pause, and the longest answer while a set or a map goes. Beside it, in the same run, the longest answer
while the same collection was filled, a thousand members a command.

    tests/bench/clear_hold.py [--build build] [--members 200000] [--base-port 21000] [--dir DIR]"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from resp_client import Client  # noqa: E402

BATCH = 1000


class Pings:
    """Asks one node without pause, and keeps the longest time that an answer took."""

    def __init__(self, port):
        self.client = Client(port, timeout=120)
        self.longest = 0.0
        self.ended = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended:
            began = time.perf_counter()
            self.client.call("PING")
            self.longest = max(self.longest, time.perf_counter() - began)
            time.sleep(0.0005)

    def stop(self):
        self.ended = True
        self.thread.join()
        self.client.close()


def longest(ports, work):
    """Milliseconds of the longest answer of each node while `work` ran and one second longer, and of `work`."""
    pings = [Pings(port) for port in ports]
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    time.sleep(1)
    for ping in pings:
        ping.stop()
    return [round(1000 * ping.longest, 1) for ping in pings], round(1000 * took, 1)


def fill(client, command, key, members):
    for first in range(0, members, BATCH):
        words = []
        for i in range(first, min(first + BATCH, members)):
            words += ["member-%08d" % i] + (["value"] if command == "HSET" else [])
        answer = client.call(command, key, *words)
        assert isinstance(answer, int), answer


@contextlib.contextmanager
def cluster(build, base_port, directory):
    atoll = os.path.join(build, "atoll")
    base = ["--dir", directory]
    subprocess.run([atoll, "dev", "up", "--regions", "eu", "--nodes", "3", "--base-port", str(base_port)] + base,
                   check=True, stdout=subprocess.DEVNULL)
    try:
        yield [base_port + 1, base_port + 2, base_port + 3]
    finally:
        subprocess.run([atoll, "dev", "down", "--wipe"] + base, check=False, stdout=subprocess.DEVNULL)


def wait_until_gone(atoll, directory):
    """Until digests are equal again: what was cleared has gone everywhere."""
    subprocess.run([atoll, "digest", "--wait", "120", "-t", os.path.join(directory, "topology.toml")], check=True,
                   stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--members", type=int, default=200000)
    parser.add_argument("--base-port", type=int, default=21000)
    parser.add_argument("--dir")
    options = parser.parse_args()
    directory = options.dir or os.path.join(tempfile.mkdtemp(prefix="atoll-clears-"), "cluster")
    atoll = os.path.join(options.build, "atoll")
    rows = []
    with cluster(options.build, options.base_port, directory) as ports, Client(ports[0], timeout=120) as client:
        def measure(name, work):
            held, took = longest(ports, work)
            gone = time.perf_counter()
            wait_until_gone(atoll, directory)
            rows.append((name, took, max(held), held, round(time.perf_counter() - gone + 1, 1)))
            print("%-44s answered after %8.1f ms, longest PING %8.1f ms (by node %s), all gone after %.1f s" % rows[-1],
                  flush=True)

        def call(*words):
            answer = client.call(*words)
            assert isinstance(answer, (int, str)), answer

        measure("SADD of all, %d a command" % BATCH, lambda: fill(client, "SADD", "s", options.members))
        measure("DEL of the set", lambda: call("DEL", "s"))
        fill(client, "SADD", "s", options.members)
        measure("SET over the set", lambda: call("SET", "s", "v"))
        fill(client, "SADD", "u", options.members)
        call("SADD", "few", "a", "b")
        measure("SUNIONSTORE of two members over the set", lambda: call("SUNIONSTORE", "u", "few"))
        fill(client, "HSET", "m", options.members)
        measure("DEL of a map", lambda: call("DEL", "m"))
        stored = min(options.members, 65536)
        fill(client, "SADD", "from", stored)
        measure("SUNIONSTORE of %d into an empty key" % stored, lambda: call("SUNIONSTORE", "to", "from"))
        fill(client, "SADD", "from", options.members)
        measure("FLUSHALL", lambda: call("FLUSHALL"))


if __name__ == "__main__":
    main()
