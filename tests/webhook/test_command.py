# SPDX-License-Identifier: Apache-2.0
"""evalx webhooks: list, show, replay, secret, listen."""

import json
import os
import queue
import re
import signal
import subprocess
import threading

import pytest
import receiver as r
from live import BUILD
from receiver import SECRET

EVALX = BUILD / "evalx"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("EVALX_")}


@pytest.fixture
def run(api):
    def go(*words, status=0, server=True, **env):
        where = {"EVALX_SERVER": f"http://127.0.0.1:{api.server.port}/"} if server else {}
        done = subprocess.run(
            [EVALX, "webhooks", *words], env={**CLEAN, **where, **env}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, done
        return done.stdout if status == 0 else done.stderr

    return go


@pytest.fixture
def listen():
    """listen(...) starts `evalx webhooks listen`; returns its URL and a function that gives its next lines."""
    running = []

    def start(*words, **env):
        child = subprocess.Popen(
            [EVALX, "webhooks", "listen", "--listen=127.0.0.1:0", *words], env={**CLEAN, **env},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(child)
        port = re.search(r"listening on port (\d+)", child.stderr.readline())[1]

        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line) for line in child.stdout], daemon=True).start()
        return f"http://127.0.0.1:{port}", lambda: lines.get(timeout=20)

    yield start
    for child in running:
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0


def test_deliveries_are_listed_shown_and_sent_again(api, run, receive):
    hook = receive(r.answer(500))
    token = api.submit(webhook_url=hook.url("/x"))
    delivery = api.settled(token)
    listed = run("list", "--state", "failed", "--submission", token)
    row = listed.splitlines()[1].split()
    assert row[0] == delivery["id"] and row[1] == "failed" and row[2] == "3" and row[-1] == hook.url("/x")
    assert json.loads(run("list", f"--submission={token}", "--json"))["deliveries"][0]["id"] == delivery["id"]
    shown = run("show", delivery["id"])
    assert token in shown and shown.count("the receiver answered 500") == 3
    assert json.loads(run("show", delivery["id"], "--json")) == delivery
    hook.act = r.answer(200)
    assert "pending" in run("replay", delivery["id"])
    hook.wait(4)
    assert api.settled(token)["state"] == "delivered"


def test_what_the_server_refuses_is_said(api, run):
    assert "no delivery with this id" in run("show", "msg_" + "0" * 32, status=1)
    assert "no delivery with this id" in run("replay", "../../queue/pause?x", status=1)
    assert "state: must be" in run("list", "--state", "lost", status=1)
    assert "127.0.0.1:9" in run("list", "--server", "http://127.0.0.1:9", status=1)


def test_the_token_is_sent(own, run):
    api = own(EVALX_ADMIN_TOKENS="boss")
    where = {"EVALX_SERVER": f"http://127.0.0.1:{api.server.port}"}
    assert "operator" in run("list", status=1, server=False, **where)
    assert "0 pending" in run("list", "--token", "boss", server=False, **where)
    assert "0 pending" in run("list", server=False, EVALX_TOKEN="boss", **where)


@pytest.mark.parametrize("words", ((), ("dance",), ("show",), ("list", "x"), ("list", "--state"), ("list", "--x", "y"), ("secret", "x")))
def test_wrong_usage_is_2(run, words):
    run(*words, status=2)


def test_a_new_secret_is_one_the_server_takes(own, run):
    secret = run("secret", server=False).strip()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret) and secret != run("secret").strip()
    own(EVALX_WEBHOOK_SECRET=secret)


def test_listen_prints_what_comes_and_checks_it(api, listen):
    url, line = listen(EVALX_WEBHOOK_SECRET=SECRET)
    token = api.submit(source="echo $'\\e[31mred'", webhook_url=url + "/hook")
    head = line()
    assert "POST /hook" in head and "signature: ok" in head and "-> 200" in head
    assert "msg_" + token.replace("-", "") in head
    body = line()
    assert json.loads(body)["token"] == token and "\x1b" not in body
    assert api.settled(token)["state"] == "delivered"


def test_listen_refuses_what_another_secret_signed(api, listen):
    url, line = listen("--secret", "whsec_" + "QUJD" * 8, "--json")
    token = api.submit(webhook_url=url)
    seen = json.loads(line())
    assert seen["answered"] == 401 and "no signature" in seen["signature"]
    assert api.settled(token)["log"][0]["status"] == 401


def test_listen_answers_what_it_was_told(api, listen):
    url, line = listen("--status=410", "--json")
    token = api.submit(webhook_url=url)
    assert json.loads(line())["answered"] == 410
    assert api.settled(token)["state"] == "refused"
