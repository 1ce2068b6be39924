# SPDX-License-Identifier: Apache-2.0
"""Clients that wait: they hold no thread, are bounded by the server, and are answered when it stops."""

import concurrent.futures
import time

import pytest
from client import Api
from live import Server


@pytest.fixture
def hasty(serve):
    """One thread for HTTP, and nobody waits longer than two seconds. What a test left behind has ended."""
    api = serve(EVALX_HTTP_THREADS="1", EVALX_WAIT_MAX="2s", EVALX_LANES="2")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        queue = api.get("/v1/stats").json["queue"]
        if not queue["leased"] and not any(queue["waiting"].values()):
            return api
        time.sleep(0.05)
    raise AssertionError(f"the server does not come to rest: {queue}")


def test_the_server_bounds_the_wait(hasty):
    start = time.monotonic()
    answer = hasty.post("/v1/submissions?wait=600", {"language": "bash", "source": "sleep 5"})
    assert answer.status == 202
    assert 1.9 < time.monotonic() - start < 4
    hasty.post(f"/v1/submissions/{answer.json['token']}/cancel")


def test_a_judge0_wait_that_runs_out_gives_the_present_state(hasty):
    answer = hasty.post("/submissions?wait=true", {"language_id": 46, "source_code": "sleep 5"})
    assert answer.status == 201
    assert answer.json["status"]["id"] in (1, 2)
    hasty.post(f"/v1/submissions/{answer.json['token']}/cancel")


def test_waiting_clients_hold_no_thread(hasty):
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        waiting = [
            pool.submit(hasty.post, "/v1/submissions?wait=1.5", {"language": "bash", "source": "sleep 3"})
            for _ in range(40)
        ]
        time.sleep(0.3)
        start = time.monotonic()
        assert hasty.alive()
        assert time.monotonic() - start < 1
        answers = [w.result() for w in waiting]
    assert {a.status for a in answers} == {202}
    for answer in answers:
        hasty.post(f"/v1/submissions/{answer.json['token']}/cancel")


def test_a_wait_ends_when_the_job_does(hasty):
    start = time.monotonic()
    answer = hasty.post("/v1/submissions?wait=2", {"language": "bash", "source": "sleep 0.2; echo x"})
    assert answer.status == 200
    assert time.monotonic() - start < 1.8


def test_cancelling_wakes_who_waits(hasty):
    token = hasty.post("/v1/submissions", {"language": "bash", "source": "sleep 30"}).json["token"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hasty.get, f"/v1/submissions/{token}?wait=2")
        time.sleep(0.2)
        hasty.post(f"/v1/submissions/{token}/cancel")
        assert waiting.result().json["state"] == "cancelled"


def test_a_stopping_server_answers_those_who_wait():
    server = Server({"EVALX_DRAIN": "0"})
    with server:
        api = Api(server.host, server.port)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [
                pool.submit(api.post, "/v1/submissions?wait=60", {"language": "bash", "source": "sleep 30"})
                for _ in range(4)
            ]
            time.sleep(0.5)
            start = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - start < 15
            answers = [w.result() for w in waiting]
    for answer in answers:
        assert answer.status in (200, 202), answer
        assert answer.json["token"]
