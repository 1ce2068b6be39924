# SPDX-License-Identifier: Apache-2.0
import os
import time

import pytest
from engine import STRICT, Engine, missing

from live import Client
from postgres import free_port

# What takes minutes and much of Debian's archive: `make test-images`.
collect_ignore = [] if os.environ.get("EVALX_IMAGES") == "all" else ["full"]


@pytest.fixture(scope="session")
def engine():
    reason = missing()
    if reason:
        pytest.skip(reason)
    with Engine() as one:
        yield one


@pytest.fixture(scope="session")
def core(engine):
    return engine.build("core")


@pytest.fixture(scope="session")
def api(engine):
    return engine.build("api")


@pytest.fixture(scope="session")
def exact(engine):
    """Options of `docker run` that give a container exact limits."""
    return (*STRICT, *engine.groups("make"))


class Container:
    """A server in a container, on the host's network at a port that was free."""

    def __init__(self, engine, image, options):
        self.engine = engine
        self.port = free_port()
        self.id = engine.docker("run", "-d", "-e", f"EVALX_LISTEN=127.0.0.1:{self.port}", *options, image).stdout.strip()
        end = time.monotonic() + 60
        while "ready on http://" not in self.log():
            assert self.running() and time.monotonic() < end, self.log()
            time.sleep(0.1)

    def log(self):
        done = self.engine.docker("logs", self.id)
        return done.stdout + done.stderr

    def running(self):
        return self.engine.inspect(self.id)["State"]["Running"]

    def ask(self, method, path, body=None):
        client = Client("127.0.0.1", self.port)
        try:
            return client.request(method, path, body)
        finally:
            client.close()

    def run(self, language, source, **more):
        status, answer = self.ask("POST", "/v1/submissions?wait=60", {"language": language, "source": source, **more})
        assert status in (200, 201) and answer["state"] == "finished", answer
        return answer

    def remove(self):
        self.engine.docker("rm", "-f", "-v", self.id)


@pytest.fixture(scope="module")
def container(engine):
    """container(image, *options): a server that is removed with the module."""
    all_of_them = []

    def start(image, *options):
        all_of_them.append(Container(engine, image, options))
        return all_of_them[-1]

    yield start
    for one in all_of_them:
        one.remove()
