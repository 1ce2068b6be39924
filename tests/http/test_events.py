# SPDX-License-Identifier: Apache-2.0
"""/v1/submissions/{token}/events: everything once, in order, resumed by the last id, and no thread held for it."""

import concurrent.futures
import json
import socket
import time

import pytest
from client import Api
from events import Reader
from live import Server

TESTS = 24


@pytest.fixture
def narrow(serve):
    """One thread for HTTP, five streams."""
    return serve(EVALX_HTTP_THREADS="1", EVALX_EVENT_STREAMS="5", EVALX_LANES="2")


def submit(api, source="cat", tests=TESTS, **more):
    if tests:
        more["tests"] = [{"stdin": f"{i}\n"} for i in range(tests)]
    answer = api.post("/v1/submissions", {"language": "bash", "source": source, **more})
    assert answer.status == 201, answer
    return answer.json["token"]


def shown(api, token):
    return api.get(f"/v1/submissions/{token}").json


def assert_whole(api, token, events):
    """Each test once, as the record has it, then the record."""
    tests = [e.data for e in events if e.name == "test"]
    final = shown(api, token)
    assert sorted(t["index"] for t in tests) == list(range(len(final["tests"])))
    for test in tests:
        assert {k: v for k, v in test.items() if k != "index"} == final["tests"][test["index"]]
    assert [e.name for e in events].count("finished") == 1
    assert (events[-1].name, events[-1].id, events[-1].data) == ("finished", "finished", final)


def test_a_submission_is_followed_from_its_queue_to_its_end(api):
    token = submit(api, "sleep 0.05; cat", delay_seconds=1)
    with Reader(api, token) as reader:
        assert (reader.status, reader.headers["Content-Type"]) == (200, "text/event-stream")
        assert reader.headers["Cache-Control"] == "no-store"
        events = list(reader)
    assert reader.retry == [2000]
    assert [(e.name, e.id) for e in events[:2]] == [("state", "queued"), ("state", "running.1")]
    assert events[0].data == {"token": token, "state": "queued", "attempt": 0}
    assert events[1].data == {"token": token, "state": "running", "attempt": 1}
    assert {e.name for e in events[2:-1]} == {"test"}
    assert_whole(api, token, events)


def test_tests_come_while_others_still_run(api):
    token = submit(api, "read i; [ $i = 0 ] || sleep 1; echo $i", delay_seconds=1)
    with Reader(api, token) as reader:
        first = reader.until("test")[-1]
        end = time.monotonic() + 0.8  # the record's state need not be durable: a slow disk is behind
        while shown(api, token)["state"] == "queued" and time.monotonic() < end:
            time.sleep(0.01)
        assert shown(api, token)["state"] == "running"
        assert first.data["index"] == 0 and first.data["stdout"] == "0\n"
        rest = list(reader)
    assert_whole(api, token, [first, *rest])


def test_what_is_final_gives_everything_at_once(api):
    token = submit(api)
    api.get(f"/v1/submissions/{token}?wait=30")
    with Reader(api, token) as reader:
        events = list(reader)
    assert time.monotonic() - reader.began < 5
    assert [e.data["index"] for e in events[:-1]] == list(range(TESTS))
    assert_whole(api, token, events)


def test_one_run_has_no_tests_to_tell_of(api):
    token = submit(api, "echo x", tests=0)
    with Reader(api, token) as reader:
        events = list(reader)
    assert "test" not in [e.name for e in events]
    assert events[-1].data == shown(api, token)
    assert events[-1].data["stdout"] == "x\n"


def test_a_cancelled_one_ends_its_stream(api):
    token = submit(api, "sleep 30", tests=0)
    with Reader(api, token) as reader:
        reader.until("state")
        api.post(f"/v1/submissions/{token}/cancel")
        assert list(reader)[-1].data["state"] == "cancelled"


def test_a_test_with_large_output_comes_from_the_record(api):
    token = submit(api, "head -c 100000 /dev/zero | tr '\\0' x", tests=3)
    with Reader(api, token) as reader:
        events = list(reader)
    assert_whole(api, token, events)
    assert all(len(e.data["stdout"]) == 100000 for e in events if e.name == "test")


# ---- coming back ----


def test_a_reader_who_comes_back_gets_only_what_it_has_not(api):
    token = submit(api, "sleep 0.1; cat", delay_seconds=1)
    events = []
    with Reader(api, token) as reader:
        events += reader.until("test", 3)
    for _ in range(3):
        with Reader(api, token, reader.last_id) as reader:
            events += reader.until("test", 2)
    with Reader(api, token, reader.last_id) as reader:
        events += list(reader)
    assert [e.id for e in events].count("running.1") == 1
    assert_whole(api, token, events)


def test_who_had_everything_is_told_not_to_come_again(api):
    token = submit(api, tests=1)
    with Reader(api, token) as reader:
        list(reader)
    with Reader(api, token, reader.last_id) as again:
        assert again.status == 204


@pytest.mark.parametrize("last_id", ["nonsense", "tests.1.5-", "x" * 4000])
def test_an_id_of_somebody_else_says_nothing(api, last_id):
    token = submit(api, tests=2)
    with Reader(api, token, last_id) as reader:
        assert_whole(api, token, list(reader))


# ---- who is refused ----


def test_a_token_nobody_has_is_not_found(api):
    for token in ("00000000-0000-4000-8000-000000000000", "nonsense"):
        answer = api.get(f"/v1/submissions/{token}/events")
        assert (answer.status, answer.type) == (404, "application/problem+json")


def test_a_parameter_is_refused_and_head_has_no_body(api):
    token = submit(api, "sleep 2", tests=0)
    assert api.get(f"/v1/submissions/{token}/events?wait=1").json["field"] == "wait"
    answer = api.request("HEAD", f"/v1/submissions/{token}/events")
    assert (answer.status, answer.type, answer.body) == (200, "text/event-stream", b"")
    assert api.post(f"/v1/submissions/{token}/events").status == 405


def test_access_is_checked_as_for_the_submission_itself(serve):
    api = serve(EVALX_AUTH_TOKENS="secret-secret")
    token = api.post("/v1/submissions", {"language": "bash", "source": "echo"}, Authorization="Bearer secret-secret")
    path = f"/v1/submissions/{token.json['token']}/events"
    assert api.get(path).status == api.get(path.removesuffix("/events")).status == 401
    assert api.get(path, Authorization="Bearer secret-secret").status == 200


def test_the_number_of_streams_is_bounded_and_their_places_come_back(narrow):
    token = submit(narrow, "sleep 3", tests=0)
    readers = [Reader(narrow, token) for _ in range(5)]
    try:
        assert {r.status for r in readers} == {200}
        refused = narrow.get(f"/v1/submissions/{token}/events")
        assert (refused.status, refused.type) == (503, "application/problem+json")
        assert int(refused.headers["Retry-After"]) > 0
        for reader in readers:
            assert list(reader)[-1].name == "finished"
    finally:
        for reader in readers:
            reader.__exit__()
    with Reader(narrow, token) as reader:
        assert reader.status == 200


# ---- readers who do not read, and servers that stop ----


def test_streams_hold_no_thread_and_a_reader_who_does_not_read_holds_up_nobody(narrow):
    token = submit(narrow, "head -c 60000 /dev/zero | tr '\\0' x; sleep 0.05", tests=100)
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect((narrow.host, narrow.port))
    stuck.sendall(f"GET /v1/submissions/{token}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        readers = [Reader(narrow, token) for _ in range(3)]
        following = [pool.submit(list, r) for r in readers]
        assert narrow.alive()
        for events in following:
            assert_whole(narrow, token, events.result(60))
    stuck.settimeout(20)
    seen = b""
    while b"\r\n0\r\n\r\n" not in seen[-20:]:
        more = stuck.recv(65536)
        assert more, "it was cut off"
        seen += more
    stuck.close()
    assert seen.count(b"event: test\n") == 100 and seen.count(b"event: finished\n") == 1


def test_readers_who_vanish_leave_nothing_behind(narrow):
    token = submit(narrow, "sleep 0.02; cat", tests=40)
    for i in range(20):
        reader = Reader(narrow, token)
        if reader.status == 200 and i % 2:
            reader.until("test")
        reader.__exit__()
    narrow.get(f"/v1/submissions/{token}?wait=30")
    deadline = time.monotonic() + 5
    while (answer := narrow.get(f"/v1/submissions/{token}/events")).status == 503:
        assert time.monotonic() < deadline
    assert answer.status == 200


def test_an_idle_stream_beats(api):
    token = submit(api, "sleep 17", tests=0, limits={"wall_time_ms": 20000})
    with Reader(api, token) as reader:
        assert list(reader)[-1].data["verdict"] == "accepted"
    assert reader.comments == 1


def test_a_stopping_server_ends_its_streams_and_another_goes_on():
    with Server({"EVALX_DRAIN": "0", "EVALX_LANES": "2"}) as server:
        api = Api(server.host, server.port)
        token = submit(api, "read i; [ $i -lt 2 ] || sleep 5; echo $i", tests=8)
        readers = [Reader(api, token) for _ in range(4)]
        before = readers[0].until("test", 2)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 15
        for reader in readers[1:]:
            assert reader.answer.read().endswith(b"\n\n")  # whole events, and an orderly end
        assert [e for e in readers[0] if e.name == "finished"] == []
        server.start()
        with Reader(server, token, readers[0].last_id) as reader:
            after = list(reader)
    assert [e.data["index"] for e in before if e.name == "test"] == [0, 1] or len(before) >= 2
    assert after[-1].name == "finished"
    assert json.dumps(after[-1].data["tests"]).count('"accepted"') == 8
