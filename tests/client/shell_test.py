#!/usr/bin/env python3
"""`atoll shell` against a toy cluster: lines from a pipe, and keys from a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

from toy import ATOLL, WithToyCluster

SECONDS_MAX = 60


class Terminal:
    """A shell at a pseudo-terminal; what it shows, without its escapes."""

    def __init__(self, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ.update(TERM="vt100", ATOLL_HISTORY=os.path.join(folder, "history"))
            os.execv(ATOLL, [ATOLL, "shell"])
        self.shown = ""

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def expect(self, text):
        """Reads until `text` shows, and forgets all up to it. What was shown until then."""
        end = time.monotonic() + SECONDS_MAX
        while text not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            try:
                more = os.read(self.fd, 4096) if ready else b""
            except OSError:
                more = b""
            if not more:
                raise AssertionError("expected {!r}, found {!r}".format(text, self.shown))
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r|\x0f", "", more.decode(errors="replace"))
        before, self.shown = self.shown.split(text, 1)
        return before

    def keeps_lines(self):
        """Whether the terminal itself makes lines of what is typed, and shows it."""
        return termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO) != 0

    def wait(self):
        """Until the shell has ended, whatever it shows. Its exit status, or the signal that ended it, negative."""
        end = time.monotonic() + SECONDS_MAX
        while select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:  # it has gone
                break
        else:
            raise AssertionError("the shell does not end, and shows {!r}".format(self.shown))
        status = os.waitpid(self.pid, 0)[1]
        if not self.keeps_lines():
            raise AssertionError("found the terminal in the shell's mode, expected the one it was in")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)

    def end(self):
        self.expect("> ")
        self.type("\x04")
        return self.wait()


class Shell(WithToyCluster):
    def pipe(self, *lines):
        done = subprocess.run([ATOLL, "shell"], input="\n".join(lines) + "\n", capture_output=True, text=True,
                              timeout=SECONDS_MAX, cwd=self.dir)
        return done.returncode, done.stdout, done.stderr

    def test_lines_from_a_pipe(self):
        self.assertEqual(self.pipe("use eu", "set a 'one two'", "", "# nothing", "get a # shown", "incr n 3", "exit",
                                   "get a"), (0, "OK\none two\n3\n", ""))

    def test_words_and_bytes(self):
        status, out, err = self.pipe("use eu", r'set "a key" "x\"y\\z\x41"', "get 'a key'", r"set tail \ x", "get tail")
        self.assertEqual((status, out, err), (0, 'OK\nx"y\\zA\nOK\n x\n', ""))

    def test_a_wrong_line_is_told_and_the_next_one_runs(self):
        for line, said in (('get "a', 'found " without its end'), ("get a\\", "found \\ at the end"),
                           ("set a \\x4g", "found \\x4g, expected two hex digits"),
                           ("gett a", 'did you mean "get"'), ("get", "key is required"),
                           ("use mars", 'found "mars", expected one of eu, us, ap, eu-1'),
                           ("use", "expected one of eu"), ("token", "there is no session"),
                           ("session maybe", 'found "maybe", expected on, off'),
                           ("session join !", "found no token"), ("shell", "in a shell")):
            status, out, err = self.pipe("use eu", line, "set after this")
            self.assertIn(said, err, line)
            self.assertEqual(out, "OK\n", line)
            self.assertNotEqual(status, 0, line)

    def test_help_lists_all(self):
        out = self.pipe("help")[1]
        for word in ("use REGION", "session on", "inspect", "hincrby"):
            self.assertIn(word, out)

    def test_the_region_in_use_is_asked(self):
        for node in ("eu-1", "eu-2", "eu-3"):
            self.tell("stop " + node)
        eu, us = (self.pipe("use " + place, "set k v --deadline 300") for place in ("eu", "us"))
        elsewhere = self.pipe("use eu", "set k v --region us", "set k v --node ap-2", "use any", "set k v")
        for node in ("eu-1", "eu-2", "eu-3"):
            self.tell("start " + node)
        self.assertEqual(us, (0, "OK\n", ""))
        self.assertEqual(eu[:2], (1, ""))
        self.assertIn("eu-", eu[2])
        self.assertEqual(elsewhere, (0, "OK\nOK\nOK\n", ""))
        status, _, err = self.pipe("get k --region eu --node eu-1")
        self.assertEqual(status, 2)
        self.assertIn("excludes", err)

    def test_a_session_is_carried_from_line_to_line(self):
        status, out, err = self.pipe("use eu", "session on", "set s v", "token", "use us", "get s", "session off", "token")
        self.assertEqual(err, "atoll token: there is no session; `session on` begins one\n")
        lines = out.splitlines()
        self.assertEqual((lines[0], lines[2]), ("OK", "v"))
        self.assertEqual(self.pipe("session join " + lines[1], "token")[1], lines[1] + "\n")

    def test_a_session_is_carried_by_a_file(self):
        def atoll(*args):
            done = subprocess.run([ATOLL, *args], capture_output=True, text=True, timeout=SECONDS_MAX, cwd=self.dir)
            return done.returncode, done.stdout, done.stderr

        self.assertEqual(atoll("set", "f", "v", "--region", "eu", "--session", "mine"), (0, "OK\n", ""))
        with open(os.path.join(self.dir, "mine")) as file:
            token = file.read()
        self.assertRegex(token, r"^[-_A-Za-z0-9]{3,}\n$")
        self.assertEqual(atoll("get", "f", "--region", "us", "--session", "mine"), (0, "v\n", ""))
        with open(os.path.join(self.dir, "mine")) as file:
            self.assertGreater(len(file.read()), len(token))
        with open(os.path.join(self.dir, "broken"), "w") as file:
            file.write("no token!\n")
        status, _, err = atoll("get", "f", "--session", "broken")
        self.assertEqual(status, 1)
        self.assertIn("broken: found no token", err)
        self.assertEqual(atoll("get", "f", "--when-behind", "never")[0], 2)


class ShellAtTerminal(WithToyCluster):
    def test_at_a_terminal(self):
        terminal = Terminal(self.dir)
        terminal.expect('cluster toy. "help" lists')
        terminal.expect("atoll nearest> ")
        terminal.type("use u\t\n")  # completed as far as it is clear: us, us-1 ...
        terminal.expect("atoll us> ")
        terminal.type("set terminal 'typed here'\n")
        terminal.expect("OK\n")
        terminal.expect("atoll us> ")
        terminal.type("ge\tter\t\n")
        terminal.expect("typed here\n")
        terminal.expect("atoll us> ")
        terminal.type("half a line\x03")  # Ctrl-C: this line only
        terminal.expect("atoll us> ")
        terminal.type("\x1b[A\n")  # up: the last line again
        terminal.expect("typed here\n")
        terminal.expect("atoll us> ")
        terminal.type("s\t\t")
        self.assertIn("siblings  sadd  srem", terminal.expect("smembers"))
        terminal.type("\x15incr t 7\n")
        terminal.expect("incr t 7\n")
        terminal.expect("7\n")
        self.assertEqual(terminal.end(), 0)

    def test_typed_before_it_is_asked_for(self):
        terminal = Terminal(self.dir)
        terminal.type("use us\nset ahead 'of time'\n")  # before the shell has begun
        terminal.expect("atoll us> ")
        terminal.expect("OK\n")
        terminal.expect("atoll us> ")
        self.assertFalse(terminal.keeps_lines())
        for i in range(40):  # while commands run, and between their end and the next line
            terminal.type("incr keys\nget ahead\nxx\x15set keys\x7f{0} {0}\n".format(i))
        for i in range(40):
            terminal.expect("\n{}\n".format(i + 1))
            terminal.expect("\nof time\n")
            terminal.expect("\nOK\n")
        terminal.type("get key39\n")
        terminal.expect("\n39\n")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_interrupted_at_any_moment(self):
        terminal = Terminal(self.dir)
        terminal.expect("atoll nearest> ")
        for i in range(40):  # as the prompt shows, and before it is read behind it
            terminal.type("no such command \x03")
            terminal.expect("atoll nearest> ")
        terminal.type("set interrupted no\n")
        terminal.expect("OK\n")
        self.assertEqual(terminal.end(), 0)

    def test_interrupted_while_a_command_runs(self):
        self.tell("stop eu-1")
        try:
            terminal = Terminal(self.dir)
            terminal.expect("atoll nearest> ")
            terminal.type("get k --node eu-1 --deadline 59000\n")
            terminal.expect("59000\n")
            terminal.type("\x03")
            terminal.expect("once more ends the shell")
            self.tell("start eu-1")
            terminal.expect("atoll nearest> ")
            terminal.expect("atoll nearest> ")  # as after every Ctrl-C
            self.tell("stop eu-1")
            terminal.type("get k --node eu-1 --deadline 60000\n")
            terminal.expect("60000\n")
            terminal.type("\x03")
            terminal.expect("once more ends the shell")
            terminal.type("\x03")
            self.assertEqual(terminal.wait(), -signal.SIGINT)
        finally:
            self.tell("start eu-1")

    def test_history_is_there_again(self):
        first = Terminal(self.dir)
        for line in ("use eu", "set again 'and again'", "get again"):
            first.expect("> ")
            first.type(line + "\n")
        first.expect("get again\n")
        first.expect("and again\n")
        self.assertEqual(first.end(), 0)
        second = Terminal(self.dir)
        second.expect("> ")
        second.type("\x1b[A\n")
        second.expect("get again\n")
        second.expect("and again\n")
        self.assertEqual(second.end(), 0)


if __name__ == "__main__":
    unittest.main()
