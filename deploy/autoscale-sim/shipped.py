# SPDX-License-Identifier: Apache-2.0
"""shipped.py - which files of deploy/kubernetes the simulation runs, and where it has to differ.

Autoscaler, metric query, probe, grace and requests are what stands there. Different is only the
number of workers that makes sense on one machine.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import hpa
import keda
import spec

KUBERNETES = Path(__file__).resolve().parents[1] / "kubernetes"
NAMESPACE = "evalx"


@dataclass(frozen=True)
class Shipped:
    queue: hpa.Spec
    cpu: hpa.Spec
    keda: keda.Scaled
    queries: dict  # metric -> PromQL, of the adapter and of KEDA's triggers
    template: spec.Template


def load(most=None, folder=KUBERNETES):
    """Everything; most: maxReplicas where the manifests allow more."""
    base = spec.documents(folder / "base/worker.yaml", folder / "base/settings.yaml")
    queue = autoscaler(folder / "components/autoscale-queue/hpa.yaml", most)
    cpu = autoscaler(folder / "components/autoscale-cpu/hpa.yaml", most)
    scaled = keda.scaled_object(spec.documents(folder / "components/autoscale-keda/scaledobject.yaml")[0])
    rules = spec.adapter_rules(spec.adapter_config(spec.documents(folder / "components/autoscale-queue/adapter-values.yaml")))
    queries = {metric.name: spec.query_of(metric, rules, NAMESPACE) for metric in queue.metrics}
    queries |= {trigger.name: trigger.query for trigger in scaled.triggers}
    limited = dataclasses.replace(scaled, autoscaler=at_most(scaled.autoscaler, most))
    return Shipped(queue, cpu, limited, queries, spec.template(spec.find(base, "Deployment", "evalx-worker"), base))


def autoscaler(path, most):
    return at_most(spec.autoscaler(spec.find(spec.documents(path), "HorizontalPodAutoscaler")), most)


def at_most(one, most):
    return dataclasses.replace(one, maximum=min(one.maximum, most or one.maximum))


def bare(one):
    """The same autoscaler without what keeps it calm: tolerance, windows, a slow way down."""
    return dataclasses.replace(one, up=dataclasses.replace(one.up or hpa.Rules(), window=0, tolerance=0.0),
                               down=hpa.Rules(window=0, tolerance=0.0))


def to_zero(scaled):
    """The ScaledObject with minReplicaCount: 0, as its comment offers."""
    return dataclasses.replace(scaled, minimum=0, idle=0)
