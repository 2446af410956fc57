#!/usr/bin/env python3
"""SIGSTOP: a process that was stopped for a while does not answer from its past (G7, hazard 19)."""

import os
import signal
import time

from cluster import Cluster, ClusterTest, Failed, main, wait_until
from resp_client import Client, Error

KEYS = ["key-{}".format(i) for i in range(30)]


def connect(cluster, node):
    return Client(cluster.processes()[node]["resp"], timeout=60)


def set_at_last(client, key, value, seconds=60):
    """Until it is acknowledged: its coordinator may be the one that is stopped."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if client.call("SET", key, value) == "OK":
            return
    raise Failed("{} takes no value within {} s".format(key, seconds))


class Pause(ClusterTest):
    def test_reads_that_waited_for_a_stopped_node(self):
        """They lie in its socket when it goes on, and it still takes itself for the coordinator of what others have
        written meanwhile."""
        with Cluster(regions="eu", nodes=3) as cluster:
            for number, node in enumerate(cluster.names()):
                other = cluster.names()[(number + 1) % 3]
                old, new = "old {}".format(number), "new {}".format(number)
                wait_until(node + " coordinates what is its own", lambda: cluster.status(node)["epochs_held"] > 50)
                with connect(cluster, node) as stopped, connect(cluster, other) as client:
                    for key in KEYS:
                        set_at_last(stopped, key, old)
                    process = cluster.processes()[node]["pid"]
                    os.kill(process, signal.SIGSTOP)
                    try:
                        for key in KEYS:
                            stopped.send("GET", key)
                        for key in KEYS:
                            set_at_last(client, key, new)
                    finally:
                        os.kill(process, signal.SIGCONT)
                    for key in KEYS:
                        answer = stopped.read()
                        self.assertTrue(answer == new.encode() or isinstance(answer, Error),
                                        "{} was set to {!r}, and then {} answers {!r}".format(key, new, node, answer))
                    for key in KEYS:
                        self.assertEqual(client.call("GET", key), new.encode())


if __name__ == "__main__":
    main()
