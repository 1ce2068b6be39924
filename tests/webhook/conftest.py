# SPDX-License-Identifier: Apache-2.0
"""Live servers that may send to this machine, and receivers for them."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from live import NotReady, Server  # noqa: E402
from receiver import SECRET, Receiver  # noqa: E402

SETTINGS = {
    "EVALX_WEBHOOK_ALLOW": "127.0.0.0/8",
    "EVALX_WEBHOOK_SECRET": SECRET,
    "EVALX_WEBHOOK_SCHEDULE": "0,300ms,300ms",
    "EVALX_WEBHOOK_TIMEOUT": "2s",
}


class Api:
    """A server and what these tests ask of it."""

    def __init__(self, server):
        self.server = server

    def submit(self, wait=False, status=None, **job):
        job = {"language": "bash", "source": "echo hi", **job}
        got, answer = self.server.post("/v1/submissions" + ("?wait=30" if wait else ""), job)
        assert got == (status or (200 if wait else 201)), answer
        return answer if status else answer["token"]

    def delivery(self, token):
        """The one delivery of a submission, with its log."""
        status, answer = self.server.get(f"/v1/webhooks/deliveries?token={token}")
        assert status == 200, answer
        rows = answer["deliveries"]
        assert len(rows) <= 1, rows
        return self.server.get(f"/v1/webhooks/deliveries/{rows[0]['id']}")[1] if rows else None

    def settled(self, token, *states, seconds=20):
        """Its delivery once it is in one of these states, or has ended."""
        import time

        states = states or ("delivered", "failed", "refused")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            delivery = self.delivery(token)
            if delivery and delivery["state"] in states:
                return delivery
            time.sleep(0.02)
        raise AssertionError(f"{token}: {delivery} is not {states} after {seconds} s\n{self.server.log_text()[-3000:]}")


def started(settings):
    server = Server({**SETTINGS, **settings})
    for name in list(server.env):
        if name.startswith(("ENABLE_", "CALLBACKS_", "AUTH")) and name not in settings:
            del server.env[name]
    try:
        return server.start()
    except NotReady as why:
        server.remove()
        if os.environ.get("EVALX_TEST_ALLOW_SKIP"):
            pytest.skip(f"the server cannot run here: {why}")
        pytest.fail(f"the server cannot run: {why}", pytrace=False)


@pytest.fixture(scope="session")
def fleet():
    running = {}

    def get(**settings):
        key = tuple(sorted(settings.items()))
        if key not in running:
            running[key] = started(settings)
        return running[key]

    yield get
    for server in running.values():
        server.stop()
        server.remove()


@pytest.fixture
def serve(fleet):
    """serve(NAME="value") gives a server with these settings besides."""

    def get(**settings):
        return Api(fleet(**settings))

    return get


@pytest.fixture
def api(serve):
    api = serve()
    yield api
    assert api.server.process.poll() is None, f"the server died:\n{api.server.log_text()[-4000:]}"


@pytest.fixture
def own():
    """A server of the test's own, to be killed and started again."""
    servers = []

    def start(**settings):
        servers.append(started(settings))
        return Api(servers[-1])

    yield start
    for server in servers:
        server.stop()
        server.remove()


@pytest.fixture
def receive():
    """receive(act) starts a receiver that ends with the test."""
    receivers = []

    def start(*args, **kwargs):
        receivers.append(Receiver(*args, **kwargs))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.stop()
