# SPDX-License-Identifier: Apache-2.0
"""A small HTTP client for these tests: what was sent is exactly what is written, nothing is followed or repeated."""

import base64
import http.client
import json
import re
import socket
import time

TOKEN = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
UNSET = object()


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return (self.headers.get("Content-Type") or "").split(";")[0]

    def __repr__(self):
        return f"<{self.status} {self.type} {self.body[:300]!r}>"


class Api:
    """Requests to one server, each on a connection of its own unless one is kept."""

    def __init__(self, host, port, headers=None, timeout=60):
        self.host, self.port, self.timeout = host, port, timeout
        self.headers = headers or {}

    def request(self, method, path, body=None, headers=None, json_body=UNSET):
        headers = {**self.headers, **(headers or {})}
        if json_body is not UNSET:
            body = json.dumps(json_body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, json_body=UNSET, **headers):
        return self.request("POST", path, json_body=json_body, headers=headers)

    def delete(self, path, **headers):
        return self.request("DELETE", path, headers=headers)

    def raw(self, data, read=True, timeout=10):
        """Send bytes as they are; returns everything until the server closes, or b'' after the time."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as s:
            s.sendall(data)
            seen = b""
            while read:
                try:
                    more = s.recv(65536)
                except (TimeoutError, ConnectionResetError):
                    break
                if not more:
                    break
                seen += more
            return seen

    def alive(self):
        return self.get("/health/live").status == 200

    # ---- the Judge0 face ----

    def run(self, language_id, source, query="", **attributes):
        """Submit, wait, and return all columns."""
        body = {"language_id": language_id, "source_code": source, **attributes}
        answer = self.post(f"/submissions?wait=true&fields=*{query}", body)
        assert answer.status == 201, answer
        return answer.json

    def poll(self, token, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.get(f"/submissions/{token}?fields=*")
            if answer.status != 200 or answer.json["status"]["id"] > 2:
                return answer
            time.sleep(0.02)
        raise AssertionError(f"{token} is not final after {seconds} s")


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def unb64(text):
    return base64.b64decode(text.replace("\n", "")).decode()
