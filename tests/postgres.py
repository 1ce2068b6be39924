# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of a test's own, for tests that look at evalX from outside.

    with Postgres() as database, Server({"EVALX_DATABASE_URL": database.url}) as server:
        ...

Needs Debian's postgresql and, as root, its user postgres: it refuses root. It listens on loopback
(the server under test becomes an ordinary user that may not walk into its folder) at a port that
was free.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 60


def program(name):
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else None


def is_here():
    if program("initdb") is None:
        return False
    try:
        return os.geteuid() != 0 or bool(pwd.getpwnam("postgres"))
    except KeyError:
        return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    def __init__(self):
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="evalx-postgres-", dir="/var/tmp"))
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def spawn(self, name, *options, log="log"):
        who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        with open(self.folder / log, "ab") as out:
            return subprocess.Popen(
                [program(name), "-D", self.folder / "data", *options],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **who,
            )

    def create(self):
        """initdb; no fsync: the machine outlives the test."""
        done = self.spawn("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N").wait()
        assert done == 0, self.log_text()

    def go_on(self):
        """Start it, with the data it had before."""
        self.process = self.spawn("postgres", "-k", self.folder, "-h", "127.0.0.1", "-p", str(self.port), "-F")
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log_text()
            time.sleep(0.02)

    def answers(self):
        ask = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, check=False).returncode == 0

    def stop(self, how=signal.SIGQUIT):
        """SIGQUIT: at once, as pg_ctl stop -m immediate; SIGINT: connections are ended, then it stops."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def ask(self, sql):
        """The answer of psql, unaligned, without headers."""
        done = subprocess.run(
            [program("psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url],
            capture_output=True, text=True, check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def log_text(self):
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def __enter__(self):
        self.create()
        self.go_on()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
