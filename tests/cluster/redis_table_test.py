#!/usr/bin/env python3
"""docs/redis.md names every command of Redis and says what it is here. A node and a redis-server are asked."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from cluster import Cluster, ClusterTest, main, wait_until

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "redis.md")
OFFERED = ("same", "across regions", "in part")
# What the subcommands that are offered need to be answered.
ARGUMENTS = {"SETNAME": ["me"], "SETINFO": ["LIB-NAME", "me"], "NO-EVICT": ["off"], "NO-TOUCH": ["off"],
             "GET": ["port"], "ENCODING": ["key"], "GETKEYS": ["GET", "key"]}


def cli(*args):
    done = subprocess.run(["redis-cli", *args], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.split("\n")[:-1]


def commands_of(*where):
    """Without subcommands, which COMMAND LIST names as "container|subcommand"."""
    return {name.upper() for name in cli(*where, "COMMAND", "LIST") if "|" not in name}


def table():
    """Command -> what it is here, as the document's first table says; every cell of it."""
    told = {}
    with open(DOCUMENT) as file:
        section = file.read().split("## Commands\n")[1].split("\n## ")[0]
    for line in section.split("\n"):
        if not line.startswith("| `"):
            continue
        names, here, note = (cell.strip() for cell in line.strip("|").split(" | "))
        for name in names.strip("`").split():
            assert name not in told, name + " stands in the table twice"
            told[name] = (here, note)
    return told


def own_commands():
    with open(DOCUMENT) as file:
        section = file.read().split("## Atoll's own\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(ATOLL\.[A-Z]+)", section, re.M))


@unittest.skipIf(shutil.which("redis-cli") is None or shutil.which("redis-server") is None, "no redis-tools, no redis")
class RedisTableTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(regions="eu", nodes=1)
        cls.cluster.__enter__()
        cls.port = str(cls.cluster.base_port + 1)
        cls.dir = tempfile.mkdtemp()
        cls.socket = os.path.join(cls.dir, "redis.sock")
        cls.redis = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", cls.socket, "--save", ""],
                                     cwd=cls.dir, stdout=subprocess.DEVNULL)
        wait_until("redis-server listens", lambda: os.path.exists(cls.socket))

    @classmethod
    def tearDownClass(cls):
        cls.redis.terminate()
        cls.redis.wait()
        shutil.rmtree(cls.dir)
        cls.cluster.__exit__(None, None, None)

    def test_every_command_of_redis_is_in_the_table(self):
        self.assertEqual(commands_of("-s", self.socket), set(table()))

    def test_what_the_table_offers_is_what_a_node_offers(self):
        offered = {name for name, (here, _) in table().items() if here in OFFERED}
        self.assertEqual(commands_of("-p", self.port), offered | own_commands())

    def test_each_row_says_what_and_why(self):
        for name, (here, note) in table().items():
            self.assertIn(here, OFFERED + ("not offered",), name)
            self.assertTrue(note, name)

    def ask(self, *words):
        """The first line of the answer; redis-cli has ideas of its own about some commands."""
        with socket.create_connection(("127.0.0.1", int(self.port)), timeout=30) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.makefile("rb").readline().decode()

    def test_what_is_not_offered_is_refused(self):
        for name, note in ((name, note) for name, (here, note) in table().items() if here == "not offered"):
            answer, why = self.ask(name), re.sub(r"\[(.*?)\]\(.*?\)", r"\1", note).replace("`", "")
            self.assertRegex(answer, "^-ERR unknown command '{}', with args beginning with: ".format(name))
            self.assertTrue(answer.endswith("(not offered: {})\r\n".format(why)), answer)
        self.assertEqual(self.ask("GETX", "a"), "-ERR unknown command 'GETX', with args beginning with: 'a' \r\n")

    def test_subcommands_that_the_notes_name_are_there_and_no_others(self):
        cli("-p", self.port, "SET", "key", "value")
        listed = [line.upper() for line in cli("-s", self.socket, "COMMAND", "LIST")]
        for container in ("CLIENT", "CONFIG", "OBJECT", "COMMAND"):
            named = set(re.search(r"`([A-Z -]+)`", table()[container][1]).group(1).split())
            known = {line.split("|")[1] for line in listed if line.startswith(container + "|")} - {"HELP"}
            for subcommand in named | known:
                answer = self.ask(container, subcommand, *ARGUMENTS.get(subcommand, []))
                self.assertEqual(answer.startswith("-"), subcommand not in named, container + " " + subcommand + answer)


if __name__ == "__main__":
    main()
