# SPDX-License-Identifier: Apache-2.0
"""What an operator does: evalx queue over HTTP, who may, and what an idle deployment costs."""

import json
import os
import time

import pytest
from live import Server
from world import Deployment, Redis, evalx, until


@pytest.fixture(scope="module")
def d(redis):
    with Deployment(redis, 1, 1, {"EVALX_REDIS_PREFIX": "operator", "EVALX_ATTEMPTS": "1"}) as deployment:
        yield deployment


@pytest.fixture(params=["redis", "embedded"], scope="module")
def server(request, d):
    """The same command for both."""
    if request.param == "redis":
        yield d.api()
        return
    with Server({"EVALX_ATTEMPTS": "1"}) as alone:
        yield alone


def queue(server, *words):
    code, out, err = evalx("queue", *words, server=server)
    assert code == 0, err
    return out


def submit(server, source="echo", **more):
    return server.post("/v1/submissions", {"language": "bash", "source": source, **more})[1]["token"]


def test_pause_list_inspect_drop_drain_resume(server):
    assert "paused" in queue(server, "pause")
    tokens = [submit(server, f"echo {i}", priority=p) for i, p in enumerate(["low", "normal", "high"])]
    later = submit(server, delay_seconds=600)
    stats = json.loads(queue(server, "stats", "--json"))
    assert stats["paused"] and stats["waiting"] == {"low": 1, "normal": 2, "high": 1}
    assert "paused" in queue(server, "stats")
    time.sleep(1.1)  # what was looked at before is good for a second
    health = server.get("/health")
    row = next(c for c in health[1]["checks"] if c["name"] == "queue")
    assert health[0] == 200 and not row["ok"] and "resume" in row["fix"]

    listed = [line.split()[0] for line in queue(server, "list").splitlines()[1:]]
    assert sorted(listed) == sorted(tokens)
    assert later in queue(server, "list", "delayed")
    paged = [json.loads(line)["token"] for line in queue(server, "list", "--json", "--limit=2").splitlines()]
    assert paged == listed[:2]
    entry = json.loads(queue(server, "inspect", later, "--json"))
    assert (entry["place"], entry["attempts"], entry["reason"]) == ("delayed", 0, None)
    assert "delayed" in queue(server, "inspect", later)

    assert queue(server, "drop", tokens[0]) == "dropped: 1\n"
    assert server.get(f"/v1/submissions/{tokens[0]}")[1]["state"] == "cancelled"
    code, _, err = evalx("queue", "drain", server=server)
    assert code == 1 and "--yes" in err
    assert queue(server, "drain", "--yes") == "cancelled: 3\n"
    for token in (*tokens, later):
        assert server.get(f"/v1/submissions/{token}")[1]["state"] == "cancelled"
    assert queue(server, "resume") == "resumed\n"
    assert server.post("/v1/submissions?wait=30", {"language": "bash", "source": "echo on"})[1]["stdout"] == "on\n"


def test_workers_are_listed(server):
    rows = queue(server, "workers").splitlines()
    assert rows[0].startswith("WORKER") and len(rows) == 2
    worker = json.loads(queue(server, "workers", "--json"))[0]
    assert worker["slots"] > 0 and "bash" in [x["id"] for x in worker["languages"]]


def test_what_is_not_there_is_said(server):
    code, _, err = evalx("queue", "inspect", "00000000-0000-4000-8000-000000000000", server=server)
    assert code == 1 and "no entry" in err
    code, out, err = evalx("queue", "retry", "00000000-0000-4000-8000-000000000000", server=server)
    assert code == 1 and "no dead letter" in err and out == "retried: 0\n"
    assert queue(server, "retry", "--all") == "retried: 0\n"


def test_wrong_usage_is_explained():
    for words in ([], ["juggle"], ["list", "a", "b"], ["--what"]):
        code, _, err = evalx("queue", *words)
        assert code == 2 and err
    code, out, _ = evalx("queue", "--help")
    assert code == 0 and "drain" in out
    code, _, err = evalx("queue", "stats", env={"EVALX_SERVER": "http://127.0.0.1:9"})
    assert code == 1 and "127.0.0.1:9" in err


def test_the_operator_is_known_by_address_or_by_token(redis):
    shared = {"EVALX_REDIS_URL": redis.url, "EVALX_ROLE": "api", "EVALX_REDIS_PREFIX": "who"}
    with Server(shared) as open_, Server({**shared, "EVALX_ADMIN_TOKENS": "root1 root2", "EVALX_AUTH_TOKENS": "u"}) as closed:
        assert open_.get("/v1/queue")[0] == 200
        for header in ("X-Forwarded-For", "Forwarded", "Origin"):
            assert open_.client().request("GET", "/v1/queue", None, {header: "10.1.2.3"})[0] == 403, header
        assert closed.get("/v1/queue")[0] == 401
        assert closed.client().request("GET", "/v1/queue", None, {"Authorization": "Bearer u"})[0] == 401
        assert closed.client().request("GET", "/v1/queue", None, {"Authorization": "Bearer root2"})[0] == 200
        assert closed.client().request("GET", "/v1/stats", None, {"Authorization": "Bearer root2"})[0] == 401
        assert evalx("queue", "stats", server=closed)[0] == 1
        assert evalx("queue", "stats", server=closed, env={"EVALX_TOKEN": "root1"})[0] == 0


def ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def switches(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        for line in open(f"/proc/{pid}/task/{task}/status"):
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def requests_of(redis):
    """What came over connections; commands that scripts call are counted apart by Redis."""
    total = 0
    for line in redis.say("INFO", "commandstats").splitlines():
        name, rest = line.split(":", 1) if ":" in line else ("", "")
        if name in {f"cmdstat_{x}" for x in ("evalsha", "eval", "xreadgroup", "publish", "ping", "get", "set")}:
            total += int(rest.split("=")[1].split(",")[0])
    return total


def test_an_idle_deployment_sleeps(record_property):
    with Redis() as redis, Deployment(redis, 1, 1) as d:
        assert d.wait(d.submit("echo warm"))["verdict"] == "accepted"
        time.sleep(1.5)
        seconds = 6
        pids = [s.process.pid for s in d.all]
        before, requests = [(ticks(p), switches(p)) for p in pids], requests_of(redis)
        time.sleep(seconds)
        requests = (requests_of(redis) - requests) / seconds
        after = [(ticks(p), switches(p)) for p in pids]
        cpu = [a[0] - b[0] for a, b in zip(after, before)]
        woken = [(a[1] - b[1]) / seconds for a, b in zip(after, before)]
        record_property("redis_requests_per_second", requests)
        record_property("wakes_per_second_api_worker", woken)
        assert max(cpu) <= 3  # hundredths of a second, of six seconds
        assert requests < 8 and max(woken) < 20


def test_an_idle_server_alone_sleeps(record_property):
    with Server() as server:
        assert server.post("/v1/submissions?wait=30", {"language": "bash", "source": "echo"})[0] == 200
        time.sleep(1.5)
        before, cpu = switches(server.process.pid), ticks(server.process.pid)
        time.sleep(6)
        woken = (switches(server.process.pid) - before) / 6
        record_property("wakes_per_second", woken)
        assert ticks(server.process.pid) - cpu <= 1 and woken < 3


def test_tenants_take_turns(redis):
    """Ten of one token before two of another: the second does not wait for all of the first's."""
    env = {"EVALX_REDIS_PREFIX": "turns", "EVALX_AUTH_TOKENS": "alice bob", "EVALX_LANES": "1"}
    with Deployment(redis, 1, 1, env) as d:
        def post(who, source):
            return d.api().client().request("POST", "/v1/submissions", {"language": "bash", "source": source},
                                            {"Authorization": f"Bearer {who}"})[1]["token"]

        def look(token):
            return d.api().client().request("GET", f"/v1/submissions/{token}?wait=60", None,
                                            {"Authorization": "Bearer bob"})[1]

        evalx("queue", "pause", server=d.api(), env={})
        alice = [post("alice", "sleep 0.05") for _ in range(10)]
        bob = [post("bob", "sleep 0.05") for _ in range(2)]
        evalx("queue", "resume", server=d.api())
        last_of_bob = max(look(t)["started_at"] for t in bob)
        assert sum(look(t)["started_at"] < last_of_bob for t in alice) <= 5
        until(lambda: all(look(t)["verdict"] == "accepted" for t in alice), 30, "alice's are done too")


def test_doctor_looks_at_redis_and_says_what_to_mend():
    with Redis() as redis:
        env = {"EVALX_ROLE": "api", "EVALX_REDIS_URL": redis.url}
        code, out, _ = evalx("doctor", env=env)
        assert code == 0 and "Redis 7" in out and "weak" not in out
        for words, fault, fix in (
            (("appendonly", "no"), "no append-only file", "appendonly yes"),
            (("maxmemory-policy", "allkeys-lru"), "evicts keys", "noeviction"),
        ):
            redis.say("CONFIG", "SET", *words)
            code, out, _ = evalx("doctor", env=env)
            assert code == 0 and "weak" in out and fault in out and fix in out
            redis.say("CONFIG", "SET", "appendonly", "yes")
    code, out, _ = evalx("doctor", env=env)
    assert code == 1 and "FAIL" in out and "EVALX_REDIS_URL" in out
