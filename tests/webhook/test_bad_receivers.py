# SPDX-License-Identifier: Apache-2.0
"""Receivers that hang, drip, stream, break TLS or close early hold up neither others nor execution."""

import time

import pytest
import receiver as r

QUICK = {"EVALX_WEBHOOK_TIMEOUT": "1s", "EVALX_WEBHOOK_SCHEDULE": "0,100ms"}

# act -> what the attempt's log says
BAD = {
    "hangs": (r.hang, "no answer within 1 s"),
    "drips a head": (r.drip, "no answer within 1 s"),
    "never ends its head": (r.endless_head, "the head of the answer is larger than"),
    "sends interim answers for ever": (r.interim_for_ever, "the head of the answer is larger than"),
    "closes early": (r.close_early, "Empty reply"),
    "resets": (r.reset, "eset"),
    "is no HTTP": (r.garbage, "HTTP/0.9"),
    "streams an error for ever": (r.stream(500), "the receiver answered 500"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_receiver_that_misbehaves_is_a_failed_attempt(serve, receive, name):
    api = serve(**QUICK)
    act, why = BAD[name]
    hook = receive(act)
    token = api.submit(webhook_url=hook.url())
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("failed", 2), delivery
    for attempt in delivery["log"]:
        assert why in attempt["error"], delivery
        assert attempt["took_ms"] < 2000
        assert attempt["status"] == (500 if "500" in why else None)


@pytest.mark.parametrize("act", (r.stream(200), r.drip_body), ids=("streams for ever", "drips its body"))
def test_a_200_is_a_200_whatever_becomes_of_its_body(api, receive, act):
    hook = receive(act)
    delivery = api.settled(api.submit(webhook_url=hook.url()))
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1), delivery
    # what is more than anybody reads is not waited for
    assert delivery["log"][0]["took_ms"] < (3000 if act is r.drip_body else 1500)


def test_a_port_where_nobody_listens_is_a_failed_attempt(api, receive):
    hook = receive()
    hook.stop()
    delivery = api.settled(api.submit(webhook_url=hook.url()))
    assert delivery["state"] == "failed" and delivery["attempts"] == 3
    assert "onnect" in delivery["log"][0]["error"]


def test_redirects_are_not_followed(api, receive):
    target = receive()
    for status in (301, 302, 303, 307, 308):
        hook = receive(r.answer(status, headers=[f"Location: {target.url('/secret')}"]))
        delivery = api.settled(api.submit(webhook_url=hook.url()))
        assert (delivery["state"], len(hook.requests)) == ("failed", 3)
        assert delivery["log"][0]["error"] == f"the receiver answered {status}; redirects are not followed"
    assert target.connections == 0


# ---- TLS ----


def test_tls_with_a_trusted_certificate_is_delivered(serve, receive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca")
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    folder.parent.parent.chmod(0o755)
    cert, context = r.certificate(folder, "127.0.0.1", "localhost")
    cert.chmod(0o644)
    api = serve(EVALX_WEBHOOK_CA=str(cert))
    hook = receive(context=context)
    api.submit(webhook_url=hook.url("/tls"))
    api.submit(webhook_url=hook.url("/name", host="localhost"))
    assert {request.target for request in hook.wait(2)} == {"/tls", "/name"}
    # a certificate for other names is none
    elsewhere = receive(context=context, host="127.0.0.2")
    delivery = api.settled(api.submit(webhook_url=elsewhere.url()))
    assert delivery["state"] == "failed" and "certificate" in delivery["log"][0]["error"]
    assert not elsewhere.requests


def test_tls_that_is_not_trusted_or_broken_is_a_failed_attempt(api, receive, tmp_path):
    _, context = r.certificate(tmp_path, "127.0.0.1")
    untrusted = receive(context=context)
    plain = receive()
    rubbish = receive(r.garbage, read=False)
    cases = {untrusted.url(): "certificate", plain.url(scheme="https"): "", rubbish.url(scheme="https"): ""}
    for url, why in cases.items():
        delivery = api.settled(api.submit(webhook_url=url))
        assert delivery["state"] == "failed" and delivery["attempts"] == 3
        assert delivery["log"][0]["status"] is None and why in delivery["log"][0]["error"], delivery
    assert not untrusted.requests and not plain.requests


# ---- nobody waits for another ----


def crowd_of(receive, count, act):
    return [receive(act) for _ in range(count)]


@pytest.mark.parametrize("act", (r.hang, r.drip), ids=("hang", "drip"))
def test_fifty_that_hold_on_do_not_delay_a_good_one(own, receive, act):
    api = own(EVALX_WEBHOOK_TIMEOUT="30s")
    slow = crowd_of(receive, 50, act)
    for hook in slow:
        api.submit(webhook_url=hook.url())
        api.submit(webhook_url=hook.url("/second"))
    for hook in slow:
        hook.wait(1)
    good = receive()
    start = time.time()
    tokens = [api.submit(webhook_url=good.url(f"/{n}")) for n in range(10)]
    requests = good.wait(10, seconds=10)
    assert time.time() - start < 10
    assert {request.json["token"] for request in requests} == set(tokens)
    # and nothing is held up that has no webhook
    assert api.submit(wait=True, status=200)["verdict"] == "accepted"
    # a receiver that does not answer gets one request at a time
    assert all(len(hook.requests) == 1 for hook in slow)


def test_twenty_that_stream_for_ever_do_not_delay_a_good_one(own, receive):
    api = own(EVALX_WEBHOOK_SCHEDULE="0," + ",".join(["50ms"] * 40))
    for hook in crowd_of(receive, 20, r.stream(500)):
        api.submit(webhook_url=hook.url())
    good = receive()
    for _ in range(10):
        api.submit(webhook_url=good.url())
    good.wait(10, seconds=10)


def test_a_backlog_for_one_that_hangs_does_not_hide_a_good_one(own, receive):
    api = own(EVALX_WEBHOOK_TIMEOUT="30s", EVALX_QUEUE_MAX="100000")
    hanging, good = receive(r.hang), receive()
    client = api.server.client()
    for n in range(400):
        status, _ = client.post("/v1/submissions", {"language": "bash", "source": "true", "webhook_url": hanging.url()})
        assert status == 201
    deadline = time.monotonic() + 60
    while client.get("/v1/webhooks/deliveries?limit=1")[1]["pending"] < 400 and time.monotonic() < deadline:
        time.sleep(0.1)
    start = time.time()
    api.submit(webhook_url=good.url())
    good.wait(1, seconds=10)
    assert time.time() - start < 5
    assert hanging.connections <= 2


def test_a_busy_receiver_gets_more_at_one_time_once_it_has_answered(own, receive):
    def slowly(receiver, connection, request):
        time.sleep(0.2)
        return r.answer(200)(receiver, connection, request)

    api = own()
    hook = receive(slowly)
    client = api.server.client()
    for n in range(64):
        assert client.post("/v1/submissions", {"language": "bash", "source": "true", "webhook_url": hook.url()})[0] == 201
    start = time.time()
    requests = hook.wait(64, seconds=30)
    assert len({request.id for request in requests}) == 64
    assert time.time() - start < 10  # one after the other they take 13
