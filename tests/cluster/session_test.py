#!/usr/bin/env python3
"""Sessions that go to another region with their token, through the Redis door and HTTP, over real processes (G8)."""

import http.client
import os

from cluster import Cluster, ClusterTest, main, wait_until
from resp_client import Client, Error

REGION_PORTS, HTTP_PORTS = 100, 1000
DEADLINE_SECONDS = 20


class Sessions(ClusterTest):
    def setUp(self):
        self.cluster = self.enterContext(Cluster())

    def resp(self, region, node=1):
        client = Client(self.cluster.base_port + REGION_PORTS * region + node)
        self.addCleanup(client.close)
        return client

    def http(self, method, region, target, token=None, body=None):
        port = self.cluster.base_port + HTTP_PORTS + REGION_PORTS * region + 1
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
        connection.request(method, target, body=body, headers={} if token is None else {"Atoll-Session": token})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def cut_off(self, region):
        for other in self.cluster.regions:
            if other != region:
                self.cluster.cut(region, other)

    def test_a_region_dies_and_its_sessions_go_on(self):
        """Write in eu, kill -9 eu, read in us with the token: the own write, or how far us is behind."""
        eu, us = self.resp(0), self.resp(1)
        self.assertEqual(eu.call("SET", "cart", "1 apple"), "OK")
        token = eu.call("ATOLL.TOKEN")
        self.assertEqual(us.call("ATOLL.TOKEN", token), "OK")
        self.assertEqual(us.call("GET", "cart"), b"1 apple")
        self.assertEqual(us.call("ATOLL.TOKEN", "BEHIND"), None)
        # What is written last may not have left eu when it dies.
        for count in range(2, 40):
            self.assertEqual(eu.call("SET", "cart", "%d apples" % count), "OK")
        token = eu.call("ATOLL.TOKEN")
        self.cluster.kill("eu")
        us = self.resp(1, 2)
        self.assertEqual(us.call("ATOLL.TOKEN", token, "FAIL"), "OK")
        value = us.call("GET", "cart")
        if isinstance(value, Error):
            self.assertRegex(str(value), "^BEHIND region us is [0-9]+ ms behind what this session has seen in eu$")
        else:
            self.assertEqual(value, b"39 apples")
        self.assertEqual(us.call("ATOLL.TOKEN", "STALE"), "OK")
        self.assertIn(us.call("GET", "cart"), [b"%d apples" % n for n in range(2, 40)] + [b"1 apple"])

    def test_a_region_dies_before_it_could_tell_anybody(self):
        eu, us = self.resp(0), self.resp(1)
        self.assertEqual(eu.call("SET", "cart", "old"), "OK")
        self.assertEqual(us.call("ATOLL.TOKEN", eu.call("ATOLL.TOKEN")), "OK")
        self.assertEqual(us.call("GET", "cart"), b"old")
        self.cut_off("eu")
        self.assertEqual(eu.call("SET", "cart", "new"), "OK")
        token = eu.call("ATOLL.TOKEN")
        _, headers, _ = self.http("GET", 0, "/v1/kv/cart", "new")
        self.cluster.kill("eu")

        us = self.resp(1, 3)
        self.assertEqual(us.call("ATOLL.TOKEN", token, "FAIL"), "OK")
        told = us.call("GET", "cart")
        self.assertIsInstance(told, Error)
        self.assertRegex(str(told), "^BEHIND region us is [0-9]+ ms behind what this session has seen in eu$")
        self.assertIsInstance(us.call("SET", "cart", "over it"), Error)
        self.assertEqual(us.call("ATOLL.TOKEN", "STALE"), "OK")
        self.assertEqual(us.call("GET", "cart"), b"old")
        region, ms = us.call("ATOLL.TOKEN", "BEHIND")
        self.assertEqual(region, b"eu")
        self.assertGreater(ms, 0)
        self.assertEqual(self.resp(1).call("GET", "cart"), b"old")  # another session has nothing to wait for

        http_token = headers["Atoll-Session"]
        status, headers, body = self.http("GET", 1, "/v1/kv/cart?on_behind=fail", http_token)
        self.assertEqual(status, 503, body)
        self.assertRegex(headers["Atoll-Behind"], "^eu;ms=[0-9]+$")
        self.assertRegex(body.decode(), '"behind_ms":[0-9]+,"code":"behind","error":"region us is .*","region":"eu"')
        status, headers, body = self.http("GET", 1, "/v1/kv/cart?on_behind=stale", http_token)
        self.assertEqual((status, body, headers["Atoll-Stale"]), (200, b"old", "true"))

        self.cluster.heal()
        self.cluster.start("eu")
        wait_until("us has what eu wrote", lambda: self.resp(1).call("GET", "cart") == b"new")
        us = self.resp(1)
        self.assertEqual(us.call("ATOLL.TOKEN", token), "OK")
        self.assertEqual(us.call("GET", "cart"), b"new")

    def test_through_both_doors(self):
        """A session begins with Redis in eu, goes on with HTTP in us and ends with Redis in ap."""
        eu = self.resp(0)
        for name in range(20):
            eu.call("SADD", "names", "n%d" % name)
        token = eu.call("ATOLL.TOKEN").decode()
        status, headers, _ = self.http("GET", 1, "/v1/set/names/n19", token)
        self.assertEqual(status, 204)
        status, headers, _ = self.http("PUT", 1, "/v1/set/names/n20", headers["Atoll-Session"])
        self.assertEqual(status, 200)
        ap = self.resp(2)
        self.assertEqual(ap.call("ATOLL.TOKEN", headers["Atoll-Session"]), "OK")
        self.assertEqual(ap.call("SCARD", "names"), 21)
        self.assertEqual(len(ap.call("ATOLL.TOKEN")), 106)  # one piece for each of three regions

    def test_what_is_no_token(self):
        us = self.resp(1)
        for token in ("nonsense", "AQ==", "AQAA", "A" * 200):
            self.assertIsInstance(us.call("ATOLL.TOKEN", token), Error, token)
        eu = self.resp(0)
        eu.call("SET", "k", "v")
        token = bytearray(eu.call("ATOLL.TOKEN"))
        token[8] = ord("B") if token[8] != ord("B") else ord("C")
        self.assertIn("no node of this cluster has made", str(us.call("ATOLL.TOKEN", bytes(token))))
        self.assertIsInstance(us.call("ATOLL.TOKEN", "STALE", "NEVER"), Error)
        self.assertEqual(us.call("GET", "k0"), None)
        status, _, body = self.http("GET", 1, "/v1/kv/k0", bytes(token).decode())
        self.assertEqual(status, 400, body)

    def test_secrets(self):
        """A dev cluster has a secret that only its nodes can read; without it, they still understand each other."""
        path = os.path.join(self.cluster.dir, "token.key")
        self.assertEqual(os.stat(path).st_mode & 0o077, 0)
        eu = self.resp(0)
        eu.call("SET", "k", "v")
        token = eu.call("ATOLL.TOKEN")
        for region in self.cluster.regions:
            self.cluster.kill(region)
        os.remove(path)
        for region in self.cluster.regions:
            self.cluster.start(region)
        eu, us = self.resp(0), self.resp(1)
        wait_until("eu serves", lambda: eu.call("SET", "k", "v") == "OK")
        self.assertIsInstance(us.call("ATOLL.TOKEN", token), Error)  # made with the secret
        self.assertEqual(us.call("ATOLL.TOKEN", eu.call("ATOLL.TOKEN")), "OK")
        wait_until("us serves", lambda: us.call("GET", "k") == b"v")
        with open(os.path.join(self.cluster.node_dir("eu-1"), "log.txt")) as log:
            self.assertIn("no token secret", log.read())


if __name__ == "__main__":
    main()
