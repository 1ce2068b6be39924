# SPDX-License-Identifier: Apache-2.0
"""Events of a submission at any API, whichever took it and whichever worker runs it."""

import sys
import threading
import time
from pathlib import Path

import pytest
from world import Deployment, Redis, until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from events import Reader  # noqa: E402

TESTS = [{"stdin": f"{i}\n"} for i in range(24)]


@pytest.fixture
def own():
    with Redis() as server:
        yield server


def assert_whole(d, token, events, api=0):
    final = d.look(token, api)
    tests = [e.data for e in events if e.name == "test"]
    assert sorted(t["index"] for t in tests) == list(range(len(final["tests"])))
    for test in tests:
        assert {k: v for k, v in test.items() if k != "index"} == final["tests"][test["index"]]
    assert (events[-1].name, events[-1].data) == ("finished", final)


def test_what_one_api_took_is_followed_at_another(pair):
    token = pair.submit("sleep 0.05; cat", api=1, tests=TESTS, delay_seconds=1)
    with Reader(pair.api(0), token) as reader:
        events = list(reader)
    assert [e.id for e in events[:2]] == ["queued", "running.1"]
    assert events[2].name == "test" and pair.look(token)["state"] == "finished"
    assert_whole(pair, token, events)


def test_tests_are_heard_of_while_the_job_runs_elsewhere(pair):
    token = pair.submit("read i; [ $i = 0 ] || sleep 1; echo $i", api=1, tests=TESTS[:8], delay_seconds=1)
    with Reader(pair.api(0), token) as reader:
        events = reader.until("test")
        assert pair.look(token)["state"] == "running"
        events += list(reader)
    assert_whole(pair, token, events)


def test_a_reader_goes_on_at_another_api(pair):
    token = pair.submit("sleep 0.1; cat", api=0, tests=TESTS, delay_seconds=1)
    with Reader(pair.api(0), token) as reader:
        events = reader.until("test", 3)
    for i in (1, 0, 1):
        with Reader(pair.api(i), token, reader.last_id) as reader:
            events += reader.until("test", 2)
    with Reader(pair.api(0), token, reader.last_id) as reader:
        events += list(reader)
    assert [e.id for e in events].count("running.1") == 1
    assert_whole(pair, token, events)
    with Reader(pair.api(1), token, reader.last_id) as reader:
        assert reader.status == 204


def test_a_second_attempt_is_told_as_one(pair):
    token = pair.submit("read i; [ $i = 0 ] || sleep 2; echo $i", api=1, tests=TESTS[:4], delay_seconds=1)
    victim = None
    with Reader(pair.api(0), token) as reader:
        events = reader.until("test")
        victim = pair.runner(token)
        victim.kill()
        events += list(reader)
    victim.start()
    assert [e.data["attempt"] for e in events if e.name == "state"] == [0, 1, 2]
    second = [e.id for e in events].index("running.2")
    assert_whole(pair, token, events[second:])


def test_a_stream_outlives_a_redis_that_was_away(own):
    with Deployment(own, 2, 1, {"EVALX_REDIS_PREFIX": "cut"}) as d:
        token = d.submit("sleep 0.2; cat", api=1, tests=TESTS, delay_seconds=1)
        events = []

        def follow():
            with Reader(d.api(0), token) as reader:
                events.extend(reader)

        thread = threading.Thread(target=follow)
        thread.start()
        until(lambda: any(e.name == "test" for e in events), 20, "a first test")
        own.stop()
        time.sleep(1)  # tests end meanwhile, and nobody hears of them
        own.start()
        thread.join(60)
        assert not thread.is_alive()
        d.ready()
        assert_whole(d, token, events)
