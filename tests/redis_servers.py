# SPDX-License-Identifier: Apache-2.0
"""Redis servers of a test's own, for tests that look at evalX from outside.

    with Redis() as redis, Server({"EVALX_REDIS_URL": redis.url}) as server: ...
    with Sentinel() as group: ... group.fail_over()
    with RedisCluster() as cluster: ... cluster.owner("{evalx}:queue").kill()

They listen on loopback at ports that were free (the server under test becomes an ordinary user that
may not walk into their folders), keep an AOF, and die with the test, however it ends; their folders go too. Needs Debian's
redis-server, redis-sentinel and redis-tools.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 30


def is_here():
    return all(shutil.which(name) for name in ("redis-server", "redis-sentinel", "redis-cli"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(true, what, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class Redis:
    """One server; more: lines of configuration."""

    program = "redis-server"
    basic = ("appendonly yes", 'save ""', "repl-diskless-sync-delay 0", "enable-debug-command local")

    def __init__(self, *more):
        self.folder = Path(tempfile.mkdtemp(prefix="evalx-redis-", dir="/var/tmp"))
        self.port = free_port()
        lines = (f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *self.basic, *more)
        (self.folder / "conf").write_text("\n".join(lines) + "\n")
        self.process = None
        # Removes the folder once nobody holds the other end: this process, dead or done.
        self.janitor = subprocess.Popen(["sh", "-c", 'read x; rm -rf "$0" || { sleep 1; rm -rf "$0"; }', self.folder],
                                        stdin=subprocess.PIPE, start_new_session=True)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        """Also after a stop: the same data again."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", self.program, self.folder / "conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        until(lambda: self.say("PING") == "PONG", f"{self.program} answers at {self.port}")
        return self

    def say(self, *words):
        """What redis-cli prints."""
        done = subprocess.run(["redis-cli", "-p", str(self.port), *map(str, words)], capture_output=True,
                              text=True, check=False, timeout=60)
        return done.stdout.strip()

    def info(self, section, name):
        for line in self.say("INFO", section).splitlines():
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
        return None

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(timeout=60)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.kill()
        self.janitor.communicate()


class _Watcher(Redis):
    program = "redis-sentinel"
    basic = ()


class _Group:
    """Several servers under one with block."""

    servers = ()

    def __enter__(self):
        try:
            self.start()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for server in self.servers:
            server.__exit__()


class Sentinel(_Group):
    """A primary, its replica, and a Sentinel that knows them as "jobs"."""

    def __init__(self, *more):
        self.primary = Redis(*more)
        self.replica = Redis(f"replicaof 127.0.0.1 {self.primary.port}", *more)
        self.sentinel = _Watcher(
            f"sentinel monitor jobs 127.0.0.1 {self.primary.port} 1",
            "sentinel down-after-milliseconds jobs 1000",
            "sentinel failover-timeout jobs 2000",
        )
        self.servers = (self.primary, self.replica, self.sentinel)

    @property
    def url(self):
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/jobs"

    def start(self):
        self.primary.start()
        self.replica.start()
        until(lambda: self.replica.info("replication", "master_link_status") == "up", "the replica follows")
        self.sentinel.start()
        until(lambda: "slaves=1" in self.sentinel.say("INFO", "sentinel"), "Sentinel knows the replica")

    def fail_over(self, how=signal.SIGKILL):
        """Take the primary away (SIGSTOP: it hangs); returns once the replica is one."""
        if how == signal.SIGSTOP:
            self.primary.send(how)
        else:
            self.primary.stop(how)
        until(lambda: self.replica.info("replication", "role") == "master", "the replica took over")
        self.primary, self.replica = self.replica, self.primary


class RedisCluster(_Group):
    """Three primaries, nodes 0 to 2, with a replica each."""

    def __init__(self):
        self.nodes = self.servers = tuple(
            Redis("cluster-enabled yes", "cluster-node-timeout 1500", f"cluster-port {free_port()}")
            for _ in range(6)
        )

    @property
    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    def start(self):
        for node in self.nodes:
            node.start()
        subprocess.run(
            ["redis-cli", "--cluster", "create", *(f"127.0.0.1:{node.port}" for node in self.nodes),
             "--cluster-replicas", "1", "--cluster-yes"],
            check=True, capture_output=True, timeout=60,
        )
        for node in self.nodes:
            until(lambda node=node: node.info("replication", "role") == "master"
                  or node.info("replication", "master_link_status") == "up", "replicas follow")
            until(lambda node=node: "cluster_state:ok" in node.say("CLUSTER", "INFO"), "the cluster stands")

    def owner(self, key):
        """The node that has a key now."""
        alive = [node for node in self.nodes if node.process]
        slot = int(alive[0].say("CLUSTER", "KEYSLOT", key))
        for line in alive[0].say("CLUSTER", "NODES").splitlines():
            words = line.split()
            ranges = [r.split("-") for r in words[8:] if not r.startswith("[")]
            if "fail" not in words[2].split(",") and any(int(r[0]) <= slot <= int(r[-1]) for r in ranges):
                port = int(words[1].split("@")[0].rsplit(":", 1)[1])
                return next(node for node in self.nodes if node.port == port)
        return None
