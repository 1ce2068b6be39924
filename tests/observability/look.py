# SPDX-License-Identifier: Apache-2.0
"""What these tests share: answers with their headers, and a log as objects."""

import http.client
import json
import re
import time

HEX32, HEX16 = "[0-9a-f]{32}", "[0-9a-f]{16}"
JSON_LOG = {"EVALX_LOG_FORMAT": "json", "EVALX_LOG_LEVEL": "debug", "EVALX_LANES": "2"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Answer:
    def __init__(self, answer, text):
        self.status, self.headers, self.text = answer.status, answer.headers, text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def trace(self):
        """(trace id, span id, flags) as the answer says them."""
        match = re.fullmatch(f"00-({HEX32})-({HEX16})-(0[01])", self.headers["traceresponse"])
        assert match, self.headers["traceresponse"]
        return match.groups()


def ask(server, method, path, body=None, headers=()):
    """headers: pairs, of which several may have one name."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    raw = json.dumps(body).encode() if body is not None else b""
    connection.putrequest(method, path)
    for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(raw))), *headers]:
        connection.putheader(name, value)
    connection.endheaders(raw)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return Answer(answer, text)


def strict(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), keys
    return dict(pairs)


def log_of(server):
    """Every line of the log, strictly: an object each, and nothing else."""
    lines = []
    for line in server.log_text().splitlines():
        row = json.loads(line, object_pairs_hook=strict)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["time"]), line
        assert row["level"] in ("debug", "info", "warn", "error") and re.fullmatch("[a-z_.]+", row["event"]), line
        lines.append(row)
    return lines


def events(server, event, /, **fields):
    return [row for row in log_of(server) if row["event"] == event and fields.items() <= row.items()]


def until(true, what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")
