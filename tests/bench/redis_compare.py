#!/usr/bin/env python3
"""redis-benchmark against Debian's redis-server with `appendfsync always` and against Atoll, in turn on this machine: 50
connections, values of 100 bytes, a million keys, without pipelining and 16 deep. All systems are up throughout, and take
turns within each round of each test. Prints a table in Markdown: requests a second, the processor time that all processes
of a system spent on one request (the load generator's included), and the ratio of the throughput to Redis in the same
round; where regions write to each other, how long the others took to have everything.

    tests/bench/redis_compare.py [--build build] [--requests 100000] [--rounds 3] [--only NAME] [--json FILE] [--write FILE]

--write puts the table into a document, between the lines <!-- redis_compare --> and <!-- end -->."""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TESTS = ("set", "get", "incr")
DEPTHS = (1, 16)
TICKS = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pid):
    with open("/proc/{}/stat".format(pid)) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_for(port, pid=None):
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.sendall(b"PING\r\n")
                if client.recv(7) == b"+PONG\r\n":
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit("nothing answers on port {}".format(port))
        time.sleep(0.05)


@contextlib.contextmanager
def redis_server():
    directory = tempfile.mkdtemp(prefix="atoll-redis-", dir=os.getcwd())
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(["redis-server", "--port", str(port), "--dir", directory, "--appendonly", "yes",
                                "--appendfsync", "always", "--save", ""], stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port, [process.pid], None
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


@contextlib.contextmanager
def atoll(build, regions, nodes, base_port):
    directory = tempfile.mkdtemp(prefix="atoll-bench-", dir=os.getcwd())
    command = [os.path.join(build, "atoll"), "dev"]
    place = ["--dir", os.path.join(directory, "dev")]
    try:
        subprocess.run([*command, "up", "--regions", ",".join(regions), "--nodes", str(nodes), "--base-port",
                        str(base_port), "--wan-delay", "0ms", *place], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        pids = []
        for region in regions:
            for j in range(1, nodes + 1):
                with open(os.path.join(directory, "dev", "{}-{}".format(region, j), "pid")) as file:
                    pids.append(int(file.read().split()[0]))
        topology = os.path.join(directory, "dev", "topology.toml")
        yield base_port + 1, pids, lambda: seconds_to_converge(build, topology)
    finally:
        subprocess.run([*command, "down", *place], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(directory, ignore_errors=True)


def seconds_to_converge(build, topology):
    """Until every node has the same digest, from now on."""
    began = time.monotonic()
    result = subprocess.run([os.path.join(build, "atoll"), "digest", "-t", topology, "--wait", "120"], capture_output=True,
                            text=True)
    if result.returncode != 0:
        raise SystemExit("the regions are not equal after two minutes: " + result.stdout + result.stderr)
    return time.monotonic() - began


def measure(port, pids, test, depth, requests):
    before = sum(map(cpu_seconds, pids))
    usage = os.times()
    result = subprocess.run(["redis-benchmark", "-p", str(port), "-t", test, "-n", str(requests), "-c", "50", "-d", "100",
                             "-r", "1000000", "-P", str(depth), "--csv"], capture_output=True, text=True)
    if result.returncode != 0 or "Error" in result.stdout + result.stderr:
        raise SystemExit("redis-benchmark: " + result.stdout + result.stderr)
    after = os.times()
    line = [row for row in result.stdout.splitlines() if row.lower().startswith('"' + test)][0]
    rate = float(re.findall(r'"([^"]*)"', line)[1])
    own = after.children_user + after.children_system - usage.children_user - usage.children_system
    return rate, (sum(map(cpu_seconds, pids)) - before + own) / requests * 1e6


SYSTEMS = {
    "Redis, appendfsync always": lambda options: redis_server(),
    "Atoll, one node": lambda options: atoll(options.build, ["eu"], 1, options.base_port),
    "Atoll, ring of three, R=2 W=2": lambda options: atoll(options.build, ["eu"], 3, options.base_port + 300),
    "Atoll, three regions of one node": lambda options: atoll(options.build, ["eu", "us", "ap"], 1,
                                                             options.base_port + 600),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many runs counts")
    parser.add_argument("--only", action="append", help="a part of a system's name; Redis runs in any case")
    parser.add_argument("--base-port", type=int, default=21000)
    parser.add_argument("--json", help="a file for all figures")
    parser.add_argument("--write", help="a document that the table goes into")
    options = parser.parse_args()
    for program in ("redis-server", "redis-benchmark"):
        if shutil.which(program) is None:
            raise SystemExit(program + " is not installed: apt-get install redis-server redis-tools")
    wanted = [name for name in SYSTEMS if name.startswith("Redis") or not options.only or
              any(part in name for part in options.only)]
    figures, behind = {}, {}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(SYSTEMS[name](options)) for name in wanted}
        for depth in DEPTHS:
            for test in TESTS:
                runs = {name: [] for name in running}
                for _ in range(options.rounds):
                    for name, (port, pids, converge) in running.items():
                        runs[name].append(measure(port, pids, test, depth, options.requests * (3 if depth > 1 else 1)))
                        if converge:
                            behind[name] = max(behind.get(name, 0), converge())
                for name, figure in figures_of(runs).items():
                    figures[name, test, depth] = figure
                    say("{:5} {:2} deep {:9.0f}/s {:6.1f} us CPU {:5.2f}  {}".format(test.upper(), depth, *figure, name))
    lines = table_of(figures, behind)
    print("\n".join(lines))
    if options.write:
        write_into(options.write, lines)
    if options.json:
        with open(options.json, "w") as file:
            json.dump([{"system": name, "test": test, "depth": depth, "per_second": rate, "cpu_us": cpu, "ratio": ratio}
                       for (name, test, depth), (rate, cpu, ratio) in figures.items()], file, indent=1)


def figures_of(runs):
    """Of each system the medians of its requests a second, microseconds a request, and of the ratios to Redis in the same
    round: a disk that changes its pace between two rounds does so for both."""
    redis = next(iter(runs.values()))
    return {name: (statistics.median(rate for rate, _ in own), statistics.median(cpu for _, cpu in own),
                   statistics.median(rate / of_redis for (rate, _), (of_redis, _) in zip(own, redis)))
            for name, own in runs.items()}


def table_of(figures, behind):
    tests = [(test, depth) for depth in DEPTHS for test in TESTS]
    lines = ["| system | {} | all nodes equal after |".format(
        " | ".join("{}{}".format(test.upper(), "" if depth == 1 else ", 16 deep") for test, depth in tests)),
        "| --- |" + " --- |" * (len(tests) + 1)]
    names = list(dict.fromkeys(name for name, _, _ in figures))
    for name in names:
        cells = []
        for test, depth in tests:
            rate, cpu, ratio = figures[name, test, depth]
            cells.append("{:,.0f}/s, {:.1f} µs{}".format(rate, cpu, "" if name == names[0] else ", **{:.2f}**".format(ratio)))
        cells.append("{:.2f} s at most".format(behind[name]) if name in behind else "")
        lines.append("| {} | {} |".format(name, " | ".join(cells)))
    return lines


def write_into(path, lines):
    with open(path) as file:
        text = file.read()
    found = re.search(r"(<!-- redis_compare -->\n).*?(<!-- end -->)", text, re.S)
    if not found:
        raise SystemExit("{}: found no lines <!-- redis_compare --> and <!-- end -->".format(path))
    with open(path, "w") as file:
        file.write(text[:found.end(1)] + "\n" + "\n".join(lines) + "\n\n" + text[found.start(2):])


if __name__ == "__main__":
    main()
