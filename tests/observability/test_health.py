# SPDX-License-Identifier: Apache-2.0
"""Live, ready and health: what hangs hangs nobody, what is away is told once."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from live import Server
from look import JSON_LOG, ask, events, until
from world import Deployment, Redis


def rows(server):
    return {row["name"]: row for row in ask(server, "GET", "/health").json["checks"]}


def test_every_check_and_layer_says_how_it_is_and_since_when():
    with Server({"EVALX_LANES": "1"}) as server:
        health = ask(server, "GET", "/health").json
        assert {"store", "queue", "lanes", "webhooks"} <= {row["name"] for row in health["checks"]}
        assert health["status"] == "ok" and not health["draining"] and health["sandbox"]
        for row in health["checks"] + health["sandbox"]:
            assert row["ok"] and row["state"] in ("ok", "degraded") and row["checked_seconds_ago"] >= 0
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]{12}Z", row["since"])
        first = rows(server)["store"]["since"]
        time.sleep(1.2)
        again = rows(server)["store"]
        assert again["since"] == first and again["checked_seconds_ago"] < 1


def test_a_redis_that_hangs_hangs_no_probe():
    with Redis() as redis, Deployment(redis, 1, 1, JSON_LOG) as d:
        d.ready()
        os.kill(redis.process.pid, signal.SIGSTOP)
        try:
            for server in d.all:
                until(lambda server=server: ask(server, "GET", "/health/ready").status == 503, "not ready")
                slowest = 0
                for path in ("/health/live", "/health/ready", "/health") * 3:
                    began = time.monotonic()
                    status = ask(server, "GET", path).status
                    slowest = max(slowest, time.monotonic() - began)
                    assert status == (200 if path.endswith("live") else 503)
                assert slowest < 2, slowest
            row = next(row for row in rows(d.api()).values() if row["state"] == "unknown" or not row["ok"])
            assert row["detail"]
        finally:
            os.kill(redis.process.pid, signal.SIGCONT)
        for server in d.all:
            until(lambda server=server: ask(server, "GET", "/health/ready").status == 200, "ready again")


def test_what_goes_away_and_comes_back_is_told_once_each():
    with Redis() as redis, Deployment(redis, 1, 1, JSON_LOG) as d:
        d.ready()
        redis.kill()
        for server in d.all:  # nobody asks the worker
            until(lambda server=server: events(server, "health.failing", name="redis"), "the log knows")
        time.sleep(6)  # a few more looks
        first, again = rows(d.api())["redis"], rows(d.api())["redis"]
        assert first["since"] == again["since"] and not again["ok"]
        redis.start()
        for server in d.all:
            until(lambda server=server: events(server, "health.well", name="redis"), "the log knows", 40)
            failing, well = events(server, "health.failing", name="redis"), events(server, "health.well", name="redis")
            assert len(failing) == len(well) == 1 and well[0]["failed_s"] > 3, (failing, well)
            repeated = [row["event"] for row in events(server, "queue.tend") + events(server, "worker.announce")]
            assert len(repeated) <= 4, repeated


def test_probes_share_a_look(redis):
    with Deployment(redis, 1, 0, {**JSON_LOG, "EVALX_REDIS_PREFIX": "probes"}) as d:
        d.ready()
        time.sleep(1.1)
        before = int(redis.info("stats", "total_commands_processed"))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: ask(d.api(), "GET", "/health/ready"), range(400)))
        asked = int(redis.info("stats", "total_commands_processed")) - before
        assert asked < 200, asked
