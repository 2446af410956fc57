#!/usr/bin/env python3
"""Three regions take writes, and one of them more than checkpoints keep up with: its writers are slowed, nothing that was
acknowledged is missing anywhere, and no stream between regions is lost or begins anew with whole partitions (G9, G3)."""

import threading

from cluster import Cluster, ClusterTest, main, wait_until
from resp_client import Client, Error

MEMTABLE_BYTES = 4 << 20
VALUE, DEPTH, WRITERS, ROUNDS_MIN, ROUNDS_MAX = b"v" * 20000, 40, 4, 20, 400
RESP_PORTS = 100  # from one region's first node to the next one's


class Writer(threading.Thread):
    """Writes its own keys, many at once, until it is told to stop; remembers what was acknowledged last."""

    def __init__(self, name, port, stop):
        super().__init__()
        self.label, self.port, self.stop, self.acknowledged, self.busy, self.other = name, port, stop, {}, 0, []

    def run(self):
        with Client(self.port, timeout=100) as client:
            for number in range(ROUNDS_MAX):
                if number >= ROUNDS_MIN and self.stop.is_set():
                    return
                writes = [("{}:{}".format(self.label, i), b"%d " % number + VALUE) for i in range(DEPTH)]
                client.raw(b"".join(Client.encode("SET", key, value) for key, value in writes))
                for key, value in writes:
                    answer = client.read()
                    if answer == "OK":
                        self.acknowledged[key] = value
                    elif isinstance(answer, Error) and answer.args[0].startswith("BUSY "):
                        self.busy += 1  # nothing has happened
                    else:
                        self.other.append(answer)


class OverloadTest(ClusterTest):
    def test_writers_faster_than_checkpoints(self):
        with Cluster(nodes=1, memtable_bytes=MEMTABLE_BYTES) as cluster:
            nodes = cluster.names()

            def regions():
                return [((node, to), region) for node, status in cluster.statuses().items()
                        for to, region in status["regions"].items()]

            def losses():
                return {names: (region["streams_lost"], region["exchanges"]) for names, region in regions()}

            wait_until("all streams are open", lambda: all(
                region["streams_open"] == region["streams"] for _, region in regions()))
            before, stop = losses(), threading.Event()
            ports = {node: cluster.base_port + RESP_PORTS * i + 1 for i, node in enumerate(nodes)}
            writers = [Writer("{}-{}".format(node, i), port, stop) for node, port in ports.items()
                       for i in range(WRITERS if node == "eu-1" else 1)]
            for writer in writers:
                writer.start()
            wait_until("the writer is slowed", lambda: cluster.status("eu-1")["slowed"] > 0)
            stop.set()
            for writer in writers:
                writer.join()
            for writer in writers:
                self.assertEqual(writer.other, [], writer.label)
            wait_until("the others have caught up", lambda: all(region["lag_entries"] == 0 for _, region in regions()))
            for node, port in ports.items():
                with Client(port) as client:
                    for writer in writers:
                        for key, value in writer.acknowledged.items():
                            self.assertEqual(client.call("GET", key), value, (node, key))
            self.assertEqual(losses(), before)
            print("figures: slowed {}, busy {}, streams stalled {}".format(
                cluster.status("eu-1")["slowed"], sum(writer.busy for writer in writers),
                sum(region["streams_stalled"] for _, region in regions())))


if __name__ == "__main__":
    main()
