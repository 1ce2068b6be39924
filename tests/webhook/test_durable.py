# SPDX-License-Identifier: Apache-2.0
"""Owed is owed: over kill -9 and restarts, always with the same id."""

import time

import receiver as r
from receiver import SECRET


def test_killed_between_the_end_and_the_delivery_it_is_delivered_after_the_restart(own, receive):
    api = own(EVALX_WEBHOOK_TIMEOUT="60s")
    release = []

    def first_hangs(receiver, connection, request):
        if release:
            return r.answer(200)(receiver, connection, request)
        return r.hang(receiver, connection, request)

    hook = receive(first_hangs)
    token = api.submit(webhook_url=hook.url())
    (first,) = hook.wait(1)
    release.append(True)
    api.server.kill()
    api.server.start()
    again = hook.wait(2, seconds=10)[1]
    assert again.id == first.id and again.body == first.body and again.signed_by(SECRET)
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)


def test_killed_many_times_every_submission_is_told_at_last(own, receive):
    api = own(EVALX_WEBHOOK_SCHEDULE="0,200ms,200ms,200ms,200ms,200ms,200ms,200ms")
    hook = receive(r.answer(lambda request: 200 if sum(x.id == request.id for x in hook.requests) > 1 else 500))
    tokens = set()
    for _ in range(3):
        client = api.server.client()
        for n in range(30):
            status, answer = client.post(
                "/v1/submissions", {"language": "bash", "source": f"echo {n}", "webhook_url": hook.url()}
            )
            assert status == 201
            tokens.add(answer["token"])
        client.close()
        time.sleep(0.15)
        api.server.kill()
        api.server.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        page = api.server.get("/v1/webhooks/deliveries?state=delivered&limit=100")[1]
        if len(page["deliveries"]) == len(tokens):
            break
        time.sleep(0.1)
    assert {row["token"] for row in page["deliveries"]} == tokens
    by_token = {}
    for request in hook.requests:
        by_token.setdefault(request.json["token"], []).append(request)
    assert set(by_token) == tokens
    for token, requests in by_token.items():
        assert {request.id for request in requests} == {"msg_" + token.replace("-", "")}
        assert len({request.body for request in requests}) == 1, "another result was told"


def test_a_stopped_server_goes_on_where_it_was(own, receive):
    statuses = iter((500, 200))
    api = own(EVALX_WEBHOOK_SCHEDULE="0,1s")
    hook = receive(r.answer(lambda request: next(statuses)))
    token = api.submit(webhook_url=hook.url())
    api.settled(token, "pending")
    hook.wait(1)
    assert api.server.stop() == 0
    api.server.start()
    hook.wait(2, seconds=10)
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)


def test_a_deleted_submission_is_not_told(own, receive):
    api = own(EVALX_WEBHOOK_SCHEDULE="0,1s,1s")
    hook = receive(r.answer(500))
    token = api.submit(webhook_url=hook.url())
    hook.wait(1)
    api.settled(token, "pending")
    assert api.server.client().request("DELETE", f"/v1/submissions/{token}")[0] == 204
    time.sleep(1.5)
    assert len(hook.requests) == 1


def test_it_stops_while_a_receiver_hangs(own, receive):
    api = own(EVALX_WEBHOOK_TIMEOUT="60s")
    hook = receive(r.hang)
    api.submit(webhook_url=hook.url())
    hook.wait(1)
    start = time.monotonic()
    assert api.server.stop() == 0
    assert time.monotonic() - start < 10


def test_what_is_under_way_may_end_before_the_server_stops(own, receive):
    def takes_a_while(receiver, connection, request):
        time.sleep(0.7)
        return r.answer(200)(receiver, connection, request)

    api = own()
    hook = receive(takes_a_while)
    token = api.submit(webhook_url=hook.url())
    hook.wait(1)
    assert api.server.stop() == 0
    api.server.start()
    delivery = api.delivery(token)
    assert (delivery["state"], delivery["attempts"], len(hook.requests)) == ("delivered", 1, 1)


def test_nothing_is_done_while_nothing_is_due(own, receive):
    """No polling: an idle server with a delivery due in an hour does not wake its sender."""
    api = own(EVALX_WEBHOOK_SCHEDULE="0,1h")
    hook = receive(r.answer(500))
    token = api.submit(webhook_url=hook.url())
    api.settled(token, "pending")
    time.sleep(1)

    def switches():
        total = 0
        for task in __import__("pathlib").Path(f"/proc/{api.server.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "webhooks":
                for line in (task / "status").read_text().splitlines():
                    total += int(line.split()[1]) if line.startswith("voluntary") else 0
        return total

    before = switches()
    time.sleep(3)
    assert switches() - before <= 1
