# SPDX-License-Identifier: Apache-2.0
"""spec.py - reads what we ship: autoscaler, adapter configuration, worker Deployment.

Nothing of them is repeated in the simulation; what it cannot follow it refuses, so that a manifest
never means one thing here and another one in a cluster.
"""

import re
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


def documents(*paths):
    """Every document of some YAML files, or of all files of a folder."""
    files = [file for path in map(Path, paths) for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    return [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]


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
    if source not in ("Resource", "ContainerResource", "Pods", "Object", "External"):
        raise NotUnderstood(f"metric of type {source}")
    body = document[source[0].lower() + source[1:]]
    named = body if source.endswith("Resource") else body["metric"]
    selector = only(named.get("selector", {}), ("matchLabels",), "metric.selector").get("matchLabels", {})
    kind = body["target"]["type"]
    target = body["target"]["averageUtilization" if kind == "Utilization" else kind[0].lower() + kind[1:]]
    of = body.get("describedObject", {})
    # Our pods have one container: what it uses is what the pod uses.
    return Metric("Resource" if source == "ContainerResource" else source, named["name"], kind,
                  target if kind == "Utilization" else quantity(target), tuple(sorted(selector.items())),
                  (of["kind"], of["name"]) if of else None)


# ---- prometheus-adapter ----


@dataclass(frozen=True)
class AdapterRule:
    external: bool
    series: str
    query: str  # with <<.Series>>, <<.LabelMatchers>> and <<.GroupBy>>
    matches: str
    alias: str
    namespaced: bool
    labels: dict  # resource -> label

    def expand(self, metric_, namespace):
        """The PromQL of one metric of the autoscaler, or None when the rule is about another one."""
        if self.external != (metric_.source == "External") or self.name() != metric_.name:
            return None
        labels = [(self.labels.get("namespace", "namespace"), namespace)] if self.namespaced else []
        group = ""
        if metric_.object:
            kind = metric_.object[0].lower()
            if kind not in self.labels:
                raise NotUnderstood(f"adapter: {metric_.name} has no label for a {kind}")
            group = self.labels[kind]
            labels.append((group, metric_.object[1]))
        matchers = ",".join(f'{label}="{value}"' for label, value in labels + list(metric_.selector))
        query = self.query
        for word, value in (("Series", self.series), ("LabelMatchers", matchers), ("GroupBy", group)):
            query = query.replace(f"<<.{word}>>", value)
        if "<<" in query:
            raise NotUnderstood(f"adapter: template {query}")
        return query

    def name(self):
        """What the metric is called in the API."""
        match = re.search(self.matches or ".*", self.series)
        if not match:
            return None
        alias = self.alias or (match[1] if match.groups() else match[0])
        return match.expand(re.sub(r"\$\{?(\d+)\}?", r"\\\1", alias))


def adapter_rules(config):
    """Rules of a prometheus-adapter configuration: its config.yaml, or the values of its Helm chart."""
    if isinstance(config.get("rules"), dict):
        lists = {False: config["rules"].get("custom", ()), True: config["rules"].get("external", ())}
    else:
        lists = {False: config.get("rules", ()), True: config.get("externalRules", ())}
    return [adapter_rule(rule, external) for external, rules_ in lists.items() for rule in rules_]


def adapter_rule(rule, external):
    series = re.match(r"[a-zA-Z_:][\w:]*", rule["seriesQuery"])
    if not series:
        raise NotUnderstood(f"adapter: seriesQuery {rule['seriesQuery']}")
    resources, name = rule.get("resources", {}), rule.get("name", {})
    labels = {of["resource"]: label for label, of in resources.get("overrides", {}).items()}
    return AdapterRule(external, series[0], rule["metricsQuery"], name.get("matches", ""), name.get("as", ""),
                       resources.get("namespaced", True), labels)


def adapter_config(docs):
    """The configuration inside a ConfigMap, or one of the documents itself."""
    for document in docs:
        if "rules" in document or "externalRules" in document:
            return document
        for text in document.get("data", {}).values() if document.get("kind") == "ConfigMap" else ():
            if "ules:" in text:
                return yaml.safe_load(text)
    raise NotUnderstood("adapter: no rules")


def query_of(metric_, rules_, namespace):
    """The PromQL a prometheus-adapter asks for a metric of an autoscaler."""
    found = [query for query in (rule.expand(metric_, namespace) for rule in rules_) if query]
    if len(found) != 1:
        raise NotUnderstood(f"adapter: {len(found)} rules give {metric_.name}")
    return found[0]


# ---- Deployment ----


@dataclass(frozen=True)
class Template:
    """What of the workers' Deployment matters to a pod's life; seconds."""

    requests: dict  # thousandths
    lanes: int  # as many as whole cores of the limit
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
    resources = container.get("resources", {})
    probe = container["readinessProbe"]
    return Template(
        requests={name: quantity(value) for name, value in resources.get("requests", {}).items()},
        lanes=max(quantity(resources.get("limits", {}).get("cpu", 1)) // 1000, 1),
        grace=pod.get("terminationGracePeriodSeconds", 30),
        drain=seconds(env.get("EVALX_DRAIN", "10s")),
        ready_path=probe["httpGet"]["path"],
        ready_period=probe.get("periodSeconds", 10),
        ready_delay=probe.get("initialDelaySeconds", 0),
        ready_failures=probe.get("failureThreshold", 3),
    )
