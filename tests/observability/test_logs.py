# SPDX-License-Identifier: Apache-2.0
"""The log: each line JSON, every event in the table of docs/logs.md, nothing of what users sent or programs printed."""

import base64
import re
from pathlib import Path

from live import Server
from look import JSON_LOG, ask, events, log_of, until
from receiver import Receiver

TOP = Path(__file__).resolve().parents[2]
CALL = re.compile(r'\blog_(debug|info|warn|error)\(\s*"([a-z_.]+)"')
WRITTEN = re.compile(r'\blog_write\([^;]*?"([a-z_]+\.[a-z_]+)"', re.S)
NOTED = re.compile(r'\boutage_note\([^;]*?"([a-z_]+\.[a-z_]+)"', re.S)
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_.]+)` \|", re.M)


def test_the_table_has_every_event_of_the_code_and_no_other():
    code = set()
    for path in TOP.glob("src/*/*.c"):
        if path.name == "log.c":
            continue
        text = path.read_text()
        code |= {name for _, name in CALL.findall(text)} | set(WRITTEN.findall(text)) | set(NOTED.findall(text))
    table = ROW.findall((TOP / "docs/logs.md").read_text())
    assert len(table) == len(set(table))
    assert set(table) == code


def canary(name):
    return f"canary-{name}-7f3a"


def submissions(receiver):
    """Both faces, well and badly, with a canary in whatever can hold one."""
    source = (f'echo {canary("stdout")}; echo {canary("stderr")} >&2; cat; echo "$1 $ENV_CANARY"; : {canary("source")}; ')
    native = {
        "language": "bash", "source": source, "stdin": canary("stdin"), "args": [canary("args")],
        "env": {"ENV_CANARY": canary("env")}, "expected_output": canary("expected"), "metadata": {"m": canary("metadata")},
        "webhook_url": receiver.url(f'/{canary("path")}?key={canary("query")}'),
    }
    yield "/v1/submissions?wait=20", native, 200
    yield "/v1/submissions?wait=20", {**native, "language": "c", "source": f'int main(){{ {canary("source")} }}'}, 200
    yield "/v1/submissions?wait=20", {**native, "collect": [canary("collect")], "source": source + "kill -9 $$"}, 200
    yield "/v1/submissions", {**native, "language": canary("language")}, 422
    yield "/v1/submissions", {**native, "limits": {"cpu_time_ms": canary("limit")}}, 422
    yield "/submissions?wait=true", {"language_id": 46, "source_code": source, "stdin": canary("stdin"),
                                     "command_line_arguments": canary("args"), "expected_output": canary("expected"),
                                     "callback_url": receiver.url(f'/{canary("path")}')}, 201


def test_nothing_of_users_programs_or_secrets_is_in_the_log():
    secret = "whsec_" + base64.b64encode(b"canary-secret-7f3a-0123456").decode()
    env = {**JSON_LOG, "EVALX_WEBHOOK_ALLOW": "127.0.0.0/8", "EVALX_AUTH_TOKENS": canary("token"),
           "EVALX_ADMIN_TOKENS": canary("admin"), "EVALX_WEBHOOK_SECRET": secret}
    headers = [("Authorization", f'Bearer {canary("token")}'), ("X-Other", canary("header")), ("Cookie", canary("cookie")),
               ("tracestate", f'a={canary("state")}'), ("X-Request-Id", canary("id") + " not one")]
    with Receiver() as receiver, Server(env) as server:
        for path, body, status in submissions(receiver):
            answer = ask(server, "POST", path, body, headers)
            assert answer.status == status, answer.text
        for path in (f'/v1/stats?token={canary("query")}', f'/submissions/x?X-Auth-Token={canary("query")}', "/v1/queue"):
            ask(server, "GET", path, headers=[("Authorization", f'Bearer {canary("wrong")}')])
        receiver.wait(4)
        until(lambda: len(events(server, "webhook.delivered")) >= 4, "every attempt is in the log")
        lines, text = log_of(server), server.log_text()
        assert len([row for row in lines if row["event"] == "submission.finished"]) == 4
    assert "canary" not in text, re.findall(".*canary.*", text)
    assert secret not in text and base64.b64encode(canary("stdin").encode()).decode() not in text


def test_each_line_is_json_whatever_a_client_writes():
    with Server(JSON_LOG) as server:
        for path in ("/v1/%22%0a%7b%7d", "/v1/\\\"},{", "/%7f%ff%01", "/v1/a=b%20c=d", "/" + "x" * 3000):
            ask(server, "GET", path)
        ask(server, 'BR"EW', "/health")
        paths = [row["path"] for row in log_of(server) if row["event"] == "http.request"]
        assert len(paths) == 6 and max(map(len, paths)) <= 1024


def test_the_access_log_is_a_setting():
    plain = {"EVALX_LOG_FORMAT": "json", "EVALX_LANES": "1"}
    for more, count in (({}, 0), ({"EVALX_ACCESS_LOG": "true"}, 1)):
        with Server({**plain, **more}) as server:
            ask(server, "GET", "/v1/stats?secret=1", headers=[("X-Request-Id", "me")])
            rows = events(server, "http.request", request_id="me")
            assert len(rows) == count and all(row["level"] == "info" and row["path"] == "/v1/stats" for row in rows)


def test_a_life_in_the_log_is_two_lines_at_level_info():
    with Server({"EVALX_LOG_FORMAT": "json", "EVALX_LANES": "1"}) as server:
        token = ask(server, "POST", "/v1/submissions?wait=20", {"language": "bash", "source": "exit 3"}).json["token"]
        waiting = ask(server, "POST", "/v1/submissions", {"language": "bash", "source": "", "delay_seconds": 60}).json["token"]
        ask(server, "POST", f"/v1/submissions/{waiting}/cancel")
        rows = [row for row in log_of(server) if row.get("id") == token]
        assert [row["event"] for row in rows] == ["submission.accepted", "submission.finished"]
        assert rows[1]["verdict"] == "runtime_error" and rows[1]["language"] == "bash" and rows[1]["attempt"] == 1
        gone, = events(server, "submission.cancelled", id=waiting)
        assert gone["trace_id"] == events(server, "submission.accepted", id=waiting)[0]["trace_id"]
