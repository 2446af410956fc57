#!/usr/bin/env python3
"""The library as an application gets it: `meson install` into an empty folder, then the examples compiled with what
pkg-config says and nothing else, and run."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, EXAMPLES, TOY = (os.path.abspath(path) for path in sys.argv[1:4])
del sys.argv[1:4]
STRICT = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **more)


@unittest.skipIf(shutil.which("meson") is None or shutil.which("pkg-config") is None, "no meson or no pkg-config")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp()
        done = run("meson", "install", "-C", BUILD, "--no-rebuild", "--tags", "devel,runtime", "--destdir", cls.dir)
        assert done.returncode == 0, done.stdout + done.stderr
        (pc,) = glob.glob(cls.dir + "/**/atoll.pc", recursive=True)
        cls.pkgconfig = os.path.dirname(pc)
        (headers,) = glob.glob(cls.dir + "/**/include/atoll", recursive=True)
        cls.headers = headers
        cls.prefix = os.path.dirname(os.path.dirname(headers))
        (shared,) = glob.glob(cls.dir + "/**/libatoll.so", recursive=True)
        cls.shared = shared

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def flags(self, *which):
        done = run("pkg-config", "--define-variable=prefix=" + self.prefix, *which, "atoll",
                   env={**os.environ, "PKG_CONFIG_PATH": self.pkgconfig})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def compile(self, source, *flags):
        program = os.path.join(self.dir, "program")
        done = run("g++", *STRICT, source, *flags, "-o", program, cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        return program

    def run_against_toy(self, program, *args, **more):
        toy = subprocess.Popen([TOY, self.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(toy.stdout.readline(), "ok\n")
            return run(program, os.path.join(self.dir, "topology.toml"), *args, **more)
        finally:
            toy.stdin.close()
            toy.wait(timeout=30)
            toy.stdout.close()

    def test_example_with_the_shared_library(self):
        program = self.compile(EXAMPLES + "/first_steps.cc", *self.flags("--cflags", "--libs"))
        done = self.run_against_toy(program, "us", env={"LD_LIBRARY_PATH": os.path.dirname(self.shared)})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "greeting: hello\nvisits: 3, red: yes, name: Ada\nitems: 1000 of 1000\n"
                                      "later: hello, called back: Ada\n")
        self.assertIn("libatoll.so.0", run("ldd", program).stdout)

    def test_session_example(self):
        program = self.compile(EXAMPLES + "/session.cc", *self.flags("--cflags", "--libs"))
        done = self.run_against_toy(program, "eu", input="\n", env={"LD_LIBRARY_PATH": os.path.dirname(self.shared)})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^written, token [-_\w]{30,}\n100 own write, read from eu\n$")

    def test_example_with_the_static_library(self):
        # The libraries below it are shared: Debian's static libzmq lacks one that it needs.
        flags = self.flags("--static", "--cflags", "--libs")
        flags[flags.index("-latoll")] = "-l:libatoll.a"
        program = self.compile(EXAMPLES + "/first_steps.cc", *flags)
        self.assertNotIn("libatoll.so", run("ldd", program).stdout)
        self.assertEqual(self.run_against_toy(program, "eu").returncode, 0)

    def test_wrong_region_is_told(self):
        program = self.compile(EXAMPLES + "/first_steps.cc", *self.flags("--cflags", "--libs"))
        done = self.run_against_toy(program, "xx", env={"LD_LIBRARY_PATH": os.path.dirname(self.shared)})
        self.assertEqual(done.returncode, 1)
        self.assertIn("no region 'xx' in the topology; it has eu, us, ap", done.stderr)

    def test_each_header_needs_the_standard_library_only(self):
        headers = glob.glob(self.headers + "/**/*.h", recursive=True)
        self.assertIn(self.headers + "/client.h", headers)
        for header in headers:
            done = run("g++", *STRICT, "-fsyntax-only", "-include", header, "-x", "c++", "-", input="",
                       *self.flags("--cflags"), cwd=self.dir)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(header) as file:
                for line in file:
                    if line.startswith("#include"):
                        self.assertRegex(line, r"^#include <(atoll/[a-z0-9_/]+\.h|[a-z_0-9]+)>\n$", header)
                    self.assertNotRegex(line, r"# *define ensure", header)

    def test_each_export_is_part_of_the_interface(self):
        names = [line.split(" ", 2)[2] for line in run("nm", "-DC", "--defined-only", self.shared).stdout.splitlines()]
        self.assertTrue(any(name.startswith("atolldb::client::Client::open(") for name in names))
        for name in names:
            self.assertRegex(name, r"(atolldb::(client::(Caller|Client|Session|calls)|topology::\w+)::|"
                                   r"(typeinfo|typeinfo name|vtable) for atolldb::client::|"
                                   r"atolldb::(topology::(load|parse)|region::(join|\w*token\w*)\b)|ATOLL_0)")


if __name__ == "__main__":
    unittest.main()
