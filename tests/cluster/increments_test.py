#!/usr/bin/env python3
"""Increments of Redis clients, which have no names for them, while the nodes that coordinate their keys are killed: each
counts as often as its answer says (hazards 7 and 8)."""

import collections

from cluster import Cluster, ClusterTest, main, wait_until
from resp_client import Client, Error

KEYS, BEFORE, BEHIND = 50, 3000, 500


class IncrementsTest(ClusterTest):
    def test_their_coordinators_are_killed(self):
        with Cluster(regions="eu", nodes=3) as cluster, Client(cluster.base_port + 1, timeout=60) as client:
            done, unknown, counted = collections.Counter(), collections.Counter(), 0
            for node in ("eu-2", "eu-3"):
                sent = ["n{}".format(i % KEYS) for i in range(BEFORE + BEHIND)]
                client.raw(b"".join(Client.encode("INCR", key) for key in sent[:BEFORE]))
                cluster.kill(node)
                client.raw(b"".join(Client.encode("INCR", key) for key in sent[BEFORE:]))
                cluster.start(node)
                for key in sent:
                    answer = client.read()
                    if not isinstance(answer, Error):
                        done[key] += 1
                        continue
                    word = answer.args[0].split(" ")[0]
                    self.assertIn(word, ("COUNTED", "UNKNOWN", "UNAVAILABLE", "TIMEOUT", "BUSY"), answer)
                    done[key] += word == "COUNTED"
                    counted += word == "COUNTED"
                    unknown[key] += word == "UNKNOWN"
                wait_until("all nodes serve", lambda: all(cluster.status(name)["ready"] for name in cluster.names()))
            print("figures: {} done, {} of them counted without a sum, {} unknown".format(
                sum(done.values()), counted, sum(unknown.values())))
            self.assertGreater(sum(done.values()), BEHIND)
            for key in done:
                value = int(client.call("GET", key))
                self.assertGreaterEqual(value, done[key], key)
                self.assertLessEqual(value, done[key] + unknown[key], key)


if __name__ == "__main__":
    main()
