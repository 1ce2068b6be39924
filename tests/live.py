# SPDX-License-Identifier: Apache-2.0
"""A live server for tests that look at evalX from outside, and a small client of its native face.

    with Server() as server:
        done = server.post("/v1/submissions?wait=30", {...})

Needs nothing but the standard library. EVALX_BUILD names the build folder, build/ by default.
"""

import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("EVALX_BUILD", TOP / "build")).absolute()
READY = re.compile(r"ready on http://([0-9.]+):(\d+)")
START_SECONDS = 60


class NotReady(Exception):
    """The server did not come up; says what it printed."""


class Client:
    """One keep-alive connection; opens it again when it broke."""

    def __init__(self, host, port, timeout=120):
        self.host, self.port, self.timeout = host, port, timeout
        self.http = None

    def request(self, method, path, body=None, headers=None):
        """Returns (status, decoded JSON or text)."""
        raw = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", **(headers or {})} if raw else headers or {}
        if self.http is None:
            self.http = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            self.http.request(method, path, raw, headers)
            answer = self.http.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        kind = answer.headers.get_content_type()
        return answer.status, json.loads(text) if "json" in kind and text else text

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def close(self):
        if self.http is not None:
            self.http.close()
            self.http = None


class Server:
    """evalx serve with data of its own; stopped, and the data removed, at the end of the with block.

    Not in pytest's tmp_path: the server gives root up, and cannot walk through a folder that only
    root may enter. /var/tmp is on a disk, where an fsync means something.
    """

    def __init__(self, env=None, program=None, before=()):
        self.program = Path(program or BUILD / "evalx")
        self.before = before  # words in front of the command, of programs that end as evalx
        self.folder = Path(tempfile.mkdtemp(prefix="evalx-test-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.log_path = self.folder / "log"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("EVALX_")},
            "EVALX_LISTEN": "127.0.0.1:0",
            "EVALX_DATA_DIR": str(self.folder / "data"),
            **(env or {}),
        }
        if "EVALX_TEST_BOX" in os.environ:
            self.env.setdefault("EVALX_BOX", os.environ["EVALX_TEST_BOX"])
        self.process = None
        self.host = self.port = None

    def start(self):
        """Start it and wait for its ready line."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.before, self.program, "serve"], env=self.env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log,
            )
        seen = b""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if select.select([self.process.stdout], [], [], 0.5)[0]:
                more = os.read(self.process.stdout.fileno(), 4096)
                seen += more
                match = READY.search(seen.decode(errors="replace"))
                if match:
                    self.host, self.port = match[1], int(match[2])
                    return self
                if not more:
                    break
        self.stop(signal.SIGKILL)
        raise NotReady(f"{self.program}: {seen.decode(errors='replace')}{self.log_text()}")

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def client(self, timeout=120):
        return Client(self.host, self.port, timeout)

    def post(self, path, body):
        client = self.client()
        try:
            return client.post(path, body)
        finally:
            client.close()

    def get(self, path):
        client = self.client()
        try:
            return client.get(path)
        finally:
            client.close()

    def stop(self, how=signal.SIGTERM):
        """End it and return its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return status

    def kill(self):
        """The worst that can happen to it: kill -9."""
        return self.stop(signal.SIGKILL)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        self.remove()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
