# SPDX-License-Identifier: Apache-2.0
"""spec.py - reads what we ship: autoscaler, adapter configuration, worker Deployment.

Nothing of them is repeated in the simulation; what it cannot follow it refuses, so that a manifest
never means one thing here and another one in a cluster.
"""

import re
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import yaml

from hpa import Metric, Policy, Rules, Spec

SUFFIX = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12", "P": "1e15"}
BINARY = {f"{name}i": str(1024 ** (i + 1)) for i, name in enumerate("KMGTP")}


class NotUnderstood(Exception):
    """A manifest that the simulation would not follow; says where."""


def quantity(text):
    """A Kubernetes quantity in thousandths, rounded up as MilliValue() does: "1500m" is 1500, "2" 2000."""
    match = re.fullmatch(r"([+-]?[0-9.]+)(e[+-]?\d+|[numkMGTP]?|[KMGTP]i)", str(text).strip())
    if not match:
        raise NotUnderstood(f"quantity {text!r}")
    number, suffix = Decimal(match[1]), match[2]
    if suffix.startswith("e"):
        number = number.scaleb(int(suffix[1:]))
    else:
        number *= Decimal({**SUFFIX, **BINARY}[suffix])
    return int((number * 1000).to_integral_value("ROUND_CEILING"))


def documents(path):
    """Every document of a YAML file, of all files of a folder, or of a kustomization's result."""
    path = Path(path)
    if path.is_dir() and (path / "kustomization.yaml").exists():
        done = subprocess.run(["kubectl", "kustomize", path], capture_output=True, text=True, check=True)
        text = done.stdout
    elif path.is_dir():
        text = "\n---\n".join(file.read_text() for file in sorted(path.glob("*.yaml")))
    else:
        text = path.read_text()
    return [document for document in yaml.safe_load_all(text) if document]


def find(docs, kind, name=None):
    """The one document of that kind (and name)."""
    found = [d for d in docs if d.get("kind") == kind and name in (None, d["metadata"]["name"])]
    if len(found) != 1:
        names = [d["metadata"]["name"] for d in docs if d.get("kind") == kind]
        raise NotUnderstood(f"{len(found)} of {kind} {name or ''}; there are: {', '.join(names) or 'none'}")
    return found[0]


def only(mapping, known, where):
    """The same mapping, when it has no keys but those."""
    more = set(mapping) - set(known)
    if more:
        raise NotUnderstood(f"{where}: {', '.join(sorted(more))}")
    return mapping


# ---- HorizontalPodAutoscaler ----


def autoscaler(document):
    """A Spec of an autoscaling/v2 HorizontalPodAutoscaler."""
    if document.get("apiVersion") != "autoscaling/v2":
        raise NotUnderstood(f"apiVersion {document.get('apiVersion')}")
    spec = only(document["spec"], ("scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"), "spec")
    behavior = only(spec.get("behavior", {}), ("scaleUp", "scaleDown"), "behavior")
    up, down = (rules(behavior.get(side, {}), side) if behavior else None for side in ("scaleUp", "scaleDown"))
    metrics = tuple(metric(one) for one in spec["metrics"])
    return Spec(spec.get("minReplicas", 1), spec["maxReplicas"], metrics, up, down)


def rules(document, where):
    only(document, ("policies", "selectPolicy", "stabilizationWindowSeconds", "tolerance"), where)
    policies = None
    if "policies" in document:
        policies = tuple(Policy(p["type"], p["value"], p["periodSeconds"]) for p in document["policies"])
    tolerance = document.get("tolerance")
    return Rules(policies, document.get("selectPolicy", "Max"), document.get("stabilizationWindowSeconds"),
                 None if tolerance is None else quantity(tolerance) / 1000)


def metric(document):
    source = document["type"]
    if source not in ("Resource", "Pods", "Object", "External"):
        raise NotUnderstood(f"metric of type {source}")
    body = document[source[0].lower() + source[1:]]
    named = body if source == "Resource" else body["metric"]
    selector = only(named.get("selector", {}), ("matchLabels",), "metric.selector").get("matchLabels", {})
    kind = body["target"]["type"]
    target = body["target"][kind[0].lower() + kind[1:] if kind != "Utilization" else "averageUtilization"]
    return Metric(source, named["name"], kind, target if kind == "Utilization" else quantity(target),
                  tuple(sorted(selector.items())))


# ---- prometheus-adapter ----


@dataclass(frozen=True)
class AdapterRule:
    series: str
    query: str  # with <<.Series>> and <<.LabelMatchers>>
    matches: str
    alias: str
    namespaced: bool
    namespace_label: str

    def expand(self, metric, namespace):
        """The PromQL of one metric of the autoscaler, or None when the rule is about another one."""
        match = re.search(self.matches or ".*", self.series)
        if not match:
            return None
        alias = self.alias or (match[1] if match.groups() else match[0] or self.series)
        if match.expand(re.sub(r"\$\{?(\d+)\}?", r"\\\1", alias)) != metric.name:
            return None
        labels = [(self.namespace_label, namespace)] if self.namespaced else []
        matchers = ",".join(f'{label}="{value}"' for label, value in labels + list(metric.selector))
        query = self.query.replace("<<.Series>>", self.series).replace("<<.LabelMatchers>>", matchers)
        if "<<" in query:
            raise NotUnderstood(f"adapter: template {query}")
        return query


def adapter_rules(config):
    """External rules of a prometheus-adapter configuration (the mapping in its config.yaml)."""
    rules_ = []
    for rule in config.get("externalRules", ()):
        series = re.match(r"[a-zA-Z_:][\w:]*", rule["seriesQuery"])
        if not series:
            raise NotUnderstood(f"adapter: seriesQuery {rule['seriesQuery']}")
        resources, name = rule.get("resources", {}), rule.get("name", {})
        labels = [label for label, of in resources.get("overrides", {}).items() if of.get("resource") == "namespace"]
        rules_.append(AdapterRule(series[0], rule["metricsQuery"], name.get("matches", ""), name.get("as", ""),
                                  resources.get("namespaced", True), labels[0] if labels else "namespace"))
    return rules_


def adapter_config(docs):
    """The configuration inside a ConfigMap, the values of the adapter's Helm chart, or the file itself."""
    for document in docs:
        if "externalRules" in document:
            return document
        if isinstance(document.get("rules"), dict) and "external" in document["rules"]:
            return {"externalRules": document["rules"]["external"]}
        for text in document.get("data", {}).values() if document.get("kind") == "ConfigMap" else ():
            if "externalRules" in text:
                return yaml.safe_load(text)
    raise NotUnderstood("adapter: no externalRules")


def query_of(metric_, rules_, namespace):
    """The PromQL a prometheus-adapter asks for an External metric."""
    found = [query for query in (rule.expand(metric_, namespace) for rule in rules_) if query]
    if len(found) != 1:
        raise NotUnderstood(f"adapter: {len(found)} rules give {metric_.name}")
    return found[0]


# ---- Deployment ----


@dataclass(frozen=True)
class Template:
    """What of the workers' Deployment matters to a pod's life; seconds."""

    requests: dict  # thousandths
    grace: float
    drain: float
    ready_path: str
    ready_period: float
    ready_delay: float
    ready_failures: int


def seconds(text):
    """A duration as evalX's settings have it."""
    match = re.fullmatch(r"(\d+)(ms|s|min|h)?", str(text))
    if not match:
        raise NotUnderstood(f"duration {text!r}")
    return int(match[1]) * {"ms": 0.001, "s": 1, None: 1, "min": 60, "h": 3600}[match[2]]


def template(document, docs=()):
    """Of a Deployment; the value of EVALX_DRAIN may stand in a ConfigMap among the other documents."""
    pod = document["spec"]["template"]["spec"]
    container = pod["containers"][0]
    maps = [find(docs, "ConfigMap", source["configMapRef"]["name"]).get("data", {})
            for source in container.get("envFrom", ()) if "configMapRef" in source]
    maps.append({e["name"]: e["value"] for e in container.get("env", ()) if "value" in e})
    env = {name: value for one in maps for name, value in one.items()}
    requests = container.get("resources", {}).get("requests", {})
    probe = container["readinessProbe"]
    return Template(
        requests={name: quantity(value) for name, value in requests.items()},
        grace=pod.get("terminationGracePeriodSeconds", 30),
        drain=seconds(env.get("EVALX_DRAIN", "10s")),
        ready_path=probe["httpGet"]["path"],
        ready_period=probe.get("periodSeconds", 10),
        ready_delay=probe.get("initialDelaySeconds", 0),
        ready_failures=probe.get("failureThreshold", 3),
    )
