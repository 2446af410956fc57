#!/usr/bin/env python3
"""Within one region a command behaves, and fails, as Redis documents it for one server: the same commands go to a
redis-server and to the nodes of a region, and every reply is compared. Then what is Atoll's own, and what bad clients
do."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from cluster import Cluster, ClusterTest, main
from ports import free_ports
from resp_client import Client, Error

ROUNDS = int(os.environ.get("ATOLL_RESP_ROUNDS", "1500"))


class Redis:
    """The reference, without a file of its own."""

    def __enter__(self):
        if shutil.which("redis-server") is None:
            raise unittest.SkipTest("redis-server is not installed")
        self.dir = tempfile.mkdtemp(prefix="atoll-redis-")
        self.ports = free_ports()
        self.port = self.ports.base
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--save", "", "--dir", self.dir,
                                         "--databases", "1"],
                                        stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                with Client(self.port) as client:
                    if client.call("PING") == "PONG":
                        return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.ports.close()


# Replies that have no order of their own.
UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "KEYS", "HKEYS", "HVALS"}
PAIRS = {"HGETALL"}


def normal(words, reply):
    name = str(words[0]).upper()
    if name in UNORDERED and isinstance(reply, list):
        return sorted(reply)
    if name in PAIRS and isinstance(reply, list):
        return sorted(zip(reply[::2], reply[1::2]))
    return reply


# One after another, on one set of keys. Errors are compared to the letter.
SCRIPT = """
PING
PING hello
ECHO x
GET
GET a b
GET nothing
SET
SET a
SET a 1
GET a
SET a 2 NX
SET a 2 XX
GET a
SET b 1 XX
GET b
SET b 1 NX
SET b 2 GET
SET b 3 XX GET
SET b 4 NX GET
SET nob 4 NX GET
GET nob
GET b
SET b 1 NX XX
SET b 1 WHAT
SETNX b 7
SETNX c 7
GETSET c 8
GETSET c9 8
GETDEL c9
GETDEL c9
APPEND ap hello
APPEND ap " world"
APPEND ap ""
GET ap
STRLEN ap
STRLEN nothing
GETRANGE ap 0 4
GETRANGE ap -5 -1
GETRANGE ap -1 -5
GETRANGE ap 3 1
GETRANGE ap 0 100
GETRANGE ap x 1
GETRANGE nothing 0 1
SUBSTR ap 0 4
SETRANGE ap 6 Redis
GET ap
SETRANGE sr 3 abc
GET sr
SETRANGE sr -1 abc
SETRANGE sr x abc
SETRANGE nothing 0 ""
EXISTS nothing
INCR n
INCR n
DECR n
INCRBY n 40
DECRBY n 2
GET n
INCRBY n x
INCRBY n 1.5
INCRBY n 9223372036854775807
INCRBY n 9223372036854775808
DECRBY n -9223372036854775808
GET n
INCR ap
INCRBY n 010
SET big 9223372036854775807
INCR big
DECR big
SET neg -9223372036854775808
DECR neg
SET spaced " 1"
INCR spaced
SET plus +1
INCR plus
SET zeros 01
INCR zeros
APPEND n 5
GET n
INCR n
MSET m1 1 m2 2 m1 3
MGET m1 m2 nothing m1
MSET m1
MSET m1 1 m2
MSETNX m1 1 q 2
EXISTS q
MSETNX q1 1 q2 2
MGET q1 q2
MSETNX q3
DEL q1 q2 nothing
DEL
EXISTS m1 m2 m1 nothing
UNLINK m1
TOUCH m1 m2
TYPE a
TYPE nothing
SADD s a b c a
SADD s
SADD s c d
SCARD s
SCARD nothing
SMEMBERS s
SMEMBERS nothing
SISMEMBER s a
SISMEMBER s z
SISMEMBER nothing z
SMISMEMBER s a z b
SMISMEMBER nothing z
SREM s a z
SREM nothing z
SREM s
TYPE s
GET s
SET s2 x
SADD s2 x
SREM s2 x
SCARD s2
SMEMBERS s2
SISMEMBER s2 x
SPOP s2
SRANDMEMBER s2
APPEND s x
INCR s
GETRANGE s 0 1
STRLEN s
GETSET s x
GETDEL s
SET s x GET
SET s x NX
HSET s f v
HGET s f
MGET s a
SADD t b c e
SINTER s t
SINTER s nothing
SINTER s a
SUNION s t
SUNION s t nothing
SDIFF s t
SDIFF t s
SINTERCARD 2 s t
SINTERCARD 2 s t LIMIT 1
SINTERCARD 0 s
SINTERCARD x s
SINTERCARD 3 s t
SINTERCARD 2 s t LIMIT -1
SINTERCARD 2 s t LIMIT
SINTERSTORE d s t
SMEMBERS d
SUNIONSTORE d s t
SMEMBERS d
SDIFFSTORE d s t
SMEMBERS d
SINTERSTORE d s nothing
EXISTS d
SUNIONSTORE a s
TYPE a
SMOVE s t d
SMOVE s t zz
SMOVE nothing t zz
SMOVE s ap b
SMOVE ap s b
SMEMBERS s
SMEMBERS t
SPOP nothing
SPOP nothing 2
SPOP s -1
SPOP s x
SPOP s 0
SPOP s 1 1
SRANDMEMBER nothing
SRANDMEMBER nothing 3
SRANDMEMBER s 0
SRANDMEMBER s x
SADD one x
SPOP one
EXISTS one
SADD one x
SRANDMEMBER one
SRANDMEMBER one -3
SRANDMEMBER one 5
SPOP one 5
SREM t b c e d
EXISTS t
HSET h f1 v1 f2 v2
HSET h f1 v3
HSET h f1
HSET h
HSET h f3 v3 f4
HSETNX h f1 v
HSETNX h f9 v
HMSET h a 1 b 2
HMSET h a
HGET h f1
HGET h nothing
HGET nothing f
HMGET h f1 nothing f2
HMGET nothing f
HGETALL h
HGETALL nothing
HLEN h
HLEN nothing
HKEYS h
HVALS h
HEXISTS h f1
HEXISTS h nothing
HSTRLEN h f1
HSTRLEN h nothing
HINCRBY h a 5
HINCRBY h new 5
HINCRBY h f1 5
HINCRBY h a x
HINCRBY h a 9223372036854775807
HGETALL h
HDEL h f1 nothing
HDEL h
HDEL nothing f
HRANDFIELD nothing
HRANDFIELD nothing 2
HRANDFIELD h x
HRANDFIELD h 1 what
HSET hone f v
HRANDFIELD hone
HRANDFIELD hone 5
HRANDFIELD hone 5 WITHVALUES
HRANDFIELD hone -2
HGET ap f
HGETALL ap
HLEN ap
HKEYS ap
HMGET ap f
HINCRBY ap f 1
HDEL ap f
HEXISTS ap f
SADD h x
TYPE h
HDEL hone f
EXISTS hone
SET h string
GET h
OBJECT ENCODING n
OBJECT ENCODING nothing
TTL nothing
TTL n
PTTL n
PERSIST n
PERSIST nothing
SCAN x
SCAN 0 COUNT x
SCAN 0 COUNT 0
SCAN 0 WHAT 1
SCAN 0 MATCH
SSCAN nothing 0
HSCAN nothing 0
SSCAN ap 0
HSCAN ap 0
SSCAN one
KEYS nothing*
SELECT 0
SELECT 1
SELECT x
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME "a b"
AUTH x
AUTH x y
AUTH x y z
HELLO 4
HELLO x
HELLO 2 WHAT
nonsense
nonsense a b
COMMAND GETKEYS GET a
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS SINTERCARD 2 a b LIMIT 1
COMMAND GETKEYS SINTERCARD 3 a b
CLIENT WHAT
CLIENT ID x
CLIENT SETNAME
CLIENT NO-EVICT maybe
CLIENT NO-EVICT on
CONFIG GET
RESET
SET often 1 NX NX
SET often 2 XX XX
SET often 3 NX XX
SET often 4 KEEPTTL
SET often 5 XX KEEPTTL GET
GET often
HRANDFIELD nothing 9223372036854775807
HRANDFIELD nothing 9223372036854775807 WITHVALUES
FLUSHDB WHAT
FLUSHALL SYNC WHAT
DBSIZE
FLUSHDB
DBSIZE
KEYS *
RANDOMKEY
SET a 1
DBSIZE
RANDOMKEY
FLUSHALL ASYNC
DBSIZE
"""

# Where the sentence is our own: the first word has to be the same.
OWN_SENTENCE = {"CLIENT", "CONFIG", "COMMAND", "OBJECT", "SET", "HELLO"}


def words_of(line):
    import shlex
    return shlex.split(line)


def random_command(prng):
    key = prng.choice(["k1", "k2", "k3", "k4"])
    other = prng.choice(["k1", "k2", "k3", "k4"])
    item, field = prng.choice("abcdef"), prng.choice("uvwxyz")
    number = prng.choice([0, 1, -1, 5, 100, -7])
    return [str(word) for word in prng.choice([
        ("SET", key, number), ("SET", key, item), ("GET", key), ("SET", key, item, "NX"), ("SET", key, item, "XX"),
        ("SET", key, number, "GET"), ("SETNX", key, number), ("GETSET", key, number), ("GETDEL", key), ("DEL", key),
        ("DEL", key, other), ("EXISTS", key, other), ("TYPE", key), ("INCR", key), ("INCRBY", key, number),
        ("DECR", key), ("APPEND", key, item), ("STRLEN", key), ("GETRANGE", key, number, 3),
        ("SETRANGE", key, abs(number), item), ("MSET", key, 1, other, 2), ("MGET", key, other),
        ("MSETNX", key, 1, other, 2), ("SADD", key, item, field), ("SREM", key, item), ("SCARD", key),
        ("SMEMBERS", key), ("SISMEMBER", key, item), ("SMISMEMBER", key, item, field), ("SINTER", key, other),
        ("SUNION", key, other), ("SDIFF", key, other), ("SINTERSTORE", "k5", key, other),
        ("SUNIONSTORE", other, key, "k5"), ("SDIFFSTORE", key, key, other), ("SMOVE", key, other, item),
        ("SINTERCARD", 2, key, other), ("HSET", key, field, number), ("HSET", key, field, item, item, 3),
        ("HGET", key, field), ("HDEL", key, field), ("HGETALL", key), ("HLEN", key), ("HMGET", key, field, item),
        ("HINCRBY", key, field, number), ("HSETNX", key, field, 1), ("HEXISTS", key, field), ("HKEYS", key),
        ("HVALS", key), ("HSTRLEN", key, field), ("KEYS", "*"), ("DBSIZE",)])]


class RespTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.cluster = cls.stack.enter_context(Cluster(regions="eu", nodes=3))
        cls.ports = [cls.cluster.base_port + j for j in (1, 2, 3)]

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def setUp(self):
        with Client(self.ports[0]) as client:
            self.assertEqual(client.call("FLUSHALL"), "OK")

    def compare(self, redis, ours, words):
        expected, found = normal(words, redis.call(*words)), normal(words, ours.call(*words))
        if str(words[0]).upper() in OWN_SENTENCE and isinstance(expected, Error) and isinstance(found, Error):
            expected, found = expected.args[0].split(" ")[0], found.args[0].split(" ")[0]
        self.assertEqual(found, expected, " ".join(map(str, words)))

    def test_every_command_as_redis(self):
        with Redis() as reference, Client(reference.port) as redis, Client(self.ports[0]) as ours:
            for line in SCRIPT.strip().splitlines():
                self.compare(redis, ours, words_of(line))

    def test_random_commands_as_redis_at_changing_nodes(self):
        seed = int(os.environ.get("ATOLL_RESP_SEED", random.randrange(1 << 32)))
        print("seed", seed)
        prng = random.Random(seed)
        with Redis() as reference, Client(reference.port) as redis, contextlib.ExitStack() as stack:
            nodes = [stack.enter_context(Client(port)) for port in self.ports]
            for _ in range(ROUNDS):
                self.compare(redis, prng.choice(nodes), random_command(prng))

    def test_pipelines_are_answered_in_order(self):
        prng = random.Random(5)
        with Redis() as reference, Client(reference.port) as redis, Client(self.ports[1]) as ours:
            for _ in range(20):
                commands = [random_command(prng) for _ in range(200)]
                data = b"".join(Client.encode(*words) for words in commands)
                redis.raw(data)
                ours.raw(data)
                for words in commands:
                    self.assertEqual(normal(words, ours.read()), normal(words, redis.read()), words)

    def test_inline_commands(self):
        with Client(self.ports[0]) as client:
            client.raw(b"\r\nSET inline \"a\\x20b\\n\"\r\nGET inline\nGET 'inline\r\n")
            self.assertEqual([client.read(), client.read()], ["OK", b"a b\n"])
            self.assertEqual(client.read(), Error("ERR Protocol error: unbalanced quotes in request"))
            self.assertTrue(client.at_end())

    def test_lengths_and_requests_of_another_protocol_end_the_connection(self):
        with Redis() as redis:
            for data in (b"*01\r\n$4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*-0\r\nPING\r\n"):
                for port in (redis.port, self.ports[0]):
                    with Client(port) as client:
                        client.raw(data)
                        self.assertRegex(client.read().args[0], "^ERR Protocol error: invalid (multi)?bulk length$")
                        self.assertTrue(client.at_end())
        with Client(self.ports[0]) as other:
            for head in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: here\r\n"):
                with Client(self.ports[0]) as client:
                    client.raw(head + b"\r\nSET posted by-a-web-page\r\n")
                    while not client.at_end():
                        pass
                self.assertIsNone(other.call("GET", "posted"))

    def test_version_3(self):
        with Client(self.ports[0]) as client:
            hello = client.call("HELLO", 3, "SETNAME", "three")
            self.assertEqual(hello[b"proto"], 3)
            self.assertEqual(client.call("CLIENT", "GETNAME"), b"three")
            client.call("HSET", "h", "f", "v")
            self.assertEqual(client.call("HGETALL", "h"), {b"f": b"v"})
            self.assertIsNone(client.call("GET", "nothing"))

    def test_scan_visits_what_is_there_throughout(self):
        keys = {b"key:%d" % i for i in range(3000)}
        with Client(self.ports[0]) as client, Client(self.ports[1]) as other:
            for key in keys:
                client.send("SET", key, 1)
            for _ in keys:
                self.assertEqual(client.read(), "OK")
            client.call("SADD", "a set", "x")
            seen, cursor, steps = [], b"0", 0
            while True:
                cursor, page = client.call("SCAN", cursor, "MATCH", "key:*", "TYPE", "string")
                seen += page
                steps += 1
                other.call("SET", "passing:%d" % steps, 1)
                if cursor == b"0":
                    break
            self.assertEqual(set(seen), keys)
            self.assertEqual(len(seen), len(keys))
            self.assertGreater(steps, 3)
            members = {b"m%d" % i for i in range(2500)}
            client.call("SADD", "big", *members)
            seen, cursor = [], b"0"
            while True:
                cursor, page = client.call("SSCAN", "big", cursor)
                seen += page
                if cursor == b"0":
                    break
            self.assertEqual(sorted(seen), sorted(members))
            self.assertEqual(client.call("DBSIZE"), len(keys) + 2 + steps)

    def test_members_at_random(self):
        with Client(self.ports[0]) as client:
            members = {b"m%d" % i for i in range(100)}
            client.call("SADD", "s", *members)
            self.assertEqual(set(client.call("SRANDMEMBER", "s", 100)), members)
            self.assertEqual(len(client.call("SRANDMEMBER", "s", -300)), 300)
            self.assertGreater(len({client.call("SRANDMEMBER", "s") for _ in range(100)}), 10)
            popped = client.call("SPOP", "s", 60)
            self.assertEqual(len(set(popped)), 60)
            self.assertEqual(set(client.call("SMEMBERS", "s")), members - set(popped))
            client.call("HSET", "h", *[word for i in range(50) for word in ("f%d" % i, i)])
            self.assertEqual(len(set(client.call("HRANDFIELD", "h", 50))), 50)
            self.assertEqual(len(client.call("HRANDFIELD", "h", -70)), 70)

    def test_siblings_and_quorum(self):
        with Client(self.ports[0]) as client:
            client.call("SET", "k", "v")
            found = client.call("ATOLL.SIBLINGS", "k")
            self.assertEqual(found[1], [b"v"])
            self.assertEqual(client.call("ATOLL.SET", "k", "w", client.call("ATOLL.CONTEXT", "k")), "OK")
            self.assertEqual(client.call("GET", "k"), b"w")
            self.assertEqual(client.call("ATOLL.QUORUM"), [2, 2])
            self.assertEqual(client.call("ATOLL.QUORUM", 3, 3), "OK")
            self.assertEqual(client.call("SET", "k", "x"), "OK")
            self.assertEqual(client.call("GET", "k"), b"x")
            self.assertTrue(client.call("ATOLL.QUORUM", 4, 1).args[0].startswith("ERR r and w"))

    def test_large_values(self):
        value = random.Random(1).randbytes(16 << 20)
        with Client(self.ports[0]) as client, Client(self.ports[2]) as other:
            self.assertEqual(client.call("SET", "large", value), "OK")
            self.assertTrue(other.call("GET", "large") == value)
            self.assertEqual(client.call("STRLEN", "large"), len(value))
            found = client.call("SET", "large", value + b"1")
            self.assertTrue(found.args[0].startswith("ERR a value of"), found)
            self.assertEqual(client.call("STRLEN", "large"), len(value))

    def test_bad_clients(self):
        expected = [
            (b"*-5\r\nPING\r\n", "PONG"),
            (b"*x\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*1048577\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*1\r\n:5\r\n", "ERR Protocol error: expected '$', got ':'"),
            (b"*1\r\n*1\r\n$4\r\nPING\r\n", "ERR Protocol error: expected '$', got '*'"),
            (b"*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$x\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*2\r\n$3\r\nGET\r\n$999999999\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*" + b"1" * 70000, "ERR Protocol error: too big mbulk count string"),
            (b"*1\r\n$" + b"1" * 70000, "ERR Protocol error: too big bulk count string"),
            (b"x" * 70000, "ERR Protocol error: too big inline request"),
        ]
        for data, reply in expected:
            with Client(self.ports[0]) as client:
                client.raw(data)
                found = client.read()
                self.assertEqual(found.args[0] if isinstance(found, Error) else found, reply, data[:40])
                if isinstance(found, Error):
                    self.assertTrue(client.at_end())
        with Client(self.ports[0]) as client:
            self.assertTrue(client.call("SET", "k" * 481, "v").args[0].startswith("ERR the key has 481 bytes"))
            self.assertEqual(client.call("SET", b"nul\x00key", b"\x00\r\n"), "OK")
            self.assertEqual(client.call("GET", b"nul\x00key"), b"\x00\r\n")
            self.assertEqual(client.call("SADD", "many", *range(10000)), 10000)
            client.raw(b"")
            for byte in Client.encode("ECHO", "a byte at a time"):
                client.raw(bytes([byte]))
            self.assertEqual(client.read(), b"a byte at a time")


if __name__ == "__main__":
    main()
