# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: first it is said, then the door closes, then what runs has its time. And who is told: systemd."""

import http.client
import json
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from live import Client, Server
from look import JSON_LOG, ask, events, log_of, until
from world import Deployment

ECHO = {"language": "bash", "source": "echo hi"}


def end(server, how=signal.SIGTERM):
    server.process.send_signal(how)


def gone(server, seconds=20):
    return server.process.wait(timeout=seconds)


def test_it_is_said_first_and_requests_are_served_meanwhile():
    with Server({**JSON_LOG, "EVALX_DRAIN_DELAY": "2s"}) as server:
        kept = http.client.HTTPConnection(server.host, server.port)
        kept.request("GET", "/health/live")
        kept.getresponse().read()
        end(server)
        ready = until(lambda: (a := ask(server, "GET", "/health/ready")).status == 503 and a, "not ready", 1)
        assert ready.json["status"] == "draining" and ready.json["reasons"][0]["name"] == "draining"
        assert ask(server, "GET", "/health").json["draining"] and ask(server, "GET", "/health/live").status == 200
        done = ask(server, "POST", "/v1/submissions?wait=5", ECHO)
        assert done.status == 200 and done.json["verdict"] == "accepted"
        kept.request("GET", "/health/live")
        answer = kept.getresponse()
        assert answer.status == 200 and answer.headers["Connection"].lower() == "close"
        assert gone(server) == 0
        with pytest.raises(OSError):
            ask(server, "GET", "/health/live")
        assert events(server, "server.stopping")[0]["signal"] == signal.SIGTERM


def wait_for(server, source, answers):
    def go():
        answers.append(Client(server.host, server.port).post("/v1/submissions?wait=60", {"language": "bash", "source": source}))
    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: events(server, "job.started"), "it runs")
    return thread


def test_what_runs_may_finish_and_who_waits_is_answered():
    with Server({**JSON_LOG, "EVALX_DRAIN": "20s"}) as server:
        answers = []
        thread = wait_for(server, "sleep 2; echo done", answers)
        end(server)
        assert gone(server) == 0
        thread.join()
        assert answers[0][0] == 200 and answers[0][1]["stdout"] == "done\n"


def test_a_second_signal_hastens_and_loses_nothing():
    with Server({**JSON_LOG, "EVALX_DRAIN": "60s", "EVALX_DRAIN_DELAY": "60s"}) as server:
        answers = []
        thread = wait_for(server, "sleep 8; echo done", answers)
        began = time.monotonic()
        end(server)
        until(lambda: events(server, "server.stopping"), "it heard")
        end(server)
        assert gone(server) == 0 and time.monotonic() - began < 6
        thread.join()
        assert answers[0][0] == 202  # not yet: it runs again
        token = answers[0][1]["token"]
        assert events(server, "job.given_back", id=token)
        server.process.stdout.close()
        server.env["EVALX_DRAIN_DELAY"] = server.env["EVALX_DRAIN"] = "0"
        server.start()
        assert ask(server, "GET", f"/v1/submissions/{token}?wait=40").json["stdout"] == "done\n"


# ---- rolling restarts ----

class Balancer:
    """The smallest that honours readiness: asks each server often, sends to those that said yes."""

    def __init__(self, servers):
        self.servers, self.ready, self.over = servers, [], threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.is_set():
            ready = []
            for server in self.servers:
                try:
                    if ask(server, "GET", "/health/ready").status == 200:
                        ready.append((server.host, server.port))
                except (OSError, http.client.HTTPException):
                    pass
            self.ready = ready
            self.over.wait(0.1)

    def __enter__(self):
        self.thread.start()
        until(lambda: len(self.ready) == len(self.servers), "all are ready")
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def send(balancer, over, tokens, failures):
    """A client that keeps its connection until it is told to close it, or its server is not ready any more."""
    connection, where, n = None, None, 0
    while not over.is_set():
        try:
            if connection is None or where not in balancer.ready:
                where = balancer.ready[n % len(balancer.ready)]
                connection = http.client.HTTPConnection(*where, timeout=30)
            n += 1
            connection.request("POST", "/v1/submissions", json.dumps(ECHO), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            assert answer.status == 201, body
            tokens.append(body["token"])
            if answer.headers.get("Connection", "").lower() == "close":
                connection = None
        except Exception as e:  # pylint: disable=broad-except
            failures.append(repr(e))
            connection = None
        time.sleep(0.01)


def test_rolling_restarts_fail_no_request_and_lose_no_job(redis):
    env = {**JSON_LOG, "EVALX_REDIS_PREFIX": "rolling", "EVALX_DRAIN_DELAY": "1s", "EVALX_DRAIN": "5s"}
    with Deployment(redis, 2, 2, env) as d, Balancer(d.apis) as balancer:
        over, tokens, failures = threading.Event(), [], []
        clients = [threading.Thread(target=send, args=(balancer, over, tokens, failures)) for _ in range(4)]
        for client in clients:
            client.start()
        for server in (d.apis[0], d.workers[0], d.apis[1], d.workers[1]):
            before = len(tokens)
            assert server.stop() == 0
            server.start()
            until(lambda: len(balancer.ready) == 2 and len(tokens) > before, "two are ready again")
        over.set()
        for client in clients:
            client.join()
        assert not failures, failures[:5]
        assert len(tokens) == len(set(tokens)) > 50
        for token in tokens:
            answer = d.wait(token)
            assert answer["verdict"] == "accepted" and answer["attempts"] == 1, answer


def test_a_worker_stops_pulling_at_once(redis):
    with Deployment(redis, 1, 1, {**JSON_LOG, "EVALX_REDIS_PREFIX": "stops"}, None, {"EVALX_DRAIN_DELAY": "30s"}) as d:
        running = d.submit("sleep 2")
        d.running(running)
        end(d.workers[0])
        until(lambda: events(d.workers[0], "server.stopping"), "it heard")
        later = d.submit("echo later")
        assert gone(d.workers[0]) == 0
        assert d.look(running)["state"] == "finished" and d.look(later)["state"] == "queued"


# ---- the service manager ----

def test_systemd_hears_ready_watchdog_and_stopping():
    with tempfile.TemporaryDirectory(prefix="evalx-notify-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        path = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            Path(path).chmod(0o777)
            manager.settimeout(20)
            with Server({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000", "EVALX_LANES": "1"}) as server:
                assert manager.recv(100) == b"READY=1"
                began = time.monotonic()
                assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
                assert 0.3 < time.monotonic() - began < 5
                end(server)
                heard = [manager.recv(100)]
                while heard[-1] == b"WATCHDOG=1":
                    heard.append(manager.recv(100))
                assert heard[-1] == b"STOPPING=1"
                assert gone(server) == 0


@pytest.mark.parametrize("env", [
    {"NOTIFY_SOCKET": "@evalx-nobody-listens"}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "/" + "x" * 300},
    {"WATCHDOG_USEC": "nonsense"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
])
def test_a_manager_that_is_not_there_keeps_nobody_from_serving(env):
    with Server({**env, "EVALX_LANES": "1", **JSON_LOG}) as server:
        assert ask(server, "GET", "/health/ready").status == 200
        assert log_of(server)
