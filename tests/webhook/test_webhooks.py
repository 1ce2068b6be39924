# SPDX-License-Identifier: Apache-2.0
"""Webhooks of the native face: the message, its signature, retries, the log, replay."""

import json
import os
import subprocess
import time

import receiver as r
from live import BUILD
from receiver import SECRET


def test_the_result_is_posted_as_the_api_shows_it(api, receive):
    hook = receive()
    token = api.submit(source="echo hi; exit 3", metadata={"a": "b"}, webhook_url=hook.url("/x?y=z"))
    (request,) = hook.wait(1)
    assert (request.method, request.target) == ("POST", "/x?y=z")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("evalx/")
    assert request.json == api.server.get(f"/v1/submissions/{token}")[1]
    assert request.json["verdict"] == "runtime_error" and request.json["metadata"] == {"a": "b"}
    delivery = api.settled(token)
    assert delivery["id"] == request.id == "msg_" + token.replace("-", "")
    assert (delivery["state"], delivery["attempts"], delivery["kind"]) == ("delivered", 1, "webhook")
    assert delivery["url"] == hook.url("/x?y=z") and delivery["token"] == token and delivery["due_at"] is None
    (attempt,) = delivery["log"]
    assert attempt["status"] == 200 and attempt["error"] is None and 0 <= attempt["took_ms"] < 2000


def test_the_message_is_signed_as_the_standard_says(api, receive):
    hook = receive()
    api.submit(webhook_url=hook.url())
    (request,) = hook.wait(1)
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert request.signed_by(SECRET)
    assert not request.signed_by("whsec_" + "A" * 32)


def test_both_secrets_sign_while_one_replaces_the_other(serve, receive):
    new = "whsec_" + "QUJD" * 8
    hook = receive()
    serve(EVALX_WEBHOOK_SECRET=f"{SECRET} {new}").submit(webhook_url=hook.url())
    (request,) = hook.wait(1)
    assert request.signed_by(SECRET) and request.signed_by(new)
    assert len(request.headers["webhook-signature"].split(" ")) == 2


def test_without_a_secret_nothing_is_signed(serve, receive):
    hook = receive()
    serve(EVALX_WEBHOOK_SECRET="").submit(webhook_url=hook.url())
    (request,) = hook.wait(1)
    assert request.id and "webhook-signature" not in request.headers


def test_every_end_is_told(api, receive):
    hook = receive()
    cases = {
        "compile_error": {"language": "c", "source": "int main("},
        "wrong_answer": {"source": "echo a", "expected_output": "b"},
        "wall_time_limit": {"source": "sleep 9", "limits": {"wall_time_ms": 1000}},
        "accepted": {"source": "echo a", "expected_output": "a"},
    }
    tokens = {api.submit(webhook_url=hook.url(), **job): verdict for verdict, job in cases.items()}
    got = {request.json["token"]: request.json["verdict"] for request in hook.wait(len(cases))}
    assert got == tokens


def test_a_cancelled_submission_is_told(own, receive):
    api = own(EVALX_LANES="1", EVALX_LANES_MAX="1")
    hook = receive()
    busy = api.submit(source="sleep 5")
    token = api.submit(webhook_url=hook.url())
    assert api.server.post(f"/v1/submissions/{token}/cancel", {})[0] in (200, 202)
    (request,) = hook.wait(1, seconds=4)
    assert request.json["state"] == "cancelled" and request.json["token"] == token
    api.server.post(f"/v1/submissions/{busy}/cancel", {})


def test_a_failed_attempt_is_repeated_with_the_same_id(api, receive):
    statuses = iter((500, 404, 200))
    hook = receive(r.answer(lambda request: next(statuses)))
    token = api.submit(webhook_url=hook.url())
    requests = hook.wait(3)
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 3)
    assert [attempt["status"] for attempt in delivery["log"]] == [500, 404, 200]
    assert delivery["log"][0]["error"] == "the receiver answered 500"
    assert len({request.id for request in requests}) == 1 and len({request.body for request in requests}) == 1
    assert all(request.signed_by(SECRET) for request in requests)
    gaps = [b.at - a.at for a, b in zip(requests, requests[1:])]
    assert all(gap >= 0.29 for gap in gaps), gaps


def test_after_the_last_attempt_it_has_failed(api, receive):
    hook = receive(r.answer(503))
    token = api.submit(webhook_url=hook.url())
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"], len(delivery["log"])) == ("failed", 3, 3)
    time.sleep(0.8)
    assert len(hook.requests) == 3


def test_410_ends_it_at_once(api, receive):
    hook = receive(r.answer(410))
    token = api.submit(webhook_url=hook.url())
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("refused", 1)
    assert delivery["log"][0]["error"] == "the receiver is gone for good"
    time.sleep(0.5)
    assert len(hook.requests) == 1


def test_retry_after_is_honoured(api, receive):
    statuses = iter((429, 200))
    hook = receive(r.answer(lambda request: next(statuses), headers=["Retry-After: 1"]))
    api.submit(webhook_url=hook.url())
    first, second = hook.wait(2)
    assert 1 <= second.at - first.at < 3


def test_retry_after_may_be_a_date(api, receive):
    statuses = iter((503, 200))
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
    hook = receive(r.answer(lambda request: next(statuses), headers=[f"Retry-After: {at}"]))
    api.submit(webhook_url=hook.url())
    first, second = hook.wait(2)
    assert 1 <= second.at - first.at < 6


def test_a_delivery_can_be_sent_again(api, receive):
    hook = receive(r.answer(lambda request: 200 if len(hook.requests) > 3 else 500))
    token = api.submit(webhook_url=hook.url())
    delivery = api.settled(token)
    assert delivery["state"] == "failed"
    status, again = api.server.post(f"/v1/webhooks/deliveries/{delivery['id']}/replay", {})
    assert (status, again["state"], again["attempts"]) == (202, "pending", 0)
    requests = hook.wait(4, seconds=3)
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"], len(delivery["log"])) == ("delivered", 1, 4)
    assert len({request.id for request in requests}) == 1
    # a delivered one too
    assert api.server.post(f"/v1/webhooks/deliveries/{delivery['id']}/replay", {})[0] == 202
    assert hook.wait(5, seconds=3)[4].body == requests[0].body


def test_what_is_not_there_cannot_be_sent_again(api):
    for name in ("msg_" + "0" * 32, "cb_" + "0" * 32, "msg_x", "x", "msg_" + "A" * 32, "%27%3B"):
        assert api.server.get(f"/v1/webhooks/deliveries/{name}")[0] == 404, name
        assert api.server.post(f"/v1/webhooks/deliveries/{name}/replay", {})[0] == 404, name


def test_the_log_is_filtered_and_paged(own, receive):
    api = own()
    good, bad = receive(), receive(r.answer(500))
    for n in range(7):
        token = api.submit(webhook_url=(bad if n % 2 else good).url(f"/{n}"))
        api.settled(token)
    seen, cursor = [], ""
    for _ in range(4):
        status, page = api.server.get(f"/v1/webhooks/deliveries?limit=2{cursor}")
        assert status == 200 and page["pending"] == 0
        seen += [row["url"].rsplit("/", 1)[1] for row in page["deliveries"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]
    rows = api.server.get("/v1/webhooks/deliveries?state=failed")[1]["deliveries"]
    assert [row["url"].rsplit("/", 1)[1] for row in rows] == ["5", "3", "1"]
    assert api.server.get(f"/v1/webhooks/deliveries?token={token}")[1]["deliveries"][0]["url"].endswith("/6")
    for query in ("state=x", "limit=0", "limit=101", "cursor=x", "token=x", "nothing=1"):
        assert api.server.get(f"/v1/webhooks/deliveries?{query}")[0] == 400, query


def test_submissions_without_a_webhook_have_no_delivery(api):
    token = api.submit(wait=False)
    api.submit(wait=True, status=200)
    assert api.delivery(token) is None


def test_a_large_result_is_sent_whole(api, receive):
    hook = receive()
    api.submit(
        language="python3", source="print('x' * 3_000_000)", limits={"output_bytes": 4_000_000}, webhook_url=hook.url()
    )
    (request,) = hook.wait(1)
    assert len(request.json["stdout"]) == 3_000_001 and request.signed_by(SECRET)


def test_bytes_that_are_no_text_arrive(api, receive):
    hook = receive()
    api.submit(source="printf '\\xff\\x00a'", webhook_url=hook.url())
    (request,) = hook.wait(1)
    assert request.json["stdout_encoding"] == "base64" and request.signed_by(SECRET)


def test_the_log_is_the_operators(own, receive):
    api = own(EVALX_ADMIN_TOKENS="boss", EVALX_AUTH_TOKENS="user")
    client = api.server.client()
    path = "/v1/webhooks/deliveries"
    assert client.get(path)[0] == 401
    assert client.request("GET", path, headers={"Authorization": "Bearer user"})[0] == 401
    assert client.request("GET", path, headers={"Authorization": "Bearer boss"})[0] == 200


def test_without_admin_tokens_only_this_machine_sees_the_log(api):
    client = api.server.client()
    assert client.get("/v1/webhooks/deliveries")[0] == 200
    assert client.request("GET", "/v1/webhooks/deliveries", headers={"X-Forwarded-For": "8.8.8.8"})[0] == 403


def test_wrong_settings_stop_the_start():
    for name, value in (
        ("EVALX_WEBHOOK_SECRET", "whsec_short"), ("EVALX_WEBHOOK_SCHEDULE", "5,10"),
        ("EVALX_WEBHOOK_SCHEDULE", "0,x"), ("EVALX_WEBHOOK_ALLOW", "10.0.0.0/99"),
    ):  # fmt: skip
        env = {k: v for k, v in os.environ.items() if not k.startswith("EVALX_")}
        done = subprocess.run([BUILD / "evalx", "serve"], env={**env, name: value}, capture_output=True, text=True)
        assert done.returncode == 2 and name in done.stderr, done.stderr
        assert "whsec_short" not in done.stderr


def test_many_submissions_each_have_their_one_delivery(api, receive):
    hook = receive()
    count = 200
    client = api.server.client()
    tokens = set()
    for n in range(count):
        status, answer = client.post(
            "/v1/submissions", {"language": "bash", "source": f"echo {n}", "webhook_url": hook.url()}
        )
        assert status == 201
        tokens.add(answer["token"])
    requests = hook.wait(count, seconds=60)
    assert {request.json["token"] for request in requests} == tokens and len(requests) == count
    assert json.loads(requests[0].body)["state"] == "finished"


def test_health_says_what_waits(own, receive):
    api = own(EVALX_WEBHOOK_SCHEDULE="0,1h")
    hook = receive(r.answer(500))
    api.settled(api.submit(webhook_url=hook.url()), "pending")
    hook.wait(1)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status, health = api.server.get("/health")
        (row,) = [row for row in health["checks"] if row["name"] == "webhooks"]
        if row["detail"] == "1 pending, the oldest 0 s late":
            break
        time.sleep(0.05)
    assert (status, row["ok"]) == (200, True), row
    assert row["detail"] == "1 pending, the oldest 0 s late"
