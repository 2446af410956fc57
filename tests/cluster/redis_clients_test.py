#!/usr/bin/env python3
"""The clients that people have, unchanged, against every region: redis-cli, redis-benchmark, redis-py and hiredis."""

import os
import shutil
import subprocess
import unittest

from cluster import Cluster, ClusterTest, main, wait_until

try:
    import redis
except ImportError:
    redis = None

HIREDIS_CLIENT = os.environ.get("HIREDIS_CLIENT", "build/tests/cluster/hiredis_client")


class RedisClientsTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(regions="eu,us", nodes=3)
        cls.cluster.__enter__()
        cls.ports = {region: cls.cluster.base_port + 100 * i + 1 for i, region in enumerate(("eu", "us"))}

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(None, None, None)

    def run_program(self, *args):
        if shutil.which(args[0]) is None:
            self.skipTest(args[0] + " is not installed")
        result = subprocess.run(args, capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_redis_cli(self):
        for port in self.ports.values():
            cli = ["redis-cli", "-p", str(port)]
            self.assertEqual(self.run_program(*cli, "SET", "cli", "value"), "OK\n")
            self.assertEqual(self.run_program(*cli, "-3", "GET", "cli"), "value\n")
            self.assertEqual(self.run_program(*cli, "HSET", "cli:%d" % port, "f", "1"), "1\n")
            self.assertIn("# Atoll", self.run_program(*cli, "INFO"))
            self.assertIn("atoll.siblings", self.run_program(*cli, "COMMAND", "LIST"))

    def test_redis_benchmark(self):
        for port in self.ports.values():
            out = self.run_program("redis-benchmark", "-p", str(port), "-t", "set,get,incr,sadd,spop,mset,hset", "-P",
                                   "16", "-n", "5000", "-q", "-d", "100")
            self.assertNotIn("Error", out)
            for test in ("SET", "GET", "INCR", "SADD", "SPOP", "HSET", "MSET (10 keys)"):
                self.assertIn(test + ": ", out)

    @unittest.skipIf(redis is None, "python3-redis is not installed")
    def test_redis_py(self):
        eu, us = (redis.Redis(port=port, decode_responses=True) for port in self.ports.values())
        self.assertTrue(eu.set("user:1", "Ada"))
        self.assertIsNone(eu.set("user:1", "Bob", nx=True))
        self.assertEqual(eu.get("user:1"), "Ada")
        with eu.pipeline(transaction=False) as pipeline:
            for i in range(100):
                pipeline.incr("visits").sadd("seen", i).hset("profile", mapping={"age": i})
            answers = pipeline.execute()
        self.assertEqual(answers[-3:], [100, 1, 0])
        self.assertEqual(eu.smembers("seen"), {str(i) for i in range(100)})
        self.assertEqual(eu.hgetall("profile"), {"age": "99"})
        self.assertEqual(set(eu.sscan_iter("seen")), {str(i) for i in range(100)})
        self.assertIn("user:1", set(eu.scan_iter("user:*")))
        with self.assertRaises(redis.ResponseError) as raised:
            eu.sadd("user:1", "x")
        self.assertIn("WRONGTYPE", str(raised.exception))
        self.assertEqual(eu.info("atoll")["region"], "eu")
        wait_until("the other region has it all", lambda: us.get("visits") == "100" and us.scard("seen") == 100)
        us.incrby("visits", 5)
        us.srem("seen", 5)
        wait_until("the first region has the answer",
                   lambda: eu.get("visits") == "105" and not eu.sismember("seen", 5))

    def test_hiredis(self):
        for port in self.ports.values():
            self.assertIn("hiredis: ok", self.run_program(HIREDIS_CLIENT, str(port)))


if __name__ == "__main__":
    main()
