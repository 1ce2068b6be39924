# SPDX-License-Identifier: Apache-2.0
"""Programs that sleep do not stand in the way of those that compute, as a client sees it."""

import time

from test_native import wait_final

SOME = 20
SLEEPS = {"language": "bash", "source": "sleep 1; echo slept"}
COMPUTES = {
    "language": "python",
    "source": "import time\nwhile time.process_time() < 0.1: pass\nprint('computed')",
}


def send(api, body):
    answer = api.post("/v1/submissions", body)
    assert answer.status == 201, answer
    return answer.json["token"]


def finish(api, tokens):
    return [wait_final(api, token) for token in tokens]


def test_sleepers_do_not_hold_up_those_that_compute(serve):
    api = serve(EVALX_LANES="2")
    begin = time.monotonic()
    finish(api, [send(api, COMPUTES) for _ in range(SOME)])
    alone = time.monotonic() - begin

    begin = time.monotonic()
    tokens = []
    for _ in range(SOME):
        tokens += [send(api, SLEEPS), send(api, COMPUTES)]
    records = finish(api, tokens)
    together = time.monotonic() - begin

    # One after the other on two lanes the sleepers would take 10 s more.
    assert together < 2 * alone + 4, (alone, together)
    assert {r["verdict"] for r in records} == {"accepted"}
    assert {r["stdout"] for r in records[0::2]} == {"slept\n"}
    for record in records[1::2]:
        assert record["stdout"] == "computed\n"
        assert 95 <= record["usage"]["cpu_time_ms"] < 250, record["usage"]

    stats = api.get("/v1/stats").json
    assert stats["lanes"]["count"] == 2
    assert 2 < stats["lanes"]["open"] <= stats["lanes"]["max"]
    assert stats["lanes"]["waiting"] == 0 and stats["memory"]["promised_bytes"] == 0
    assert stats["memory"]["total_bytes"] > 0


def test_without_further_lanes_sleepers_take_turns(serve):
    api = serve(EVALX_LANES="2", EVALX_LANES_MAX="2")
    begin = time.monotonic()
    finish(api, [send(api, SLEEPS) for _ in range(4)])
    assert time.monotonic() - begin >= 2
    assert api.get("/v1/stats").json["lanes"]["open"] == 2
