# SPDX-License-Identifier: Apache-2.0
"""Live servers for the HTTP tests: one with the defaults, others by the settings a test asks for.

With EVALX_TEST_REDIS=redis://... each of them is an API process with a worker of its own.
"""

import os
import signal
import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from client import Api  # noqa: E402
from live import NotReady, Server  # noqa: E402

# Settings of Judge0's names in the environment of whoever runs the tests must not reach the server.
PREFIXES = ("ENABLE_", "DISABLE_", "ALLOW", "DISALLOW", "AUTH", "MAX_", "MAINTENANCE_", "CALLBACKS_")


class Pair(Server):
    """An API process, and a worker behind it, over a Redis."""

    def __init__(self, settings):
        shared = {"EVALX_REDIS_URL": os.environ["EVALX_TEST_REDIS"], "EVALX_REDIS_PREFIX": uuid.uuid4().hex[:8]}
        super().__init__({**settings, **shared, "EVALX_ROLE": "api"})
        self.worker = Server({**settings, **shared, "EVALX_ROLE": "worker"})

    def start(self):
        self.worker.start()
        super().start()
        while not any(x["version"] for x in self.get("/v1/languages")[1].get("languages", [{"version": "?"}])):
            time.sleep(0.05)
        return self

    def stop(self, how=signal.SIGTERM):
        self.worker.stop(how)
        return super().stop(how)

    def remove(self):
        self.worker.remove()
        super().remove()


class Fleet:
    """Servers by their settings; started when first asked for, stopped at the end."""

    def __init__(self):
        self.running = {}
        self.refused = {}  # settings -> why; not tried again

    def get(self, **settings):
        key = tuple(sorted(settings.items()))
        if key not in self.running and key not in self.refused:
            server = Pair(settings) if os.environ.get("EVALX_TEST_REDIS") else Server(settings)
            for process in (server, getattr(server, "worker", server)):
                for name in list(process.env):
                    if name.startswith(PREFIXES) and name not in settings:
                        del process.env[name]
            try:
                self.running[key] = server.start()
            except NotReady as why:
                server.remove()
                self.refused[key] = why
        if key in self.refused:
            if os.environ.get("EVALX_TEST_ALLOW_SKIP"):
                pytest.skip(f"the server cannot run here: {self.refused[key]}")
            pytest.fail(f"the server cannot run: {self.refused[key]}", pytrace=False)
        return self.running[key]

    def stop(self):
        for server in self.running.values():
            server.stop()
            server.remove()


@pytest.fixture(scope="session")
def fleet():
    fleet = Fleet()
    yield fleet
    fleet.stop()


@pytest.fixture(scope="session")
def server(fleet):
    return fleet.get()


@pytest.fixture
def api(server):
    """The server with the defaults; a test must leave it alive."""
    api = Api(server.host, server.port)
    yield api
    assert server.process.poll() is None, f"the server died:\n{server.log_text()[-4000:]}"
    assert api.alive()


@pytest.fixture
def serve(fleet):
    """serve(NAME="value", ...) gives a client of a server with these settings."""

    def start(**settings):
        server = fleet.get(**settings)
        return Api(server.host, server.port)

    return start
