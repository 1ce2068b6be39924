# SPDX-License-Identifier: Apache-2.0
"""Manifests are read as a cluster would read them, or refused."""

from pathlib import Path

import hpa
import pytest
import shipped
import spec

MANIFESTS = Path(__file__).resolve().parent / "manifests"
DOCS = spec.documents(MANIFESTS)

QUANTITIES = [("1", 1000), (2, 2000), ("1500m", 1500), ("0.1", 100), ("250m", 250), ("1k", 10**6), ("1Ki", 1024 * 1000),
              ("1e3", 10**6), ("100u", 1), ("2Gi", 2 * 1024**3 * 1000), ("0", 0)]


@pytest.mark.parametrize("text, thousandths", QUANTITIES)
def test_quantities(text, thousandths):
    assert spec.quantity(text) == thousandths


@pytest.mark.parametrize("text", ("", "m", "1 Gi", "1mm", "a"))
def test_what_is_no_quantity(text):
    with pytest.raises(spec.NotUnderstood):
        spec.quantity(text)


def test_an_autoscaler_is_read_whole():
    one = spec.autoscaler(spec.find(DOCS, "HorizontalPodAutoscaler", "evalx-worker"))
    assert (one.minimum, one.maximum) == (1, 6)
    assert one.metrics == (
        hpa.Metric("External", "evalx_queue_saturation", "Value", 1500, (("cluster", "main"),)),
        hpa.Metric("Object", "evalx_queue_oldest_seconds", "AverageValue", 20_000, (), ("Service", "evalx-api")))
    assert one.up == hpa.Rules((hpa.Policy("Pods", 2, 30), hpa.Policy("Percent", 100, 30)), "Max", 0)
    assert one.down == hpa.Rules((hpa.Policy("Percent", 50, 60),), "Min", 120)


def test_an_autoscaler_without_behavior_has_none():
    one = spec.autoscaler(spec.find(DOCS, "HorizontalPodAutoscaler", "evalx-worker-cpu"))
    assert (one.minimum, one.up, one.down) == (1, None, None)
    assert one.metrics == (hpa.Metric("Resource", "cpu", "Utilization", 70),)


def test_one_side_of_behavior_completes_the_other():
    up, down = hpa.with_defaults(None, True, hpa.Settings()), hpa.with_defaults(hpa.Rules(), False, hpa.Settings())
    assert (up.window, [p.value for p in up.policies]) == (0, [4, 100])
    assert (down.window, [p.value for p in down.policies]) == (300, [100])


def test_what_is_not_followed_is_refused():
    document = spec.find(DOCS, "HorizontalPodAutoscaler", "evalx-worker")
    for broken in (
        {**document, "apiVersion": "autoscaling/v1"},
        {**document, "spec": {**document["spec"], "newField": 1}},
        {**document, "spec": {**document["spec"], "metrics": [{"type": "Pony"}]}},
        {**document, "spec": {**document["spec"], "behavior": {"scaleUp": {"misspelt": 1}}}},
    ):
        with pytest.raises(spec.NotUnderstood):
            spec.autoscaler(broken)


def test_the_query_is_the_adapters():
    rules = spec.adapter_rules(spec.adapter_config(DOCS))
    metrics = spec.autoscaler(spec.find(DOCS, "HorizontalPodAutoscaler", "evalx-worker")).metrics
    assert spec.query_of(metrics[0], rules, "evalx") == (
        'max(max_over_time(evalx_queue_saturation{namespace="evalx",cluster="main"}[1m]))')
    assert spec.query_of(metrics[1], rules, "evalx") == (
        'max(evalx_queue_oldest_seconds{namespace="evalx",service="evalx-api"}) by (service)')
    renamed = hpa.Metric("External", "evalx_queue_waiting", "AverageValue", 1000)
    assert spec.query_of(renamed, rules, "evalx") == "sum(max by (priority) (evalx_queue_depth{}))"
    with pytest.raises(spec.NotUnderstood):
        spec.query_of(hpa.Metric("External", "something", "Value", 1), rules, "evalx")


def test_the_adapters_helm_values_are_understood_too():
    values = {"rules": {"default": False, "external": [
        {"seriesQuery": "up", "metricsQuery": "sum(<<.Series>>)", "name": {"as": "there"}}]}}
    rules = spec.adapter_rules(spec.adapter_config([values]))
    assert spec.query_of(hpa.Metric("External", "there", "Value", 1), rules, "x") == "sum(up)"


def test_a_deployment_gives_the_life_of_a_pod():
    template = spec.template(spec.find(DOCS, "Deployment"), DOCS)
    assert template.requests == {"cpu": 1500, "memory": 1024**3 * 1000}
    assert template.lanes == 2
    assert (template.grace, template.drain) == (45, 20)
    assert (template.ready_path, template.ready_period, template.ready_delay, template.ready_failures) == (
        "/health/ready", 5, 0, 3)


def test_what_we_ship_is_followed_to_the_last_field():
    what = shipped.load(6)
    for one in (what.queue, what.cpu, what.keda.autoscaler):
        assert (one.minimum, one.maximum) == (1, 6) and one.metrics and one.down.window >= 60
    assert {metric.name for metric in what.queue.metrics} <= set(what.queries)
    assert all("evalx_queue" in query for query in what.queries.values())
    assert what.template.drain < what.template.grace and what.template.requests["cpu"] > 0


def test_kedas_signal_is_the_adapters():
    """Both ways to scale on the queue ask the same question, and want the same answer."""
    what = shipped.load()
    (ours,), (theirs,) = what.queue.metrics, what.keda.autoscaler.metrics
    assert (ours.target_kind, ours.target) == (theirs.target_kind, theirs.target)
    assert (what.queue.up, what.queue.down) == (what.keda.autoscaler.up, what.keda.autoscaler.down)
