"""The library and its headers, installed into a folder of their own for one test."""

import glob
import os
import re
import shutil
import subprocess
import tempfile


class Installed:
    def __init__(self, build):
        self.dir = tempfile.mkdtemp(prefix="atoll-installed-")
        try:
            self._install(build)
        except BaseException:
            self.remove()
            raise

    def _install(self, build):
        done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--tags", "devel,runtime", "--destdir",
                               self.dir], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        (pc,) = glob.glob(self.dir + "/**/atoll.pc", recursive=True)
        (library,) = glob.glob(self.dir + "/**/libatoll.so", recursive=True)
        # As if the folder were the root: pkg-config knows no other way for one package only.
        with open(pc) as file:
            text = file.read()
        with open(pc, "w") as file:
            file.write(re.sub(r"^prefix=(.*)$", "prefix=" + self.dir + r"\1", text, flags=re.M))
        self.pkg_config, self.libraries = os.path.dirname(pc), os.path.dirname(library)

    def environment(self):
        """With which pkg-config finds it, and programs find the library."""
        return {**os.environ, "PKG_CONFIG_PATH": self.pkg_config, "LD_LIBRARY_PATH": self.libraries}

    def compile(self, source):
        """The program that became of it."""
        program = os.path.join(self.dir, os.path.basename(source) + ".out")
        command = 'g++ -std=c++20 "$1" $(pkg-config --cflags --libs atoll) -o "$2"'
        done = subprocess.run(["bash", "-c", command, "bash", source, program], capture_output=True, text=True,
                              env=self.environment())
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return program

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
