#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the queue in Redis alone, at several depths: bytes per waiting job, and what each script costs.

Times are the server's own (INFO commandstats), so that neither client nor network is in them; beside
them stands how many commands a script runs inside, which no other load on the machine can change. The
ids are tokens, in three priorities and ten tenants.

    bench/queue_depth.py [--depths 0,1000,100000] [--rounds 2000]
"""

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "src/redis"
INCLUDE = re.compile(r"^-- include (\S+)$", re.M)


def text_of(path):
    text = INCLUDE.sub(lambda m: text_of(path.parent / m[1]), path.read_text())
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


class Redis:
    """A server of its own, and one connection to it."""

    def __init__(self, folder):
        path = f"{folder}/socket"
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""]
        self.server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(1000):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.01)
        self.file = self.socket.makefile("rb")
        self.known = {}

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:].decode()
        if kind == b"-":
            sys.exit(f"redis: {rest}")
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else None
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def ask(self, *words):
        words = [str(word).encode() for word in words]
        body = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.socket.sendall(b"*%d\r\n%s" % (len(words), body))
        return self.read()

    def run(self, name, *words):
        if name not in self.known:
            self.known[name] = self.ask("SCRIPT", "LOAD", text_of(SCRIPTS / f"queue_{name}.lua"))
        return self.ask("EVALSHA", self.known[name], 1, "{evalx}:queue", "", *words)

    def bytes(self):
        return int(re.search(r"used_memory:(\d+)", self.ask("INFO", "memory"))[1])

    def cost(self, rounds, call):
        """Microseconds in the server, and commands inside, of each call."""
        self.ask("CONFIG", "RESETSTAT")
        for i in range(rounds):
            call(i)
        stats = self.ask("INFO", "commandstats")
        calls = {m[1]: (int(m[2]), int(m[3])) for m in
                 re.finditer(r"cmdstat_([^:]+):calls=(\d+),usec=(\d+)", stats)}
        scripts, spent = calls.pop("evalsha")
        calls.pop("config|resetstat", None)
        return spent / scripts, sum(count for count, _ in calls.values()) / scripts


def measure(redis, depth, rounds):
    redis.ask("FLUSHALL")
    redis.run("push", "warm", 1, "", 0)
    redis.run("ack", "warm")
    before = redis.bytes()
    for i in range(depth):
        redis.run("push", uuid.uuid4(), i % 3, f"tenant{i % 10:05}", 0)
    room = (redis.bytes() - before) / depth if depth else 0
    tickets = []

    def pull(i):
        tickets.append(redis.run("pull", 60000000, "w", "w/1", i, 1, "", 0))

    costs = {
        "push": redis.cost(rounds, lambda i: redis.run("push", uuid.uuid4(), i % 3, "tenant00001", 0)),
        "pull": redis.cost(rounds, pull),
        "extend": redis.cost(rounds, lambda i: redis.run("extend", tickets[i][1], tickets[i][5], 60000000, "w")),
        "finish": redis.cost(rounds, lambda i: redis.run("ack", tickets[i][1])),
        "stats": redis.cost(100, lambda i: redis.run("stats")),
        "tend": redis.cost(100, lambda i: redis.run("tend", 60000000)),
    }
    return room, costs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depths", default="0,1000,100000")
    parser.add_argument("--rounds", type=int, default=2000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalx-bench-") as folder:
        redis = Redis(folder)
        try:
            print("microseconds in the server (commands inside)")
            for depth in map(int, args.depths.split(",")):
                room, costs = measure(redis, depth, args.rounds)
                words = "  ".join(f"{name} {us:.0f} ({calls:.0f})" for name, (us, calls) in costs.items())
                print(f"{depth:7} waiting, {room:4.0f} bytes each:  {words}")
        finally:
            redis.server.kill()
            redis.server.wait()


main()
