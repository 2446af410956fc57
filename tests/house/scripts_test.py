#!/usr/bin/env python3
"""shellcheck finds nothing in the shell scripts, and Python reads every script of its own."""

import ast
import os
import shutil
import subprocess

import tree


def check_python(root):
    findings = []
    for path in tree.files(root, (".py",)):
        try:
            ast.parse("\n".join(tree.read_lines(root, path)), path)
        except SyntaxError as error:
            findings.append("{}:{}: {}".format(path, error.lineno, error.msg))
    return findings


def check(root):
    if shutil.which("shellcheck") is None:
        raise tree.Skip("found no shellcheck, expected it; tools/packages test installs it")
    scripts = [path for path in tree.SCRIPTS if os.path.exists(os.path.join(root, path))] + tree.files(root, (".sh",))
    findings = ["{}:1: found no executable file, expected chmod +x".format(path)
                for path in tree.SCRIPTS
                if os.path.exists(os.path.join(root, path)) and not os.access(os.path.join(root, path), os.X_OK)]
    if scripts:
        done = subprocess.run(["shellcheck", "-x", "-f", "gcc"] + scripts, cwd=root, capture_output=True, text=True)
        findings += done.stdout.splitlines()
        if done.returncode != 0 and not done.stdout:
            findings.append("shellcheck failed: " + done.stderr.strip())
    return findings + check_python(root)


if __name__ == "__main__":
    tree.run(check)
