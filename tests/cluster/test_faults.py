# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a deployment, once each: the token a client holds always ends with its one result."""

import http.client
import json
import secrets
import signal
import threading
import time

import pytest
from world import Deployment, Redis, evalx, until

SLEEP = "sleep {}; echo done"


@pytest.fixture
def own():
    with Redis() as server:
        yield server


def ask(server, method, path, body=None, timeout=60):
    """Status, headers, JSON."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
    try:
        raw = json.dumps(body).encode() if body is not None else None
        connection.request(method, path, raw, {"Content-Type": "application/json"} if raw else {})
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def test_a_job_whose_worker_is_killed_runs_elsewhere(pair, record_property):
    token = pair.submit(SLEEP.format(3))
    victim = pair.runner(token)
    killed = time.monotonic()
    victim.kill()
    until(lambda: (pair.entry(token) or {}).get("attempts") == 2, 30, "it runs elsewhere")
    record_property("seconds_from_kill_to_running_elsewhere", round(time.monotonic() - killed, 2))
    assert time.monotonic() - killed < 12  # a lease of 3 s, looked at every second
    done = pair.wait(token)
    assert (done["verdict"], done["attempts"], done["stdout"]) == ("accepted", 2, "done\n")
    victim.start()


def test_a_worker_that_stalled_does_not_overwrite_who_took_over(pair):
    token = pair.submit(SLEEP.format(2))
    stalled = pair.runner(token)
    stalled.process.send_signal(signal.SIGSTOP)
    try:
        done = pair.wait(token)
        assert (done["verdict"], done["attempts"]) == ("accepted", 2)
    finally:
        stalled.process.send_signal(signal.SIGCONT)
    until(lambda: "fenced_off" in stalled.log_text() or "lease.lost" in stalled.log_text(), 20,
          "the stalled worker noticed")
    time.sleep(1)  # its own end of the job comes now, if at all
    again = pair.look(token)
    assert again == done
    assert pair.entry(token) is None
    assert pair.wait(pair.submit("echo fine"))["verdict"] == "accepted"


def test_what_kills_its_worker_each_time_ends_as_a_dead_letter(redis):
    env = {"EVALX_REDIS_PREFIX": "poison", "EVALX_LEASE": "3s", "EVALX_ATTEMPTS": "2"}
    with Deployment(redis, 1, 1, env) as d:
        token = d.submit(SLEEP.format(60), limits={"wall_time_ms": 100000})
        for attempt in (1, 2):
            until(lambda n=attempt: (d.entry(token) or {}).get("attempts") == n
                  and d.entry(token)["place"] == "running", 30, f"attempt {attempt}")
            d.workers[0].kill()
            d.workers[0].start()
        done = d.wait(token)
        assert done["state"] == "finished" and done["verdict"] == "internal_error"
        assert "2 times" in done["message"]
        entry = d.entry(token)
        assert entry["place"] == "dead" and entry["reason"] == done["message"]
        assert d.wait(d.submit("echo next"))["stdout"] == "next\n"

        code, out, _ = evalx("queue", "retry", token, server=d.api())
        assert (code, out) == (0, "retried: 1\n")
        d.running(token)
        assert d.look(token)["verdict"] is None
        code, out, _ = evalx("queue", "drop", token, server=d.api())
        assert code == 0 and d.wait(token)["state"] == "cancelled"
        assert d.entry(token) is None


def test_redis_restarted_while_jobs_run(own):
    with Deployment(own, 2, 2, {"EVALX_LEASE": "5s"}) as d:
        running = [d.submit(SLEEP.format(2), api=i % 2) for i in range(4)]
        waiting = [d.submit(f"echo {i}", api=i % 2) for i in range(20)]
        d.running(running[0])
        time.sleep(1.2)  # fsync everysec: what is older than a second is on disk
        own.stop(signal.SIGKILL)
        time.sleep(1)
        own.start()
        d.ready()
        for token in running:
            assert d.wait(token)["stdout"] == "done\n"
        for i, token in enumerate(waiting):
            assert d.wait(token, api=(i + 1) % 2)["stdout"] == f"{i}\n"


def test_processes_may_start_before_their_redis(own):
    own.stop(signal.SIGTERM)
    with Deployment(own, 1, 1) as d:
        assert ask(d.api(), "GET", "/health/live")[0] == 200
        assert ask(d.api(), "GET", "/health/ready")[0] == 503
        own.start()
        d.ready()
        assert d.wait(d.submit("echo at last"))["stdout"] == "at last\n"


def test_redis_away_for_a_while(own):
    """An API says 503 and when to come back; what it gave a token for goes on when Redis does."""
    with Deployment(own, 1, 1, {"EVALX_LEASE": "5s"}) as d:
        tokens = [d.submit(f"sleep 0.5; echo {i}") for i in range(8)]
        d.running(tokens[0])
        own.send(signal.SIGSTOP)
        refused = []

        def client():
            refused.append(ask(d.api(), "POST", "/v1/submissions", {"language": "bash", "source": "echo"}))

        clients = [threading.Thread(target=client) for _ in range(3)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        for status, headers, problem in refused:
            assert status == 503 and int(headers["Retry-After"]) > 0 and problem["code"] == "unavailable"
        assert ask(d.api(), "GET", "/health/ready")[0] == 503
        assert ask(d.api(), "GET", "/health/live")[0] == 200
        own.send(signal.SIGCONT)
        d.ready()
        for i, token in enumerate(tokens):
            done = d.wait(token)
            assert (done["verdict"], done["stdout"]) == ("accepted", f"{i}\n")
        assert d.wait(d.submit("echo again"))["stdout"] == "again\n"


def test_a_slow_redis_only_slows_down(own):
    """Every answer takes its time; nothing times out, no lease is lost, no attempt is counted."""
    with Deployment(own, 2, 2, {"EVALX_LEASE": "5s"}) as d:
        tokens = []
        for i in range(5):
            own.say("CLIENT", "PAUSE", "800", "ALL")
            tokens += [d.submit(f"sleep 0.1; echo {i}", api=i % 2), d.submit(f"echo {i}", api=(i + 1) % 2)]
        for i, token in enumerate(tokens):
            done = d.wait(token, api=i % 2)
            assert (done["verdict"], done["stdout"], done["attempts"]) == ("accepted", f"{i // 2}\n", 1)


def test_results_wait_for_a_redis_that_is_away(own):
    with Deployment(own, 1, 1, {"EVALX_LEASE": "60s"}) as d:
        token = d.submit("sleep 1; echo kept")
        d.running(token)
        own.stop(signal.SIGTERM)
        until(lambda: "result.not_kept" in d.workers[0].log_text(), 30, "the result was refused")
        own.start()
        d.ready()
        done = d.wait(token)
        assert (done["stdout"], done["attempts"]) == ("kept\n", 1)
        assert "errands.well_again" in d.workers[0].log_text()


def test_a_client_that_waits_hears_the_end_although_redis_went_away_meanwhile(own):
    with Deployment(own, 1, 1, {"EVALX_LEASE": "60s"}) as d:
        token = d.submit("sleep 3; echo heard")
        d.running(token)
        answers = []
        client = threading.Thread(target=lambda: answers.append(d.wait(token, seconds=40)))
        began = time.monotonic()
        client.start()
        own.stop(signal.SIGTERM)
        own.start()
        client.join()
        assert answers[0]["stdout"] == "heard\n" and time.monotonic() - began < 20


def test_a_full_redis_refuses_new_ones_and_finishes_what_it_has():
    with Redis("maxmemory 12mb", "maxmemory-policy noeviction") as full, \
            Deployment(full, 1, 1, {"EVALX_LEASE": "10s"}) as d:
        d.api().post("/v1/queue/pause", {})
        tokens, status = [], 201
        while status == 201 and len(tokens) < 300:  # of random text: what Redis keeps is compressed
            body = {"language": "bash", "source": f"# {secrets.token_hex(100_000)}\necho {len(tokens)}"}
            status, headers, answer = ask(d.api(), "POST", "/v1/submissions", body)
            if status == 201:
                tokens.append(answer["token"])
        assert status == 503 and int(headers["Retry-After"]) > 0 and len(tokens) > 3
        assert evalx("queue", "stats", server=d.api())[0] == 0  # an operator can look
        assert evalx("queue", "resume", server=d.api())[0] == 0
        for i, token in enumerate(tokens):
            assert d.wait(token)["stdout"] == f"{i}\n"


def test_sigterm_lets_a_worker_finish_and_gives_back_the_rest(redis):
    with Deployment(redis, 1, 2, {"EVALX_REDIS_PREFIX": "drain", "EVALX_DRAIN": "2s"}) as d:
        short, long = d.submit(SLEEP.format(1)), d.submit(SLEEP.format(6), limits={"wall_time_ms": 30000})
        for token in (short, long):
            d.running(token)
        before = time.monotonic()
        first = d.runner(long)
        assert first.stop(signal.SIGTERM) == 0
        assert time.monotonic() - before < 8
        assert d.wait(short)["attempts"] == 1
        done = d.wait(long)
        assert (done["stdout"], done["attempts"]) == ("done\n", 1)  # given back is no attempt


def test_sigterm_of_an_api_answers_those_who_wait_and_loses_nothing(redis):
    with Deployment(redis, 2, 1, {"EVALX_REDIS_PREFIX": "apis"}) as d:
        token = d.submit(SLEEP.format(3), api=0)
        answers = []
        client = threading.Thread(
            target=lambda: answers.append(d.apis[0].get(f"/v1/submissions/{token}?wait=30")))
        client.start()
        time.sleep(0.5)
        assert d.apis[0].stop(signal.SIGTERM) == 0
        client.join()
        assert answers[0][0] == 200 and answers[0][1]["state"] in ("queued", "running")
        assert d.wait(token, api=1)["stdout"] == "done\n"


def test_nothing_is_lost_and_nothing_is_told_twice_under_kills(redis):
    """Workers die at any moment; every token has one right result in the end."""
    with Deployment(redis, 2, 2, {"EVALX_REDIS_PREFIX": "kills", "EVALX_LEASE": "3s", "EVALX_ATTEMPTS": "10"}) as d:
        tokens = [d.submit(f"sleep 0.05; echo {i}", api=i % 2) for i in range(150)]
        for round_ in range(4):
            time.sleep(0.4)
            d.workers[round_ % 2].kill()
            d.workers[round_ % 2].start()
        for i, token in enumerate(tokens):
            done = d.wait(token, api=i % 2)
            assert (done["verdict"], done["stdout"]) == ("accepted", f"{i}\n")
        stats = d.api().get("/v1/queue")[1]
        assert stats["waiting"] == {"low": 0, "normal": 0, "high": 0} and stats["running"] == 0 == stats["dead"]
