# SPDX-License-Identifier: Apache-2.0
"""Live servers for the HTTP tests: one with the defaults, others by the settings a test asks for."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from client import Api  # noqa: E402
from live import NotReady, Server  # noqa: E402

# Settings of Judge0's names in the environment of whoever runs the tests must not reach the server.
PREFIXES = ("ENABLE_", "DISABLE_", "ALLOW", "DISALLOW", "AUTH", "MAX_", "MAINTENANCE_", "CALLBACKS_")


class Fleet:
    """Servers by their settings; started when first asked for, stopped at the end."""

    def __init__(self):
        self.running = {}
        self.refused = {}  # settings -> why; not tried again

    def get(self, **settings):
        key = tuple(sorted(settings.items()))
        if key not in self.running and key not in self.refused:
            server = Server(settings)
            for name in list(server.env):
                if name.startswith(PREFIXES) and name not in settings:
                    del server.env[name]
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
