# SPDX-License-Identifier: Apache-2.0
"""Nothing is ever sent to an address that is neither public nor allowed (SSRF)."""

import pytest
import receiver as r

# Refused at once: what they are can be seen without resolving anything.
REFUSED = (
    "http://10.0.0.1/", "http://192.168.1.1:8080/", "http://172.16.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/", "http://100.64.0.1/", "http://198.18.0.1/", "http://224.0.0.1/", "http://0.0.0.0/",
    "http://[::1]/", "http://[::]/", "http://[fe80::1]/", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/",
    "http://[2002:a00:1::]/", "http://[2001::1]/", "http://167772161/", "http://0xa.1/", "http://012.0.0.1/",
    "http://10.0.0.1./", "http://user@example.com/", "http://user:secret@example.com/", "file:///etc/passwd",
    "gopher://example.com/", "unix:/run/x.sock", "ftp://example.com/", "http://example.com:0/", "http:///x",
    "http://" + "a" * 3000 + "/", "", "example.com", 5, "http://exämple.com/", "http://exa\nmple.com/",
)  # fmt: skip


@pytest.mark.parametrize("url", REFUSED, ids=lambda url: str(url)[:40])
def test_a_url_nothing_is_sent_to_is_refused_at_once(api, url):
    problem = api.submit(webhook_url=url, status=422)
    assert problem["code"] == "invalid" and problem["field"] == "webhook_url", problem
    assert "secret" not in problem["detail"]


def test_this_machine_is_refused_unless_allowed(serve, receive):
    hook = receive()
    api = serve(EVALX_WEBHOOK_ALLOW="")
    spellings = ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "x.localhost")
    for host in spellings:
        problem = api.submit(webhook_url=hook.url(host=host), status=422)
        assert problem["field"] == "webhook_url", host
    assert hook.connections == 0


def test_every_notation_of_an_allowed_address_is_delivered(api, receive):
    hook = receive()
    hosts = ("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST.")
    for host in hosts:
        api.submit(webhook_url=hook.url(f"/{host.strip('[]')}", host=host))
    requests = hook.wait(len(hosts))
    assert {request.target.lstrip("/") for request in requests} == {host.strip("[]") for host in hosts}
    seen = {request.headers["host"].rsplit(":", 1)[0] for request in requests}
    assert seen == {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"}


def test_a_name_that_means_this_machine_is_refused_when_it_is_sent(own, receive):
    """A name cannot be judged at once; this machine's own means an address of ours."""
    import socket

    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine's name does not resolve")
    import ipaddress

    if ipaddress.ip_address(address).is_global:
        pytest.skip("this machine's name means a public address")
    hook = receive(host="0.0.0.0")
    api = own(EVALX_WEBHOOK_ALLOW="")
    token = api.submit(webhook_url=hook.url(host=name))
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("refused", 1), delivery
    assert "nothing is sent there" in delivery["log"][0]["error"] and delivery["log"][0]["status"] is None
    assert hook.connections == 0


def test_a_name_that_cannot_be_resolved_is_tried_again(api):
    token = api.submit(webhook_url="http://no-such-host.invalid/")
    delivery = api.settled(token)
    assert (delivery["state"], delivery["attempts"]) == ("failed", 3)
    assert "resolved" in delivery["log"][0]["error"]


def test_proxies_of_the_environment_are_not_used(own, receive, monkeypatch):
    proxy, hook = receive(), receive()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url())
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    api = own()
    api.submit(webhook_url=hook.url())
    hook.wait(1)
    assert proxy.connections == 0


def test_an_answer_cannot_add_headers_or_cookies_to_the_next_request(api, receive):
    statuses = iter((500, 200))
    hook = receive(r.answer(lambda request: next(statuses), headers=["Set-Cookie: a=b", "Alt-Svc: h2=\":1\""]))
    api.submit(webhook_url=hook.url())
    first, second = hook.wait(2)
    assert set(first.headers) == set(second.headers)
    assert set(second.headers) == {
        "host", "user-agent", "accept", "content-type", "content-length", "webhook-id", "webhook-timestamp",
        "webhook-signature", "traceparent",
    }  # fmt: skip


def test_a_webhook_is_no_operator_where_this_machine_is_allowed(own):
    """The server answers operators from its own machine; what it sends there itself is a client's wish."""
    api = own()
    base = f"http://127.0.0.1:{api.server.port}"
    for path in ("/v1/queue/pause", "/v1/queue/drain?confirm=cancel-all-waiting"):
        delivery = api.settled(api.submit(webhook_url=base + path))
        assert delivery["state"] == "failed" and delivery["log"][0]["status"] == 403, delivery
    assert api.server.get("/v1/queue")[1]["paused"] is False
    status, answer = api.server.post(
        "/submissions", {"source_code": "true", "language_id": 46, "callback_url": base + "/v1/queue/pause"}
    )
    assert status == 201
    assert api.settled(answer["token"])["log"][0]["status"] in (403, 405)
    assert api.server.get("/v1/queue")[1]["paused"] is False
