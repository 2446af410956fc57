#!/usr/bin/env python3
"""Every example of docs/guide, run from top to bottom as a reader would, and its output compared with the page.

A block with a file's name is that file; a text block is no example. In a console block "$ " begins a command, which the
lines below it answer: "..." alone stands for any lines, at the end of a line for any rest. "atoll> " begins a line that
is typed into the command above it."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from cluster import ATOLL, main
from installed import Installed
from ports import free_ports

GUIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "guide")
BUILD = os.path.dirname(os.path.abspath(ATOLL))
SECONDS_MAX = 240
PORT = re.compile(r"\b(7[0-9]{3}|8[0-9]{3})\b")
NEEDED = ("redis-cli", "curl", "g++", "pkg-config", "meson")


def blocks(page):
    """(language, file or "", lines) of each fenced block."""
    with open(page) as file:
        lines = file.read().split("\n")
    found, block = [], None
    for line in lines:
        if block is None and line.startswith("```"):
            language, _, name = line[3:].partition(" ")
            block = (language, name, [])
        elif line == "```":
            found.append(block)
            block = None
        elif block is not None:
            block[2].append(line)
    return found


def commands(lines):
    """(command, what is typed into it, expected lines) of a console block."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], [], []))
        elif re.match(r"^atoll> ", line):
            found[-1][1].append(line.split("> ", 1)[1])
        else:
            found[-1][2].append(line)
    return found


def pattern(expected):
    """What the output must match as a whole."""
    parts = []
    for line in expected:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        elif line.endswith("..."):
            parts.append(re.escape(line[:-3]) + r".*\n")
        else:
            parts.append(re.escape(line) + r"\n")
    return "".join(parts)


@unittest.skipIf([tool for tool in NEEDED if shutil.which(tool) is None], "needs " + ", ".join(NEEDED))
class GuideTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.installed = Installed(BUILD)

    @classmethod
    def tearDownClass(cls):
        cls.installed.remove()

    def setUp(self):
        self.ports = free_ports()
        self.base = self.ports.base
        self.dir = tempfile.mkdtemp(prefix="atoll-guide-")
        os.symlink(BUILD, os.path.join(self.dir, "build"))
        os.mkdir(os.path.join(self.dir, "bin"))
        with open(os.path.join(self.dir, "bin/redis-cli"), "w") as script:  # which says more at a terminal
            script.write('#!/bin/sh\nexec {} --no-raw "$@"\n'.format(shutil.which("redis-cli")))
            os.chmod(script.fileno(), 0o755)
        self.environment = {**self.installed.environment(), "ATOLL_HISTORY": "",
                            "PATH": self.dir + "/bin:" + os.path.dirname(sys.executable) + ":" + os.environ["PATH"]}
        self.environment.pop("ATOLL_TOPOLOGY", None)

    def tearDown(self):
        subprocess.run(["build/atoll", "dev", "down"], cwd=self.dir, capture_output=True)
        shutil.rmtree(self.dir)
        self.ports.close()

    def here(self, text):
        """The page's text with the ports of this test's cluster."""
        text = PORT.sub(lambda match: str(int(match.group(1)) - 7000 + self.base), text)
        return text.replace("atoll dev up", "atoll dev up --wan-delay 5ms --base-port {}".format(self.base))

    def run_command(self, command, typed, expected):
        done = subprocess.run(["bash", "-c", self.here(command)], cwd=self.dir, capture_output=True, text=True,
                              timeout=SECONDS_MAX, env=self.environment,
                              input="".join(self.here(line) + "\n" for line in typed))
        print("$ " + command, flush=True)
        shown = done.stdout if done.stdout.endswith("\n") or not done.stdout else done.stdout + "\n"
        if not re.fullmatch(pattern(expected), shown):
            for log in sorted(glob.glob(self.dir + "/.atoll-dev/*/log.txt")):
                with open(log) as lines:
                    print("---- {}\n{}".format(log, "".join(lines.readlines()[-20:])))
            self.fail("$ {}\nexpected:\n{}\nfound:\n{}{}".format(command, "\n".join(expected), shown, done.stderr))

    def run_page(self, name):
        ran = 0
        for language, file, lines in blocks(os.path.join(GUIDE, name)):
            if file:
                with open(os.path.join(self.dir, file), "w") as out:
                    out.write(self.here("\n".join(lines)) + "\n")
            self.assertTrue(file or language in ("console", "text"), "a block that nobody runs: " + "\n".join(lines))
            for command, typed, expected in commands(lines) if language == "console" else []:
                self.run_command(command, typed, expected)
                ran += 1
        self.assertGreater(ran, 5)

    def test_getting_started(self):
        self.run_page("getting-started.md")

    def test_dev_cluster(self):
        self.run_page("dev-cluster.md")

    def test_sessions(self):
        self.run_page("sessions.md")

    def test_conflicts(self):
        self.run_page("conflicts.md")


if __name__ == "__main__":
    main()
