"""A toy cluster for the tests of one class, and the programs that the command line names: atoll and the toy."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ATOLL, TOY = (os.path.abspath(path) for path in sys.argv[1:3])
del sys.argv[1:3]


class WithToyCluster(unittest.TestCase):
    """`dir` is a folder of its own, with the cluster's topology."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp()
        cls.toy = subprocess.Popen([TOY, cls.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert cls.toy.stdout.readline() == "ok\n"

    @classmethod
    def tearDownClass(cls):
        cls.toy.stdin.close()
        cls.toy.wait(timeout=30)
        cls.toy.stdout.close()
        shutil.rmtree(cls.dir)

    def tell(self, line):
        self.toy.stdin.write(line + "\n")
        self.toy.stdin.flush()
        self.assertEqual(self.toy.stdout.readline(), "ok\n")
