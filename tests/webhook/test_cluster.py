# SPDX-License-Identifier: Apache-2.0
"""Webhooks of a deployment over Redis: any API sends them, one at a time, whoever dies."""

import sys
import time
from pathlib import Path

import pytest
import receiver as r
from conftest import SETTINGS
from receiver import SECRET

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))
from redis_servers import is_here  # noqa: E402
from world import Deployment, Redis  # noqa: E402

pytestmark = pytest.mark.skipif(not is_here(), reason="Redis is not installed")


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def deploy(redis, request):
    """deploy(apis=2) gives a deployment with keys of its own."""
    running = []

    def start(**kwargs):
        prefix = "".join(c for c in request.node.name if c.isalnum())[:40]
        env = {**SETTINGS, "EVALX_REDIS_PREFIX": prefix}
        running.append(Deployment(redis, env=env, **kwargs).start())
        return running[-1]

    yield start
    for deployment in running:
        deployment.__exit__()


def delivered(api, count, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        page = api.get(f"/v1/webhooks/deliveries?state=delivered&limit=100")[1]
        if len(page["deliveries"]) >= count:
            return page["deliveries"]
        time.sleep(0.05)
    raise AssertionError(f"{len(page['deliveries'])} of {count} delivered after {seconds} s: {page}")


def test_each_result_is_sent_once_by_one_of_two(deploy, receive):
    d, hook = deploy(apis=2, workers=1), receive()
    tokens = {d.submit(f"echo {n}", api=n % 2, webhook_url=hook.url()) for n in range(40)}
    rows = delivered(d.api(1), 40)
    assert {row["token"] for row in rows} == tokens and {row["attempts"] for row in rows} == {1}
    requests = hook.wait(40)
    assert len(requests) == 40 and {request.json["token"] for request in requests} == tokens
    assert all(request.signed_by(SECRET) for request in requests)


def test_an_api_that_dies_while_it_sends_is_stood_in_for(deploy, receive):
    d = deploy(apis=2, workers=1, api_env={"EVALX_WEBHOOK_TIMEOUT": "1s"})
    first = receive(r.hang)
    token = d.submit("echo hi", webhook_url=first.url())
    first.wait(1)
    sender = next(api for api in d.apis if api_of(api, first.port))
    sender.kill()
    first.act = r.answer(200)
    again = first.wait(2, seconds=40)[1]
    assert again.id == first.requests[0].id and again.json["token"] == token
    other = next(api for api in d.apis if api is not sender)
    (row,) = delivered(other, 1)
    assert row["token"] == token


def api_of(server, port):
    """Whether this process has a connection to the port."""
    import os

    inodes = set()
    for fd in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            name = os.readlink(fd)
        except OSError:
            continue
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(line[2].endswith(f":{port:04X}") and line[9] in inodes for line in lines)


def test_a_cancelled_and_an_impossible_submission_are_told(deploy, receive):
    d, hook = deploy(apis=1, workers=1), receive()
    waiting = d.submit("true", webhook_url=hook.url(), delay_seconds=3600)
    assert d.api(0).post(f"/v1/submissions/{waiting}/cancel", {})[0] == 200
    (request,) = hook.wait(1)
    assert request.json["state"] == "cancelled"


def test_redis_away_for_a_while_loses_no_delivery(redis, deploy, receive):
    d, hook = deploy(apis=1, workers=1), receive(r.answer(lambda request: 200 if len(hook.requests) > 5 else 500))
    tokens = {d.submit(f"echo {n}", webhook_url=hook.url()) for n in range(5)}
    hook.wait(3)
    redis.kill()
    time.sleep(1.5)
    redis.start()
    rows = delivered(d.api(0), 5)
    assert {row["token"] for row in rows} == tokens
    by_token = {}
    for request in hook.requests:
        by_token.setdefault(request.json["token"], set()).add(request.id)
    assert set(by_token) == tokens and all(len(ids) == 1 for ids in by_token.values())


def test_a_replay_reaches_whichever_sends(deploy, receive):
    d, hook = deploy(apis=2, workers=1), receive()
    d.submit("echo hi", webhook_url=hook.url())
    (row,) = delivered(d.api(0), 1)
    for n, api in enumerate(d.apis):
        assert api.post(f"/v1/webhooks/deliveries/{row['id']}/replay", {})[0] == 202
        hook.wait(2 + n, seconds=10)
        delivered(api, 1)
    assert {request.id for request in hook.requests} == {row["id"]}
