"""Ports on loopback for clusters of tests that run beside each other, in one process or in many."""

import random
import socket

# Below the ports that the kernel gives to outgoing connections; tests/wan/free_port.cc has those below these. `atoll
# dev` spreads a cluster over four ranges, 1000 ports apart: in 4000 ports lie three clusters of up to three regions.
FIRST, END, SPAN, CLUSTER_PORTS, REGIONS_MAX = 12000, 28000, 4000, 300, 3
RANGES = (0, 1000, 2000, 3000)
BASES = [span + CLUSTER_PORTS * part for span in range(FIRST, END, SPAN) for part in range(3)]


class Ports:
    """Those of a dev cluster from `base` on. No other test is given them until close() or the process's end."""

    def __init__(self, base, guard):
        self.base, self._guard = base, guard

    def close(self):
        self._guard.close()


def own(base):
    """Who has bound their name owns these ports; abstract addresses leave nothing behind. None: somebody else does."""
    guard = socket.socket(socket.AF_UNIX)
    try:
        guard.bind("\0atoll-test-ports-{}".format(base))
        return Ports(base, guard)
    except OSError:
        guard.close()
        return None


def nothing_listens(base):
    """Strangers own nothing, and listen all the same. SO_REUSEADDR as the daemon: what is in TIME_WAIT does not count."""
    for port in (base + offset + i for offset in RANGES for i in range(CLUSTER_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports():
    for base in random.sample(BASES, len(BASES)):
        ports = own(base)
        if ports is None:
            continue
        if nothing_listens(base):
            return ports
        ports.close()
    raise AssertionError("found no ports for a cluster from {} to {} that nobody holds".format(FIRST, END))
