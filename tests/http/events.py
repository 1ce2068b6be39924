# SPDX-License-Identifier: Apache-2.0
"""A reader of server-sent events, as the WHATWG's HTML has them, for tests that follow a submission."""

import http.client
import json
import time


class Event:
    def __init__(self, name, id, data):
        self.name, self.id, self.data = name, id, data

    def __repr__(self):
        return f"<{self.name} {self.id}>"


class Reader:
    """One connection to /v1/submissions/{token}/events; iterating gives events until the stream ends."""

    def __init__(self, server, token, last_id=None, timeout=60, headers=None):
        self.http = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
        headers = {**(headers or {}), **({"Last-Event-ID": last_id} if last_id else {})}
        self.http.request("GET", f"/v1/submissions/{token}/events", headers=headers)
        self.answer = self.http.getresponse()
        self.status, self.headers = self.answer.status, self.answer.headers
        self.retry = []
        self.comments = 0
        self.last_id = last_id
        self.began = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()
        self.answer.close()

    def __iter__(self):
        name, data = "message", []
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    yield Event(name, self.last_id, json.loads("\n".join(data)))
                name, data = "message", []
            elif not field:
                self.comments += 1
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_id = value
            elif field == "retry":
                self.retry.append(int(value))
            else:
                raise AssertionError(f"no such field: {line!r}")

    def until(self, name, count=1):
        """Events up to the count-th of this name; the rest can be read on."""
        seen = []
        for event in self:
            seen.append(event)
            count -= event.name == name
            if count == 0:
                return seen
        raise AssertionError(f"the stream ended without it: {seen}")
