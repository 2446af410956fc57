#!/usr/bin/env python3
"""What Redis clients that mean no good cost a node: connections that idle, do not read, or never finish what they begin
to send. Memory stays within bounds (G9), and others do not notice (G10)."""

import contextlib
import os
import resource
import socket
import threading

from cluster import Cluster, ClusterTest, main, wait_until
from resp_client import Client, Error

MIB = 1 << 20
HTTP_PORT_OFFSET = 1001  # of the first node
KEEPALIVE_TIMER = 2  # in /proc/net/tcp


class RespBoundsTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        cls.stack = contextlib.ExitStack()
        cls.cluster = cls.stack.enter_context(Cluster(regions="eu", nodes=1))
        cls.port = cls.cluster.base_port + 1
        with Client(cls.port) as client:
            info = client.call("INFO", "server").decode()
        cls.pid = int(next(line.split(":")[1] for line in info.splitlines() if line.startswith("process_id:")))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def memory(self):
        """Of its own, in bytes: without LMDB's map."""
        with open("/proc/{}/status".format(self.pid)) as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))

    @contextlib.contextmanager
    def clients(self, count):
        """So many connections."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(Client(self.port)) for _ in range(count)]

    def serve_somebody_else(self):
        with Client(self.port, timeout=100) as client:
            for i in range(200):
                self.assertEqual(client.call("SET", "other", i), "OK")
                self.assertEqual(client.call("GET", "other"), b"%d" % i)

    def assert_grown_less(self, before, most, what):
        grown = self.memory() - before
        print("figures: {}: {:.1f} MiB".format(what, grown / MIB))
        self.assertLess(grown, most, what)

    def test_a_thousand_idle_connections(self):
        before = self.memory()
        with self.clients(1000) as clients:
            for client in clients:
                self.assertEqual(client.call("PING"), "PONG")
            self.assert_grown_less(before, 16 * MIB, "1000 idle connections")
            self.serve_somebody_else()

    def test_announced_and_never_sent(self):
        before = self.memory()
        with self.clients(300) as clients:
            for i, client in enumerate(clients):
                client.raw((b"*1048576\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16777216\r\nx", b"$")[i % 3])
            self.serve_somebody_else()
            self.assert_grown_less(before, 16 * MIB, "300 clients that announce megabytes and stop")

    def test_clients_that_do_not_read(self):
        with Client(self.port) as client:
            self.assertEqual(client.call("SET", "large", b"v" * MIB), "OK")
            client.call("GET", "large")
        before, clients_count = self.memory(), 40
        with self.clients(clients_count) as clients:
            for client in clients:
                client.raw(Client.encode("GET", "large") * 200)
            self.serve_somebody_else()
            # What was asked for before the first answer was seen, and what was written until then.
            self.assert_grown_less(before, clients_count * 6 * MIB, "40 clients that ask for 200 MiB each and read nothing")

    def test_large_values_that_nobody_reads(self):
        with Client(self.port) as client:
            self.assertEqual(client.call("SET", "huge", b"v" * (16 * MIB)), "OK")
        before = self.memory()
        with self.clients(60) as clients:
            for client in clients:
                client.raw(Client.encode("GET", "huge") * 4)
            self.serve_somebody_else()
            self.assert_grown_less(before, 768 * MIB, "60 clients that ask for 64 MiB each and read nothing")

    def test_large_values_from_many(self):
        command = Client.encode("SET", "written", b"v" * (8 * MIB))
        before = self.memory()
        answers = []
        with self.clients(40) as clients:
            for client in clients:
                client.socket.settimeout(50)
            threads = [threading.Thread(target=lambda c=c: (c.raw(command * 4), answers.extend(c.read() for _ in range(4))))
                       for c in clients]
            for thread in threads:
                thread.start()
            self.serve_somebody_else()
            for thread in threads:
                thread.join()
        self.assertEqual(len(answers), 160)
        for answer in answers:
            if isinstance(answer, Error):
                self.assertRegex(answer.args[0], "^BUSY ")
        self.assert_grown_less(before, 768 * MIB, "40 clients that write 32 MiB each")

    def test_commands_of_many_keys(self):
        keys = Client.encode("EXISTS", *range(100000))
        before = self.memory()
        with self.clients(20) as clients:
            for client in clients:
                client.raw(keys[:-1])
            for client in clients:
                client.raw(keys[-1:])
            answers = [client.read() for client in clients]
        self.assertIn(0, answers)
        for answer in answers:
            if isinstance(answer, Error):
                self.assertRegex(answer.args[0], "^BUSY ")
        self.assert_grown_less(before, 384 * MIB, "20 clients with commands of 100,000 keys")

    def test_one_command_that_answers_gigabytes(self):
        with Client(self.port) as client:
            client.call("SADD", "set", b"m" * 60000)
            client.call("HSET", "map", "field", b"v" * 60000)
            before = self.memory()
            for command in (("SRANDMEMBER", "set", -1000000), ("HRANDFIELD", "map", -1000000, "WITHVALUES")):
                answer = client.call(*command)
                self.assertIsInstance(answer, Error, command)
                self.assertIn("64 MiB", answer.args[0])
            self.assert_grown_less(before, 192 * MIB, "members at random, 60 GB together")
            # Beyond what one command may read: told so, page for page it is there.
            for i in range(1200):
                client.send("SADD", "larger", b"%06d" % i + b"m" * 60000)
                client.read()
            answer = client.call("SMEMBERS", "larger")
            self.assertIsInstance(answer, Error)
            self.assertIn("64 MiB", answer.args[0])
            found, cursor = 0, b"0"
            while found == 0 or cursor != b"0":
                cursor, page = client.call("SSCAN", "larger", cursor)
                found += len(page)
            self.assertEqual(found, 1200)
            self.assert_grown_less(before, 256 * MIB, "a set of 72 MB")

    def test_connections_of_silent_clients_are_asked_after(self):
        """Of a client that has gone without a word the kernel itself would think after two hours."""
        for port in (self.port, self.cluster.base_port + HTTP_PORT_OFFSET):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                mine = connection.getsockname()[1]
                wait_until("port {} asks after its client within a minute".format(port),
                           lambda: 0 <= seconds_to_question(port, mine) <= 60)


def seconds_to_question(local, remote):
    """Until `local`'s end of the connection between these ports asks whether the other one is still there; less than 0
    where it will not, or no process has it yet."""
    with open("/proc/net/tcp") as file:
        for words in map(str.split, file.readlines()[1:]):
            if tuple(int(address.split(":")[1], 16) for address in words[1:3]) == (local, remote):
                timer, ticks = (int(number, 16) for number in words[5].split(":"))
                return ticks / os.sysconf("SC_CLK_TCK") if timer == KEEPALIVE_TIMER else -1
    return -1


if __name__ == "__main__":
    main()
