# SPDX-License-Identifier: Apache-2.0
"""A request's id and trace: taken, begun, answered, kept with the job, passed on to whoever is told."""

import re

import pytest
from live import Server
from look import HEX16, HEX32, JSON_LOG, PARENT, TRACE, ask, events, log_of, until
from receiver import Receiver
from world import Deployment

ECHO = {"language": "bash", "source": "echo hi"}


@pytest.fixture(scope="module")
def server():
    with Server({**JSON_LOG, "EVALX_WEBHOOK_ALLOW": "127.0.0.0/8"}) as one:
        yield one


def test_a_trace_is_taken_and_the_answer_has_a_span_of_its_own(server):
    answer = ask(server, "POST", "/v1/submissions?wait=20", ECHO, [("traceparent", PARENT)])
    trace, span, flags = answer.trace
    assert (answer.status, trace, flags) == (200, TRACE, "01") and span not in PARENT
    assert answer.json["trace_id"] == TRACE
    accepted, = events(server, "submission.accepted", id=answer.json["token"])
    started, = events(server, "job.started", id=answer.json["token"])
    finished, = events(server, "submission.finished", id=answer.json["token"])
    assert accepted["trace_id"] == started["trace_id"] == finished["trace_id"] == TRACE
    assert started["parent_id"] == span and started["span_id"] == finished["span_id"] != span
    request, = events(server, "http.request", span_id=span)
    assert request["parent_id"] == PARENT.split("-")[2] and request["status"] == 200
    assert finished["verdict"] == "accepted" and isinstance(finished["run_ms"], float)


@pytest.mark.parametrize("headers", [
    [],
    [("traceparent", PARENT.upper())],
    [("traceparent", PARENT + "-more")],
    [("traceparent", "ff" + PARENT[2:])],
    [("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01")],
    [("traceparent", PARENT), ("traceparent", PARENT)],
    [("tracestate", "a=1")],
], ids=["none", "upper", "longer", "ff", "zeros", "two", "state-alone"])
def test_what_is_no_trace_begins_one_that_nobody_asked_to_record(server, headers):
    trace, _, flags = ask(server, "GET", "/health/live", headers=headers).trace
    assert trace != TRACE and flags == "00"


def test_a_later_version_is_understood(server):
    assert ask(server, "GET", "/health/live", headers=[("Traceparent", f"cc{PARENT[2:]}-x")]).trace[0] == TRACE


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/health/live", 200), ("GET", "/v1/nothing", 404), ("DELETE", "/health", 405), ("POST", "/v1/submissions", 400),
    ("GET", "/submissions/nobody", 404), ("GET", "/v1/submissions/%zz", 400), ("GET", "/about", 200),
])
def test_every_answer_has_a_request_id_and_a_trace(server, method, path, status):
    mine = ask(server, method, path, headers=[("X-Request-Id", "client:1/a+b=@.-_")])
    assert mine.status == status and mine.headers["X-Request-Id"] == "client:1/a+b=@.-_"
    made = ask(server, method, path)
    assert re.fullmatch(HEX16, made.headers["X-Request-Id"]) and made.headers["X-Request-Id"] == made.trace[1]


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, 'a"b', "\xe4", "a,b", "{}"])
def test_a_request_id_that_is_none_is_replaced(server, value):
    answer = ask(server, "GET", "/health/live", headers=[("X-Request-Id", value)])
    assert re.fullmatch(HEX16, answer.headers["X-Request-Id"])


def test_the_judge0_face_has_the_trace_in_its_headers_alone(server):
    body = {"language_id": 46, "source_code": "echo hi"}
    answer = ask(server, "POST", "/submissions?wait=true&fields=*", body, [("traceparent", PARENT)])
    assert answer.status == 201 and answer.trace[0] == TRACE and "trace" not in answer.text
    assert events(server, "submission.accepted", id=answer.json["token"])[0]["trace_id"] == TRACE
    batch = ask(server, "POST", "/submissions/batch", {"submissions": [body, body]}, [("traceparent", PARENT)])
    for row in batch.json:
        assert events(server, "submission.accepted", id=row["token"])[0]["trace_id"] == TRACE


def test_a_client_cannot_set_the_trace_in_a_body(server):
    assert ask(server, "POST", "/v1/submissions", {**ECHO, "trace": PARENT}).status == 422


def test_a_webhook_carries_the_trace_on(server):
    with Receiver() as receiver:
        sent = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2,a=3")]
        token = ask(server, "POST", "/v1/submissions", {**ECHO, "webhook_url": receiver.url("/hook")}, sent).json["token"]
        hook = receiver.wait(1)[0]
    trace, span = re.fullmatch(f"00-({HEX32})-({HEX16})-01", hook.headers["traceparent"]).groups()
    assert trace == TRACE and hook.headers["tracestate"] == "a=1,b=2" and f'"trace_id":"{TRACE}"' in hook.body.decode()
    row, = until(lambda: events(server, "webhook.delivered", span_id=span), "the attempt is in the log")
    assert row["trace_id"] == TRACE and row["parent_id"] == events(server, "job.started", id=token)[0]["parent_id"]


def test_a_broken_tracestate_does_not_cost_the_trace(server):
    with Receiver() as receiver:
        sent = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "B=2")]
        ask(server, "POST", "/v1/submissions", {**ECHO, "webhook_url": receiver.url("/hook")}, sent)
        hook = receiver.wait(1)[0]
    assert TRACE in hook.headers["traceparent"] and "tracestate" not in hook.headers


def test_a_trace_survives_a_crash(server):
    with Server(JSON_LOG) as one:
        slow = {"language": "bash", "source": "sleep 1", "delay_seconds": 1}
        token = ask(one, "POST", "/v1/submissions", slow, [("traceparent", PARENT)]).json["token"]
        one.kill()
        one.start()
        assert ask(one, "GET", f"/v1/submissions/{token}?wait=30").json["trace_id"] == TRACE
        assert events(one, "submission.finished", id=token)[0]["trace_id"] == TRACE


def test_a_trace_goes_to_the_worker_that_runs_it(redis):
    env = {**JSON_LOG, "EVALX_REDIS_PREFIX": "traces"}
    with Deployment(redis, 1, 1, env) as d:
        token = ask(d.api(), "POST", "/v1/submissions", ECHO, [("traceparent", PARENT)]).json["token"]
        assert d.wait(token)["trace_id"] == TRACE
        started, = events(d.workers[0], "job.started", id=token)
        assert started["trace_id"] == TRACE
        assert all("trace_id" in row for row in log_of(d.workers[0]) if row["event"].startswith(("job.", "submission.")))
