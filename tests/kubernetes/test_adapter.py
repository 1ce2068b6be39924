# SPDX-License-Identifier: Apache-2.0
"""prometheus-adapter's rules, as the adapter would use them, and KEDA's query: asked of Prometheus itself.

promtool evaluates them against series such as the ServiceMonitor's relabelling makes of evalx's.
"""

import re
import shutil
import subprocess

import pytest
import yaml

import cluster

RULES = yaml.safe_load((cluster.MANIFESTS / "components/autoscale-queue/adapter-values.yaml").read_text())["rules"]["custom"]


def expression(rule, namespace, service):
    """What the adapter asks Prometheus for a metric of one Service (its template, filled in)."""
    series = re.match(r"[a-z_]+", rule["seriesQuery"]).group()
    overrides = rule["resources"]["overrides"]
    labels = {each["resource"]: label for label, each in overrides.items()}
    matchers = f'{labels["namespace"]}="{namespace}",{labels["service"]}="{service}"'
    return (rule["metricsQuery"].replace("<<.Series>>", series).replace("<<.LabelMatchers>>", matchers)
            .replace("<<.GroupBy>>", labels["service"]))


def evaluate(tmp_path, expr, value, series):
    """promtool's word on what an expression is after a minute; value None: no answer."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing")
    (tmp_path / "none.yml").write_text("groups: []\n")
    test = {"rule_files": ["none.yml"], "evaluation_interval": "15s", "tests": [{
        "interval": "15s",
        "input_series": [{"series": name, "values": f"{each}x8"} for name, each in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "1m",
                              "exp_samples": [] if value is None else [{"labels": value[0], "value": value[1]}]}],
    }]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    run = subprocess.run(["promtool", "test", "rules", tmp_path / "test.yml"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout


def scraped(metric, namespace, service, pod):
    return f'{metric}{{namespace="{namespace}",service="{service}",pod="{pod}",job="{service}",deployment="evalx"}}'


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"]["as"])
def test_many_processes_are_one_queue(rule, tmp_path):
    """The greatest, not the sum; other namespaces and workers do not count."""
    metric = rule["name"]["as"]
    assert re.match(rule["name"]["matches"], metric)
    evaluate(tmp_path, expression(rule, "evalx", "evalx-api"), ('{service="evalx-api"}', 2.5), {
        scraped(metric, "evalx", "evalx-api", "api-1"): "2.5+0",
        scraped(metric, "evalx", "evalx-api", "api-2"): "2.4+0",
        scraped(metric, "other", "evalx-api", "api-1"): "9+0",
    })


def test_an_empty_queue_is_zero_and_no_prometheus_is_nothing(tmp_path):
    expr = expression(RULES[0], "evalx", "evalx-api")
    evaluate(tmp_path, expr, ('{service="evalx-api"}', 0), {scraped("evalx_queue_saturation", "evalx", "evalx-api", "a"): "0+0"})
    evaluate(tmp_path, expr, None, {scraped("evalx_queue_saturation", "elsewhere", "evalx-api", "a"): "0+0"})


def test_the_autoscaler_asks_for_a_metric_the_adapter_has():
    metric = cluster.named(cluster.combined("autoscale-queue"), "HorizontalPodAutoscaler", "evalx-worker")["spec"]["metrics"][0]["object"]
    assert metric["metric"]["name"] in {rule["name"]["as"] for rule in RULES}
    assert metric["describedObject"]["name"] == "evalx-api" and metric["target"] == {"type": "Value", "value": "800m"}


@pytest.mark.parametrize("objects", [lambda: cluster.combined("autoscale-keda"), lambda: cluster.chart("keda.yaml")], ids=["component", "chart"])
def test_keda_asks_the_same(objects, tmp_path):
    trigger = cluster.named(objects(), "ScaledObject", "evalx-worker")["spec"]["triggers"][0]
    assert trigger["metricType"] == "Value" and trigger["metadata"]["threshold"] == "0.8"
    evaluate(tmp_path, trigger["metadata"]["query"], ("{}", 2.5), {
        scraped("evalx_queue_saturation", "evalx", "evalx-api", "api-1"): "2.5+0",
        scraped("evalx_queue_saturation", "evalx", "evalx-api", "api-2"): "2.4+0",
    })


def test_evalx_reports_what_the_autoscalers_ask_for():
    source = "".join(path.read_text() for path in (cluster.TOP / "src").rglob("*.c"))
    for rule in RULES:
        assert f'"{rule["name"]["as"]}"' in source
