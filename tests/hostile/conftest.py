# SPDX-License-Identifier: Apache-2.0
"""What the attack tests share: programs compiled once, lanes that stay warm, bait on the host."""

import os
import socket
import threading

import pytest

import cases
from lanes import Lanes


class Bait:
    """What a program that escapes would find on the host: files, services, a secret."""

    def __init__(self):
        self.marker = f"evalx-bait-{os.getpid()}"
        self.visits = []
        self.closers = []
        for folder in ("/tmp", "/var/tmp", "/dev/shm"):
            path = f"{folder}/{self.marker}"
            with open(path, "w") as f:
                f.write("bait\n")
            self.closers.append(lambda path=path: os.unlink(path))
        self.tcp_port = self.listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self.udp_port = self.listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self.listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.marker)

    def listen(self, family, kind, address):
        s = socket.socket(family, kind)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen()
        threading.Thread(target=self.wait, args=(s, kind), daemon=True).start()
        self.closers.append(s.close)
        return s.getsockname()[1] if family == socket.AF_INET else None

    def wait(self, s, kind):
        while True:
            try:
                self.visits.append(s.accept()[1] if kind == socket.SOCK_STREAM else s.recvfrom(99))
            except OSError:
                return

    def fill(self, text):
        return text.format(tcp_port=self.tcp_port, udp_port=self.udp_port, abstract=self.marker,
                           marker=self.marker, hostname=socket.gethostname())

    def close(self):
        for close in self.closers:
            close()


@pytest.fixture(scope="session")
def built():
    cases.compile_all()


@pytest.fixture(scope="session")
def bait():
    bait = Bait()
    yield bait
    bait.close()


@pytest.fixture(scope="session")
def lanes(built):
    """Two warm lanes for all tests, with a secret in the environment of the process that owns them."""
    why = Lanes.missing()
    if why:
        pytest.skip(why)
    lanes = Lanes(2, secret="EVALX_SECRET=hunter2")
    yield lanes
    lanes.close()
