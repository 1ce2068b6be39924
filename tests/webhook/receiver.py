# SPDX-License-Identifier: Apache-2.0
"""Receivers of webhooks as they are in life: one that answers, and many that do not as they should.

    with Receiver() as r:              # 200 to everything
        r.url("/hook")
        r.wait(1)                      # the requests that came, once there is one

Each has its own port, or shares one by path; what it does is a function of the request.
"""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def signature(secret, webhook_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


class Request:
    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if line)}
        self.body = body
        self.at = time.time()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers.get("webhook-id")

    def signed_by(self, secret):
        wanted = signature(secret, self.id, self.headers["webhook-timestamp"], self.body)
        return wanted in self.headers.get("webhook-signature", "").split(" ")

    def __repr__(self):
        return f"<{self.method} {self.target} {self.id} {len(self.body)} bytes>"


def read_request(connection):
    """None when the client went away."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        more = connection.recv(65536)
        if not more:
            return None
        seen += more
    head, body = seen.split(b"\r\n\r\n", 1)
    request = Request(head, body)
    length = int(request.headers.get("content-length", 0))
    while len(request.body) < length:
        more = connection.recv(65536)
        if not more:
            return None
        request.body += more
    return request


# ---- what a receiver does: fn(receiver, connection, request) -> whether the connection is kept ----


def answer(status, headers=(), body=b""):
    """An ordinary answer; a function of the request may be given in place of the status."""

    def act(receiver, connection, request):
        code = status(request) if callable(status) else status
        lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return True

    return act


def hang(receiver, connection, request):
    receiver.stopping.wait()
    return False


def drip(receiver, connection, request):
    """A byte of the head every tenth of a second, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not receiver.stopping.wait(0.1):
        connection.sendall(b"x")
    return False


def drip_body(receiver, connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not receiver.stopping.wait(0.1):
        connection.sendall(b"x")
    return False


def stream(status):
    def act(receiver, connection, request):
        connection.sendall(f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        while not receiver.stopping.is_set():
            connection.sendall(chunk)
        return False

    return act


def endless_head(receiver, connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-More: " + b"x" * 1000 + b"\r\n"
    while not receiver.stopping.is_set():
        connection.sendall(line)
    return False


def interim_for_ever(receiver, connection, request):
    while not receiver.stopping.is_set():
        connection.sendall(b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n" * 100)
    return False


def close_early(receiver, connection, request):
    return False


def reset(receiver, connection, request):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return False


def garbage(receiver, connection, request):
    connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    return False


class Receiver:
    def __init__(self, act=None, host="127.0.0.1", context=None, read=True):
        self.act = act or answer(200)
        self.context, self.read = context, read
        self.requests = []
        self.connections = 0
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        self.listener = socket.create_server((host, 0), backlog=512)
        self.host, self.port = self.listener.getsockname()[:2]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="/", host=None, scheme=None):
        scheme = scheme or ("https" if self.context else "http")
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            if not self.read:
                self.act(self, connection, None)
                return
            while True:
                request = read_request(connection)
                if request is None:
                    return
                with self.changed:
                    self.requests.append(request)
                    self.changed.notify_all()
                if not self.act(self, connection, request):
                    return
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def wait(self, count, seconds=20):
        """The requests, once there are so many."""
        with self.changed:
            came = self.changed.wait_for(lambda: len(self.requests) >= count, seconds)
            assert came, f"{len(self.requests)} of {count} requests came within {seconds} s: {self.requests}"
            return list(self.requests)

    def stop(self):
        self.stopping.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # or accept() goes on with the closed one
        except OSError:
            pass
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def certificate(folder, *names):
    """A self-signed certificate for these names or addresses; returns (its file, a server's context)."""
    import subprocess

    folder = Path(folder)
    key, cert = folder / "key.pem", folder / "cert.pem"
    alternatives = ",".join(("IP:" if name[0].isdigit() else "DNS:") + name for name in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", cert, "-subj", "/CN=test", "-addext", f"subjectAltName={alternatives}"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context
