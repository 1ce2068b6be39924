# SPDX-License-Identifier: Apache-2.0
"""Rules and routes, as far as they can be looked at without a server."""

import json
import os
import re
import subprocess

import pytest
import yaml
from live import BUILD
from parts import DEPLOY, RULES, TOP, alerts, has, names, panels, rules, shorter

CASES = sorted((TOP / "tests/monitoring/rules").glob("*.test.yml"))
RUNBOOK = TOP / "docs/runbook.md"
pytestmark = pytest.mark.skipif(not has("promtool", "amtool"), reason="needs Debian's prometheus and prometheus-alertmanager")


def run(*words, cwd=TOP):
    env = {key: value for key, value in os.environ.items() if not key.startswith("EVALX_")}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_prometheus_takes_its_configuration_and_every_rule():
    status, text = run("promtool", "check", "config", "prometheus.yml", cwd=DEPLOY / "prometheus")
    assert status == 0, text
    assert "does not match any" not in text and text.count("SUCCESS") >= 1 + len(RULES), text


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.name)
def test_alerts_fire_when_they_should_and_else_not(file):
    status, text = run("promtool", "test", "rules", str(file))
    assert status == 0, text


def seen(case):
    """(alert, severity, fired) of each question a case asks."""
    for test in case["tests"]:
        for question in test["alert_rule_test"]:
            name = question["alertname"]
            fired = {alert["exp_labels"]["severity"] for alert in question["exp_alerts"]}
            for severity in ("critical", "warning"):
                yield name, severity, severity in fired


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    tried = {answer for file in CASES for answer in seen(yaml.safe_load(file.read_text()))}
    wanted = {(a["alert"], a["labels"]["severity"], fired) for a in alerts() for fired in (True, False)}
    assert wanted - tried == set()
    assert {name for name, _, _ in tried} == {a["alert"] for a in alerts()}


def test_each_alert_says_what_is_wrong_how_badly_and_what_to_do():
    for alert in alerts():
        name = alert["alert"]
        assert name.startswith("Evalx") and alert["labels"]["severity"] in ("critical", "warning"), name
        assert alert["labels"]["subject"] and "for" in alert, name
        note = alert["annotations"]
        assert set(note) == {"summary", "description", "runbook_url"}, name
        assert not note["summary"].endswith(".") and note["description"].endswith("."), name
        assert note["runbook_url"] == f"docs/runbook.md#{name.lower()}", name


def test_each_alert_has_its_section_in_the_runbook_and_no_other_has():
    sections = re.findall(r"^### (Evalx\w+)$", RUNBOOK.read_text(), re.M)
    assert sorted(sections) == sorted({a["alert"] for a in alerts()})


def test_each_section_says_what_it_means_what_users_notice_how_to_look_and_how_to_mend():
    for section in re.split(r"^### ", RUNBOOK.read_text(), flags=re.M)[1:]:
        for part in ("**Means**", "**Users**", "**Look**", "**Mend**"):
            assert part in section, f"{section.splitlines()[0]} lacks {part}"


def test_each_recorded_value_is_used_and_each_used_one_recorded():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = set().union(*(names(rule["expr"]) for rule in rules()))
    for query in panels():
        used |= names(query)
    assert {name for name in used if ":" in name} == recorded


def test_alertmanager_takes_its_configuration_and_templates():
    status, text = run("amtool", "check-config", str(DEPLOY / "alertmanager/alertmanager.yml"))
    assert status == 0 and "1 templates" in text, text


@pytest.mark.parametrize("labels, receiver", [
    (["severity=critical", "subject=queue"], "chat-and-mail"),
    (["severity=warning", "subject=queue"], "chat"),
    (["severity=unheard"], "chat"),
])
def test_the_worse_an_alert_the_more_hear_of_it(labels, receiver):
    status, text = run("amtool", "config", "routes", "test", *labels, "--config.file",
                       str(DEPLOY / "alertmanager/alertmanager.yml"))
    assert status == 0 and text.splitlines()[0] == receiver, text


def test_every_alert_that_is_muted_or_mutes_exists():
    known = {a["alert"] for a in alerts()}
    text = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
    assert set(re.findall(r"Evalx\w+", text)) <= known


def rendered(tmp_path, template, count, status="firing"):
    """What a template makes of so many alerts, with labels and words that are no good in a message."""
    alert = {
        "status": status, "startsAt": "2026-01-02T03:04:05Z", "endsAt": "2026-01-02T03:14:05.5Z",
        "labels": {"alertname": "EvalxNoWorkers", "severity": "critical", "subject": "queue", "deployment": "a&b"},
        "annotations": {"summary": "No <b>worker</b>", "description": "1 < 2 & " + "x" * 150, "runbook_url": "docs/runbook.md#x"},
        "generatorURL": "http://prometheus:9090/graph?g0.expr=x", "fingerprint": "f",
    }
    data = {"receiver": "chat", "status": status, "alerts": [alert] * count, "groupLabels": {"deployment": "a&b", "subject": "queue"},
            "commonLabels": alert["labels"], "commonAnnotations": {}, "externalURL": "http://alerts.example.org"}
    (tmp_path / "data.json").write_text(json.dumps(data))
    status, text = run("amtool", "template", "render", f"--template.glob={DEPLOY}/alertmanager/templates/*.tmpl",
                       f"--template.data={tmp_path}/data.json", "--template.text={{ template \"%s\" . }}" % template)
    assert status == 0 and "<no value>" not in text, text
    return text.rstrip("\n")


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_messages_stay_short_however_many_alerts_there_are(tmp_path, status):
    one, many = (rendered(tmp_path, "evalx.slack", count, status) for count in (1, 300))
    assert len(one) < 400 and len(many) < 4000
    assert "ten of 300" in many and "ten of" not in one


def test_messages_cannot_be_broken_by_what_stands_in_labels(tmp_path):
    text = rendered(tmp_path, "evalx.slack", 1)
    assert "1 &lt; 2 &amp; x" in text and "<b>" not in text
    assert "|what to do>" in text and "/docs/runbook.md#x|" in text
    assert "deployment%3D%22a%26b%22" in rendered(tmp_path, "evalx.silence", 1)


def test_a_message_says_how_bad_where_and_what(tmp_path):
    assert rendered(tmp_path, "evalx.title", 2) == "CRITICAL a&b: 2 alerts about queue"
    assert rendered(tmp_path, "evalx.title", 2, "resolved") == "RESOLVED a&b: 2 alerts about queue"
    assert "is over after 10m0s" in rendered(tmp_path, "evalx.text", 1, "resolved")


def test_durations_are_divided_and_never_nothing():
    assert [shorter(t, 60) for t in ("10m", "1h", "30s", "1h30m")] == ["10s", "60s", "1s", "90s"]


def test_the_table_of_alerts_names_each_with_its_severities():
    table = dict(re.findall(r"^\| (Evalx\w+) \| ([^|]+) \|", (TOP / "docs/monitoring.md").read_text(), re.M))
    wanted = {}
    for alert in alerts():
        wanted.setdefault(alert["alert"], set()).add(alert["labels"]["severity"])
    assert {name: set(words.split(", ")) for name, words in table.items()} == wanted


def test_the_runbook_names_only_commands_and_settings_that_exist():
    text = RUNBOOK.read_text()
    for command in ("queue", "webhooks"):
        verbs = set(re.findall(r"^  ([a-z]+) ", run(str(BUILD / "evalx"), command, "--help")[1], re.M))
        said = set(re.findall(rf"evalx {command} ([a-z]+)", text))
        assert said and said <= verbs, (said, verbs)
    settings = set(re.findall(r"EVALX_\w+", run(str(BUILD / "evalx"), "config")[1]))
    assert set(re.findall(r"EVALX_\w+", text)) <= settings
