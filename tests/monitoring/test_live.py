# SPDX-License-Identifier: Apache-2.0
"""What deploy/ says, on a real evalX: every query finds values, and a queue that jams is told to people.

One world for all tests, in the order they stand in: first work, then the look at it, then the jam.
"""

import math
import os
import re

import pytest
from parts import bounds, has, names, panels, rules
from redis_servers import is_here, until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for the sandbox"),
    pytest.mark.skipif(not (is_here() and has("prometheus", "prometheus-alertmanager")),
                       reason="needs Debian's redis-server, prometheus, prometheus-alertmanager"),
]

C = "#include <stdio.h>\nint main(void) { puts(\"%s\"); }\n"


def work(world, word):
    """A little of everything that is counted; word: what no cache has seen."""
    good, bad = world.hooks.url + "/good", world.hooks.url + "/bad"

    def send(**body):
        status, answer = world.api.post("/v1/submissions", body)
        assert status == 201, answer
        return answer["token"]

    tokens = [send(language="c", source=C % word) for _ in range(3)]
    tokens += [
        send(language="python", source="print(1)", cache="result"),
        send(language="python", source="print(1)", cache="result"),
        send(language="python", source="print(x)"),
        send(language="bash", source="echo hi", webhook_url=good),
        send(language="bash", source="exit 3", webhook_url=bad),
    ]
    for token in tokens:
        until(lambda token=token: world.api.get(f"/v1/submissions/{token}?wait=30")[1]["state"] == "finished", token)
    world.api.post("/v1/submissions", {"language": "nonsense", "source": ""})
    world.api.get("/v1/languages")


# What comes last of a round of work, and what takes both rounds to be there.
SEEN = ('evalx_webhook_attempts_total{result="failed"} > 0', 'evalx_http_request_duration_seconds_count{status="422"}',
        'evalx_llm_requests_total{result="hint"} > 0', 'evalx_job_phase_seconds_count{phase="compile"} > 0')
RECORDED = ("evalx:http_accept_seconds:p99_5m", "evalx:http_errors:ratio5m", "evalx:webhook_failures:ratio15m",
            "evalx:job_total_seconds:p99_5m", 'evalx:cache_hits:ratio30m{cache="result"}', "evalx:box_overhead_seconds:p99_5m",
            'rate(evalx_job_phase_seconds_count{phase="compile"}[5m]) > 0', 'rate(evalx_webhook_attempts_total{result="failed"}[5m]) > 0')


@pytest.fixture(scope="module")
def world():
    from world import World

    with World() as w:
        # Rates need counters that grow between two looks; the first may see 0.
        until(lambda: {l["job"] for l, v in w.query("up") if v == 1} >= {"evalx-api", "evalx-worker", "alertmanager"}, "all are scraped")
        work(w, "one")
        until(lambda: all(w.query(seen) for seen in SEEN), "the first round is scraped")
        work(w, "two")
        until(lambda: not any(is_empty(w, query) for query in RECORDED), "rules have run on the second")
        yield w


def here(query):
    """As Grafana fills it in, with everything chosen."""
    for variable, text in {"$job": ".*", "$instance": ".*", "$__rate_interval": "5m", "$__range": "5m"}.items():
        query = query.replace(variable, text)
    return query


def is_empty(world, query):
    return not any(not math.isnan(value) for _, value in world.query(query))


def test_every_panel_of_every_dashboard_shows_something(world):
    empty = [query for query in map(here, panels()) if is_empty(world, query)]
    assert not empty, "\n".join(empty)


def test_every_rule_finds_the_values_it_asks_for(world):
    asked = {part for rule in rules() for part in bounds(rule["expr"])}
    # A day has not passed, and a target that is missing is what absent() is about.
    waived = {part for part in asked if " offset " in part or part.startswith("absent(")}
    assert len(waived) == 3
    empty = [part for part in sorted(asked - waived) if is_empty(world, part)]
    assert not empty, "\n".join(empty)


def test_every_metric_that_is_named_is_on_a_page(world):
    pages = "".join(server.get("/metrics")[1] for server in (world.api, world.worker))
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^([a-z_]+)", pages, re.M)}
    asked = set().union(*(names(query) for query in (*panels(), *(rule["expr"] for rule in rules()))))
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked if ":" not in name}
    assert asked - there == set()


def test_nothing_fires_while_all_is_well(world):
    # Half of the deliveries above are refused on purpose, but they are too few for an alert.
    assert world.firing() == set()
    # Before its first scrape Prometheus knew nobody, and five minutes are five seconds here.
    assert [m["text"] for m in world.slack.messages if "EvalxNoTargets" not in m["text"]] == []


def test_a_queue_that_jams_is_told_in_chat_and_by_mail_and_so_is_its_end(world):
    world.worker.stop()
    tokens = [world.api.post("/v1/submissions", {"language": "bash", "source": "echo hi"})[1]["token"] for _ in range(20)]

    until(lambda: {"EvalxNoWorkers", "EvalxQueueNearLimit"} <= world.firing(), f"alerts fire: {world.firing()}", 60)
    chat = until(lambda: [m for m in world.slack.messages if "EvalxNoWorkers" in m["text"]], "the chat hears", 30)[-1]
    mail = until(lambda: [m for m in world.mail.messages if "EvalxNoWorkers" in m.get_body("plain").get_content()],
                 "a mail comes", 30)[-1]

    assert world.slack.refused == []
    assert chat["title"].startswith("CRITICAL evalx: ") and chat["color"] == "#d00000"
    assert "20 submissions wait in evalx, and nobody works on them." in chat["text"]
    links = [action["url"] for action in chat["actions"]]
    assert re.search(r"^https://.*/docs/runbook.md#evalx(noworkers|queuenearlimit)$", links[0])
    assert links[1].startswith("http") and "silences/new?filter=" in links[1]
    plain, rich = mail.get_body("plain").get_content(), mail.get_body("html").get_content()
    assert mail["Subject"].startswith("CRITICAL evalx: ") and mail["To"] == "operators@example.org"
    assert "docs/runbook.md#evalxnoworkers" in plain and "docs/runbook.md#evalxnoworkers" in rich
    assert "<no value>" not in plain + rich + chat["text"] + chat["title"]

    world.worker.start()
    (world.folder / "prometheus/targets/worker.yml").write_text(f'- targets: ["{world.address(world.worker)}"]\n')
    for token in tokens:
        assert world.api.get(f"/v1/submissions/{token}?wait=60")[1]["verdict"] == "accepted"
    until(lambda: "EvalxNoWorkers" not in world.firing() and "EvalxQueueNearLimit" not in world.firing(), "alerts end", 60)
    # Those of a group end one after the other: each is told, and the last one turns the message green.
    until(lambda: [m for m in world.slack.messages if "*EvalxNoWorkers* is over after" in m["text"]], "the chat hears that it is over", 60)
    over = until(lambda: [m for m in world.slack.messages if m["title"].startswith("RESOLVED evalx")], "and that all is", 60)[-1]
    assert "is over after" in over["text"] and over["color"] == "#2eb886"
    until(lambda: [m for m in world.mail.messages if m["Subject"].startswith("RESOLVED evalx")], "so does the mail", 30)
    assert world.slack.refused == []
