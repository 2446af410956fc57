#!/usr/bin/env python3
"""The HTTP door of real nodes: every path, what is refused, clients that do not play along, and the document that
describes it all."""

import base64
import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import unittest

from cluster import Cluster, ClusterTest, main, wait_until

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "openapi.json")
HTTP_PORT_OFFSET = 1001  # of the first node of the first region
REGION_PORTS = 100
BODY_MAX = 16 << 20
SHOWN_BYTES = 300


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Node:
    """One node's HTTP port; remembers what was called and answered."""

    def __init__(self, port, seen):
        self.port, self.seen = port, seen

    def call(self, method, target, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        self.seen.append((method, target.split("?")[0], answer.status))
        return answer

    def get(self, target, **headers):
        return self.call("GET", target, headers=headers)

    def put(self, target, body=b"", headers=None):
        return self.call("PUT", target, body, headers)

    def raw(self, data, shut=False, timeout=30):
        """Sends the bytes as they are, and returns all that comes back until the other end closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            out = b""
            while True:
                try:
                    piece = connection.recv(1 << 16)
                except ConnectionResetError:
                    return out
                if not piece:
                    return out
                out += piece


def status_of(raw):
    return int(raw.split(b" ")[1])


def described(document, target):
    """The path of the document that a target of a call belongs to, or None."""
    for path in document["paths"]:
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), target):
            return path
    return None


def resident_bytes(pid):
    with open("/proc/{}/statm".format(pid)) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class HttpTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(regions="eu,us", nodes=3)
        cls.cluster.__enter__()
        cls.seen = []
        base = cls.cluster.base_port + HTTP_PORT_OFFSET - 1
        cls.eu, cls.eu2 = Node(base + 1, cls.seen), Node(base + 2, cls.seen)
        cls.us = Node(base + REGION_PORTS + 1, cls.seen)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(None, None, None)

    def test_zz_the_document_describes_what_was_seen(self):
        """The last one by its name: it compares what all the others have called with docs/openapi.json."""
        with open(DOCUMENT, "rb") as file:
            text = file.read()
        document, served = json.loads(text), self.us.get("/v1/openapi.json")
        self.assertEqual((served.status, served.body), (200, text))
        self.assertEqual(served.headers["Content-Type"], "application/json")
        called = set()
        for method, target, status in self.seen:
            path = described(document, target)
            if path is None:
                self.assertIn(status, (400, 404, 414), (method, target))
                continue
            operation = document["paths"][path].get(method.lower().replace("head", "get"))
            if operation is None:
                self.assertEqual(status, 405, (method, target))
                continue
            self.assertIn(str(status), operation["responses"], (method, target))
            called.add((method, path))
        methods = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations
                   if method != "parameters"}
        self.assertEqual(methods - called, set(), "described, and called by no test")
        for path, operations in document["paths"].items():
            target = re.sub(r"\{\w+\}", "documented", path)
            allowed = self.eu.call("PATCH", target).headers["Allow"].split(", ")
            self.assertEqual(sorted(allowed), sorted(m.upper() for m in operations if m != "parameters"), path)
            for method in allowed:  # each parameter that is described is known, and no other
                names = {p["$ref"].split("/")[-1] for p in operations[method.lower()].get("parameters", [])}
                said = self.eu.call(method, target + "?unknown=1").json()["error"]
                known = set(re.findall(r"\w+", said.split("expected ")[1])) - {"one", "of", "none"}
                headers = {"Atoll-Context", "Atoll-Session", "If-Match", "If-None-Match"}
                self.assertEqual(names - headers, known, (method, path))

    def assert_error(self, answer, status, code):
        self.assertEqual(answer.status, status, answer.body[:SHOWN_BYTES])
        said = answer.json()
        self.assertEqual(said["code"], code, said)
        self.assertTrue(said["error"], said)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.headers["Retry-After"], "1" if status == 503 else None)

    # ---- strings

    def test_a_value_is_kept_byte_for_byte(self):
        value = bytes(range(256)) * 5
        self.assertEqual(self.eu.put("/v1/kv/a%2Fb%00%FF%20c", value).status, 204)
        for node in (self.eu, self.eu2):
            answer = node.get("/v1/kv/a%2Fb%00%ff%20c")
            self.assertEqual((answer.status, answer.body), (200, value))
            self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
            self.assertIsNone(answer.headers["Atoll-Context"])
        head = self.eu.call("HEAD", "/v1/kv/a%2Fb%00%FF%20c")
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", "1280"))
        self.assertEqual(self.eu.call("POST", "/v1/kv/a%2Fb%00%FF%20c", b"tail").json(), {"length": 1284})
        self.assertEqual(self.eu.get("/v1/kv/a%2Fb%00%FF%20c").body, value + b"tail")
        self.assertEqual(self.eu.call("DELETE", "/v1/kv/a%2Fb%00%FF%20c").status, 204)
        self.assert_error(self.eu.get("/v1/kv/a%2Fb%00%FF%20c"), 404, "not_found")
        self.assert_error(self.eu.call("DELETE", "/v1/kv/a%2Fb%00%FF%20c"), 404, "not_found")
        self.assertEqual(self.eu.put("/v1/kv/empty", b"").status, 204)
        self.assertEqual(self.eu.get("/v1/kv/empty").body, b"")

    def test_the_same_data_as_the_other_doors(self):
        self.eu.put("/v1/kv/shared", b"one")
        self.assertEqual(self.cluster.atoll("get", "shared", "--region", "eu"), "one")

    def test_conditions(self):
        only_new, only_old = {"If-None-Match": "*"}, {"If-Match": "*"}
        self.assert_error(self.eu.put("/v1/kv/once", b"0", only_old), 412, "condition_failed")
        self.assertEqual(self.eu.put("/v1/kv/once", b"1", only_new).status, 204)
        self.assert_error(self.eu.put("/v1/kv/once", b"2", only_new), 412, "condition_failed")
        self.assertEqual(self.eu.get("/v1/kv/once").body, b"1")
        self.assertEqual(self.eu.put("/v1/kv/once", b"3", only_old).status, 204)
        self.assertEqual(self.eu.get("/v1/kv/once").body, b"3")
        self.assert_error(self.eu.put("/v1/kv/once", b"4", {"If-Match": '"tag"'}), 400, "invalid")
        self.assert_error(self.eu.put("/v1/kv/once", b"4", {**only_new, **only_old}), 400, "invalid")
        self.assertEqual(self.eu.get("/v1/kv/once").body, b"3")

    def test_quorums_and_stale_reads(self):
        self.assertEqual(self.eu.put("/v1/kv/quorum?w=3", b"x").status, 204)
        answer = self.eu.get("/v1/kv/quorum?r=3")
        self.assertEqual((answer.body, answer.headers["Atoll-Stale"]), (b"x", None))
        answer = self.eu.get("/v1/kv/quorum?local=true&deadline_ms=2000")
        self.assertEqual((answer.body, answer.headers["Atoll-Stale"]), (b"x", "true"))
        self.assert_error(self.eu.put("/v1/kv/quorum?local=true", b"y"), 400, "invalid")
        self.assert_error(self.eu.get("/v1/kv/quorum?r=4"), 400, "invalid")

    def test_siblings_of_two_regions_and_their_context(self):
        self.cluster.cut("eu", "us")
        try:
            self.assertEqual(self.eu.put("/v1/kv/both", b"from eu").status, 204)
            self.assertEqual(self.us.put("/v1/kv/both", b"from us").status, 204)
        finally:
            self.cluster.heal()
        wait_until("both values are here", lambda: self.eu.get("/v1/kv/both").headers["Atoll-Siblings"] == "1")
        answer = self.eu.get("/v1/kv/both?siblings=true")
        said = answer.json()
        self.assertEqual(sorted(said["values"]), ["from eu", "from us"])
        shown = self.eu.get("/v1/kv/both")
        self.assertEqual(shown.body.decode(), said["values"][0])
        context = shown.headers["Atoll-Context"]
        self.assertEqual(context, said["context"])
        # Something that the context has not seen stays beside the new value.
        self.assertEqual(self.us.put("/v1/kv/both", b"later").status, 204)
        wait_until("the later value is here", lambda: self.eu.get("/v1/kv/both").body == b"later")
        self.assertEqual(self.eu.put("/v1/kv/both", b"merged", {"Atoll-Context": context}).status, 204)
        said = self.eu.get("/v1/kv/both?siblings=true").json()
        self.assertEqual(sorted(said["values"]), ["later", "merged"])
        context = self.eu.get("/v1/kv/both?context=true").headers["Atoll-Context"]
        self.assertEqual(self.eu.put("/v1/kv/both", b"all", {"Atoll-Context": context}).status, 204)
        answer = self.eu.get("/v1/kv/both")
        self.assertEqual((answer.body, answer.headers["Atoll-Siblings"]), (b"all", None))
        # A context of another key, and what is none.
        self.assert_error(self.eu.put("/v1/kv/other", b"x", {"Atoll-Context": context}), 400, "invalid")
        self.assert_error(self.eu.put("/v1/kv/both", b"x", {"Atoll-Context": "####"}), 400, "invalid")
        broken = base64.b64encode(b"\xc1garbage").decode()
        self.assert_error(self.eu.put("/v1/kv/both", b"x", {"Atoll-Context": broken}), 400, "corrupt")
        self.assert_error(self.eu.put("/v1/kv/both", b"x", {"Atoll-Context": context, "If-Match": "*"}), 400, "invalid")
        self.assertEqual(self.eu.get("/v1/kv/both").body, b"all")
        self.assert_error(self.eu.get("/v1/kv/nothing?siblings=true"), 404, "not_found")

    # ---- sets and counters

    def test_sets(self):
        self.assert_error(self.eu.get("/v1/set/s"), 404, "not_found")
        self.assertEqual(self.eu.put("/v1/set/s/a%2Fb").json(), {"added": 1})
        self.assertEqual(self.eu.call("POST", "/v1/set/s/a%2Fb").json(), {"added": 0})
        members = json.dumps(["x", {"base64": base64.b64encode(b"\xff\x00").decode()}])
        self.assertEqual(self.eu.call("POST", "/v1/set/s", members).json(), {"added": 2})
        said = self.eu2.get("/v1/set/s").json()
        self.assertIsNone(said["cursor"])
        self.assertEqual(sorted(json.dumps(member) for member in said["members"]),
                         sorted(['"a/b"', '"x"', '{"base64": "/wA="}']))
        self.assertEqual(self.eu.get("/v1/set/s/%ff%00").status, 204)
        self.assert_error(self.eu.get("/v1/set/s/y"), 404, "not_found")
        self.assertEqual(self.eu.call("DELETE", "/v1/set/s/x").status, 204)
        self.assert_error(self.eu.call("DELETE", "/v1/set/s/x"), 404, "not_found")
        self.assertEqual(self.eu.call("DELETE", "/v1/set/s", '["a/b", "q"]').json(), {"removed": 1})
        self.assertEqual(self.eu.call("DELETE", "/v1/set/s").status, 204)
        self.assert_error(self.eu.call("DELETE", "/v1/set/s"), 404, "not_found")
        for wrong in ("", "{}", "[]", "[1]", '["a"', '[{"base64": "?"}]'):
            self.assert_error(self.eu.call("POST", "/v1/set/s", wrong), 400, "invalid")
        self.assert_error(self.eu.put("/v1/set/s/a", b"body"), 400, "invalid")
        self.assert_error(self.eu.get("/v1/set/s"), 404, "not_found")

    def test_a_large_set_comes_in_pages(self):
        every = ["m%d" % i for i in range(2500)]
        self.assertEqual(self.eu.call("POST", "/v1/set/large", json.dumps(every)).json(), {"added": 2500})
        got, cursor, pages = [], None, 0
        while True:
            escaped = "" if cursor is None else "?cursor=" + cursor.replace("+", "%2B").replace("/", "%2F")
            said = self.eu.get("/v1/set/large" + escaped).json()
            got += said["members"]
            cursor = said["cursor"]
            pages += 1
            if cursor is None:
                break
        self.assertEqual((sorted(got), pages), (sorted(every), 3))
        self.assert_error(self.eu.get("/v1/set/large?cursor=%21"), 400, "invalid")

    def test_counters(self):
        self.assert_error(self.eu.get("/v1/counter/c"), 404, "not_found")
        self.assertEqual(self.eu.call("POST", "/v1/counter/c").json(), {"value": 1})
        self.assertEqual(self.eu.call("POST", "/v1/counter/c?amount=-5").json(), {"value": -4})
        self.assertEqual(self.eu2.call("POST", "/v1/counter/c", '{"amount": 10}').json(), {"value": 6})
        self.assertEqual(self.us.call("POST", "/v1/counter/c", '{"amount": 100}').status, 200)
        wait_until("the increments meet", lambda: self.eu.get("/v1/counter/c").json() == {"value": 106})
        for wrong in ("x", "{}", '{"amount": 1.5}', '{"amount": 9223372036854775808}', '{"amount": 1, "b": 2}'):
            self.assert_error(self.eu.call("POST", "/v1/counter/c", wrong), 400, "invalid")
        self.assert_error(self.eu.call("POST", "/v1/counter/c?amount=1", '{"amount": 1}'), 400, "invalid")
        self.assert_error(self.eu.call("POST", "/v1/counter/c?amount=1x"), 400, "invalid")
        self.assert_error(self.eu.call("POST", "/v1/counter/c", '{"amount": 9223372036854775807}'), 409, "overflow")
        self.assertEqual(self.eu.get("/v1/counter/c").json(), {"value": 106})
        self.eu.put("/v1/kv/word", b"word")
        self.assert_error(self.eu.get("/v1/counter/word"), 409, "wrong_type")

    def test_maps(self):
        self.assert_error(self.eu.get("/v1/map/m"), 404, "not_found")
        self.assertEqual(self.eu.call("POST", "/v1/map/m", '{"a": "1", "b": {"base64": "/wA="}}').json(), {"added": 2})
        self.assertEqual(self.eu.put("/v1/map/m/a%2Fc", b"\x00\xfe").status, 204)
        self.assertEqual(self.eu2.get("/v1/map/m/a%2Fc").body, b"\x00\xfe")
        self.assertEqual(self.eu.get("/v1/map/m/b").body, b"\xff\x00")
        self.assertEqual(self.eu.call("POST", "/v1/map/m/a", '{"amount": 4}').json(), {"value": 5})
        self.assertEqual(self.eu.call("POST", "/v1/map/m/a?amount=-2").json(), {"value": 3})
        said = self.eu2.get("/v1/map/m").json()
        self.assertIsNone(said["cursor"])
        self.assertEqual(sorted(said["fields"], key=lambda item: item["field"]),
                         [{"field": "a", "value": "3"}, {"field": "a/c", "value": {"base64": "AP4="}},
                          {"field": "b", "value": {"base64": "/wA="}}])
        self.assert_error(self.eu.get("/v1/map/m/none"), 404, "not_found")
        self.assert_error(self.eu.call("DELETE", "/v1/map/m/none"), 404, "not_found")
        self.assertEqual(self.eu.call("DELETE", "/v1/map/m/a").status, 204)
        self.assertEqual(self.eu.call("DELETE", "/v1/map/m", '["b", "none"]').json(), {"removed": 1})
        for wrong in ("", "[]", "{}", '{"a": 1}', '{"a"'):
            self.assert_error(self.eu.call("POST", "/v1/map/m", wrong), 400, "invalid")
        self.assertEqual(self.eu.call("DELETE", "/v1/map/m").status, 204)
        self.assert_error(self.eu.call("DELETE", "/v1/map/m"), 404, "not_found")
        self.eu.put("/v1/kv/nomap", b"x")
        self.assert_error(self.eu.get("/v1/map/nomap"), 409, "wrong_type")
        self.assert_error(self.eu.call("DELETE", "/v1/map/nomap"), 409, "wrong_type")

    def test_wrong_types(self):
        self.eu.put("/v1/set/typed/a")
        self.assert_error(self.eu.get("/v1/kv/typed"), 409, "wrong_type")
        self.assert_error(self.eu.call("POST", "/v1/counter/typed"), 409, "wrong_type")
        self.eu.put("/v1/kv/text", b"t")
        for method, target in (("GET", "/v1/set/text"), ("PUT", "/v1/set/text/a"), ("DELETE", "/v1/set/text"),
                               ("GET", "/v1/set/text/a"), ("DELETE", "/v1/set/text/a")):
            self.assert_error(self.eu.call(method, target), 409, "wrong_type")
        self.assert_error(self.eu.call("POST", "/v1/set/text", '["a"]'), 409, "wrong_type")
        self.assert_error(self.eu.call("DELETE", "/v1/set/text", '["a"]'), 409, "wrong_type")
        self.assertEqual(self.eu.get("/v1/kv/text").body, b"t")

    # ---- the node

    def test_status_health_and_readiness(self):
        self.assertEqual(self.eu.get("/healthz").body, b"ok\n")
        self.assertEqual(self.eu.get("/readyz").json(), {"ready": True})
        said = self.eu.get("/v1/status").json()
        self.assertEqual((said["node"], said["region"], said["ready"]), ("eu-1", "eu", True))

    def test_metrics(self):
        self.eu.put("/v1/kv/measured", b"x")
        self.cluster.atoll("set", "measured", "y", "--region", "eu")
        before = self.figures()
        for _ in range(10):
            self.eu.put("/v1/kv/measured", b"x")
        self.eu.get("/v1/kv/measured?r=9")
        after = self.figures()

        def rise(name):
            return after[name] - before.get(name, 0)

        self.assertEqual(rise('atoll_request_duration_seconds_count{door="http",op="set"}'), 10)
        self.assertEqual(rise('atoll_request_duration_seconds_bucket{door="http",op="set",le="+Inf"}'), 10)
        self.assertEqual(rise('atoll_requests_total{door="http",outcome="rejected",code="invalid"}'), 1)
        self.assertGreaterEqual(rise('atoll_requests_total{door="http",outcome="done",code="ok"}'), 10)
        self.assertGreater(rise('atoll_request_duration_seconds_sum{door="http",op="set"}'), 0)
        self.assertIn('atoll_region_lag_entries{from="eu",to="us"}', after)
        self.assertIn('atoll_region_behind_seconds{from="eu",to="us"}', after)
        self.assertGreaterEqual(after['atoll_connections{door="http"}'], 1)
        self.assertEqual((after["atoll_ready"], after["atoll_has_room"]), (1, 1))
        self.assertGreater(after["atoll_log_syncs_total"], 0)
        self.assertGreaterEqual(after["atoll_log_records_per_sync"], 1)
        pid = self.pid("eu-1")
        # The allocator gives memory back at any moment.
        around = [resident_bytes(pid)]
        said = self.figures()["process_resident_memory_bytes"]
        around.append(resident_bytes(pid))
        self.assertGreater(said, min(around) / 2)
        self.assertLess(said, max(around) * 2)
        for name in ("atoll_outbox_entries", "atoll_outbox_bytes", "atoll_unsettled_entries", "atoll_memtable_bytes",
                     "atoll_map_bytes", "atoll_log_bytes", "atoll_busy_total"):
            self.assertIn(name, after)

    def figures(self):
        out = {}
        for line in self.eu.get("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def pid(self, node):
        for line in self.cluster.dev("status", check=False).stdout.splitlines():  # others may be silent now
            words = line.split()
            if words and words[0] == node:
                return int(words[1])
        raise AssertionError("no process of " + node)

    def test_metrics_satisfy_promtool(self):
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not installed")
        self.eu.put("/v1/kv/measured", b"x")
        text = self.eu.get("/metrics").body
        result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))

    def test_curl(self):
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed")
        url = "http://127.0.0.1:{}/v1/kv/curl".format(self.eu.port)
        body = os.path.join(self.cluster.root, "body")
        with open(body, "wb") as file:
            file.write(os.urandom(3 << 20))

        def curl(*args):
            return subprocess.run(["curl", "-sS", "--max-time", "60", *args], capture_output=True, check=True).stdout

        # The form type that curl gives to --data-binary, an upload that asks first (Expect), and one in chunks.
        for args in (["-X", "PUT", "--data-binary", "@" + body], ["-T", body],
                     ["-T", body, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"],
                     ["-T", body, "--http1.0"]):
            self.assertEqual(curl("-w", "%{http_code}", *args, url), b"204", args)
            with open(body, "rb") as file:
                self.assertEqual(curl(url), file.read(), args)
            self.eu.call("DELETE", "/v1/kv/curl")
        both = curl("-T", body, url, "--next", "-w", "%{num_connects}", "-o", os.devnull, url)
        self.assertEqual(both, b"0", "the second request takes the connection of the first")

    # ---- what is refused

    def test_paths_methods_and_parameters(self):
        for target in ("/", "/v1", "/v1/kv", "/v1/kv/", "/v1/kv/a/b", "/v2/kv/a", "/v1/set/a/b/c", "//v1/kv/a"):
            self.assert_error(self.eu.get(target), 404, "no_such_path")
        for target in ("/v1/kv/%", "/v1/kv/%4", "/v1/kv/%zz", "/v1/kv/a?r=%2", "/v1/kv/a?%g0=1"):
            self.assert_error(self.eu.get(target), 400, "invalid")
        for query in ("x=1", "r=-1", "r=256", "r=one", "r=", "r=1&r=1", "local=yes", "siblings=1", "deadline_ms=0",
                      "deadline_ms=60001", "amount=1"):
            self.assert_error(self.eu.get("/v1/kv/a?" + query), 400, "invalid")
        answer = self.eu.call("DELETE", "/v1/counter/a")
        self.assert_error(answer, 405, "method_not_allowed")
        self.assertEqual(answer.headers["Allow"], "GET, POST")
        for token, code in (("a token", "invalid"), ("Ag", "version"), ("AQAA", "corrupt"),
                            ("AQ" + "A" * 33, "corrupt")):
            self.assert_error(self.eu.get("/v1/kv/a", **{"Atoll-Session": token}), 400, code)
        self.assert_error(self.eu.get("/v1/kv/a?on_behind=never"), 400, "invalid")
        self.assert_error(self.eu.get("/v1/kv/" + "k" * 481), 413, "too_large")
        self.assert_error(self.eu.get("/v1/kv/" + "k" * 9000), 414, "invalid")
        self.assertEqual(self.eu.get("/v1/kv/a?r=1&&w=1&").status, 404)

    def test_a_body_that_is_too_large(self):
        value = b"v" * BODY_MAX
        self.assertEqual(self.eu.put("/v1/kv/large", value).status, 204)
        self.assertEqual(self.eu.get("/v1/kv/large").body, value)
        self.eu.call("DELETE", "/v1/kv/large")
        self.assert_error(self.eu.put("/v1/kv/large", value + b"v"), 413, "too_large")
        head = b"PUT /v1/kv/large HTTP/1.1\r\nHost: x\r\n"
        for length in (b"17000000", b"99999999999999999"):
            expects = self.eu.raw(head + b"Expect: 100-continue\r\nContent-Length: " + length + b"\r\n\r\n")
            self.assertTrue(expects.startswith(b"HTTP/1.1 413 "), expects[:SHOWN_BYTES])
        chunks = b"".join(b"100000\r\n" + b"c" * (1 << 20) + b"\r\n" for _ in range(17))
        refused = self.eu.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        self.assertEqual(status_of(refused), 413)
        self.assert_error(self.eu.get("/v1/kv/large"), 404, "not_found")

    def test_heads_and_chunks_that_are_nonsense(self):
        put = b"PUT /v1/kv/nonsense HTTP/1.1\r\nHost: x\r\n"
        chunked = put + b"Transfer-Encoding: chunked\r\n\r\n"
        cases = [
            (b"\r\n\r\n", 400), (b"nonsense\r\n\r\n", 400), (b"GET /v1/kv/a\r\n\r\n", 400),
            (b"GET /v1/kv/a HTTP/9.9\r\n\r\n", 400), (b"BREW /v1/kv/a HTTP/1.1\r\n\r\n", 400),
            (b"GET v1/kv/a HTTP/1.1\r\nConnection: close\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
            (b"GET /v1/kv/a HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 400),
            (b"GET /v1/kv/a HTTP/1.1\r\n" + b"X: y\r\n" * 7000, 431),
            (put + b"Content-Length: 5x\r\n\r\nhello", 400), (put + b"Content-Length: -5\r\n\r\nhello", 400),
            (put + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
            (put + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (put + b"Transfer-Encoding: gzip\r\n\r\nhello", 400),
            (put + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 415),
            (chunked + b"zz\r\nhello\r\n0\r\n\r\n", 400), (chunked + b"-5\r\nhello\r\n0\r\n\r\n", 400),
            (chunked + b"3\r\nhello\r\n0\r\n\r\n", 400), (chunked + b"5hello\r\n0\r\n\r\n", 400),
            (chunked + b"5\nhello\n0\n\n", 400), (chunked + b"ffffffffffffffffff\r\n", 400),
            (chunked + b"ffffffffffff\r\n", 413), (chunked + b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n", 400),
        ]
        for data, status in cases:
            try:
                answer = self.eu.raw(data, timeout=20)
            except socket.timeout:
                self.fail("no end of the answer to {}".format(data[:SHOWN_BYTES]))
            self.assertEqual(status_of(answer), status, (data[:SHOWN_BYTES], answer[:SHOWN_BYTES]))
            self.assertIn(b"Connection: close", answer)
        for half in (chunked + b"5\r\nhel", put + b"Content-Length: 5\r\n\r\nhel", put[:20]):
            self.eu.raw(half, shut=True)
        self.assert_error(self.eu.get("/v1/kv/nonsense"), 404, "not_found")
        good = self.eu.raw(put + b"Transfer-Encoding: Chunked\r\nConnection: close\r\n\r\n"
                           b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n")
        self.assertEqual(status_of(good), 204)
        self.assertEqual(self.eu.get("/v1/kv/nonsense").body, b"hello")

    def test_requests_that_follow_each_other_on_one_connection(self):
        one = b"PUT /v1/kv/line HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
        get = b"GET /v1/kv/line HTTP/1.1\r\nHost: x\r\n"
        out = self.eu.raw(one + b"1" + get + b"\r\n" + one + b"2" + get + b"Connection: close\r\n\r\n")
        self.assertEqual([int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", out)], [204, 200, 204, 200])
        self.assertEqual(re.findall(rb"\r\n\r\n([12])", out), [b"1", b"2"])

    # ---- clients that do not play along

    def test_slow_clients_hurt_only_themselves(self):
        self.eu.put("/v1/kv/slow", b"v" * (8 << 20))
        pid, slow = self.pid("eu-1"), []
        self.eu.get("/v1/kv/slow")
        before = resident_bytes(pid)
        head = b"PUT /v1/kv/slowly HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        try:
            for i in range(200):  # half a head, half a body, an answer that is not read
                connection = socket.socket()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(("127.0.0.1", self.eu.port))
                connection.sendall((b"GET /v1/kv/", head + b"x", b"GET /v1/kv/slow HTTP/1.1\r\nHost: x\r\n\r\n")[i % 3])
                slow.append(connection)
            for _ in range(20):
                self.assertEqual(self.eu.get("/healthz").status, 200)
            slow[1].settimeout(0)
            with self.assertRaises(BlockingIOError, msg="the calls waited for the end of the slow ones"):
                slow[1].recv(1)
            told = self.eu.get("/metrics").body.decode()
            self.assertGreater(float(re.search(r'atoll_connections{door="http"} (\d+)', told).group(1)), 100)
            wait_until("a small value is served beside them", lambda: self.eu.get("/v1/kv/none").status in (404, 503))
            grown = resident_bytes(pid) - before
            print("200 slow clients: {} MiB more".format(grown >> 20))
            self.assertLess(grown, 256 << 20)
            # A body whose end does not come is told so; so is a head.
            for connection, status in ((slow[0], 408), (slow[1], 408)):
                connection.settimeout(30)
                self.assertEqual(status_of(connection.recv(1 << 16)), status)
        finally:
            for connection in slow:
                connection.close()
        self.assert_error(self.eu.get("/v1/kv/slowly"), 404, "not_found")

    def test_more_connections_than_a_node_takes(self):
        many = []
        try:
            for _ in range(600):
                many.append(socket.create_connection(("127.0.0.1", self.eu2.port), timeout=30))
            refused = many[-1].recv(1 << 16)
            self.assertEqual(status_of(refused), 503)
            self.assertIn(b"Retry-After: 1\r\n", refused)
            many[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(status_of(many[0].recv(1 << 16)), 200)
        finally:
            for connection in many:
                connection.close()
        wait_until("the node takes connections again", lambda: self.eu2.get("/healthz").status == 200)

    def test_a_client_that_resets(self):
        for _ in range(50):
            connection = socket.create_connection(("127.0.0.1", self.eu.port), timeout=30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.close()
        self.assertEqual(self.eu.get("/healthz").status, 200)

    def test_many_clients_at_once(self):
        failures = []

        def add():
            connection = http.client.HTTPConnection("127.0.0.1", self.eu.port, timeout=60)
            try:
                for _ in range(25):
                    connection.request("POST", "/v1/counter/busy")
                    response = connection.getresponse()
                    if response.status != 200:
                        failures.append(response.status)
                    response.read()
            except OSError as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=add) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.eu.get("/v1/counter/busy").json(), {"value": 500})


class LossTest(ClusterTest):
    """A cluster that loses nodes."""

    def test_too_few_replicas(self):
        with Cluster(regions="eu", nodes=3) as cluster:
            seen = []
            node = Node(cluster.base_port + HTTP_PORT_OFFSET, seen)
            self.assertEqual(node.put("/v1/kv/k", b"v").status, 204)
            cluster.kill("eu-2")
            cluster.kill("eu-3")
            wait_until("the node sees it", lambda: node.get("/readyz").status == 503)
            answer = node.get("/v1/kv/k?deadline_ms=300")
            self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "1"), answer.body)
            answer = node.put("/v1/kv/k?deadline_ms=300", b"w")
            self.assertIn(answer.status, (503, 504), answer.body)
            self.assertEqual(node.get("/healthz").status, 200)
            self.assertEqual(node.get("/v1/kv/k?local=true").headers["Atoll-Stale"], "true")
            waiting = [threading.Thread(target=node.get, args=("/v1/kv/k?deadline_ms=20000",)) for _ in range(40)]
            for thread in waiting:
                thread.start()
            wait_until("they wait", lambda: json.loads(node.get("/v1/status").body)["in_work"] >= 32)
            for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
                self.assertEqual(node.get(path).status, status)
            self.assertTrue(all(thread.is_alive() for thread in waiting), "calls for keys were waited for")
            cluster.start("eu-2")
            cluster.start("eu-3")
            wait_until("the region is back", lambda: node.get("/readyz").status == 200)
            wait_until("writes are taken again", lambda: node.put("/v1/kv/k", b"x").status == 204)
            for thread in waiting:
                thread.join()


if __name__ == "__main__":
    main()
