# SPDX-License-Identifier: Apache-2.0
"""Dashboards: made from their table, whole, and about something that is there."""

import json

import pytest
import yaml
from parts import DEPLOY, bounds, names

import dashboards

FILES = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))


def test_the_committed_files_are_what_the_table_makes():
    assert {f.stem: f.read_text() for f in FILES} == {name: dashboards.text(name) for name in dashboards.DASHBOARDS}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_dashboard_has_what_grafana_needs(file):
    board = json.loads(file.read_text())
    assert board["uid"] == f"evalx-{file.stem}" and board["schemaVersion"] >= 38
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "job", "instance"]
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    for p in board["panels"]:
        if p["type"] == "row":
            continue
        assert p["title"] and p["datasource"]["uid"] == "${datasource}"
        assert p["fieldConfig"]["defaults"]["unit"]
        assert len({t["refId"] for t in p["targets"]}) == len(p["targets"]) > 0
        assert all("$here" not in t["expr"] and "$rate]" not in t["expr"] for t in p["targets"])


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_panels_do_not_lie_on_each_other(file):
    taken = set()
    for p in json.loads(file.read_text())["panels"]:
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, p["title"]
        taken |= cells


def test_titles_of_a_dashboard_differ():
    for _, rows in dashboards.DASHBOARDS.values():
        titles = [p["title"] for panels in rows.values() for p in panels]
        assert len(titles) == len(set(titles))


def test_provisioning_names_the_source_and_the_folder():
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())
    assert source["datasources"][0]["type"] == "prometheus"
    board = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/evalx.yml").read_text())
    assert board["providers"][0]["type"] == "file"


def test_conditions_are_taken_off_queries():
    assert bounds("a > 5 and b == 0") == ["a", "b"]
    assert bounds('min by (x) (up{d=~"a|b"} or c unless on (i) e == 0) == 0') == \
        ['min by (x) (up{d=~"a|b"} or c unless on (i) e == 0)']
    assert bounds("x < 0.5 * avg(y) and on (a) z > 1") == ["x", "0.5 * avg(y)", "z"]
    assert names('sum by (job) (rate(evalx_a_total{x="evalx_no"}[5m])) / evalx:b:rate') == {"evalx_a_total", "evalx:b:rate"}
