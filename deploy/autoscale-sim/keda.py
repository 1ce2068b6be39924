# SPDX-License-Identifier: Apache-2.0
"""keda.py - what KEDA adds to an autoscaler: scaling from and to nothing. Pure, like hpa.py.

KEDA (keda.sh, "Scaling Deployments", ScaledObject specification) makes a HorizontalPodAutoscaler of
a ScaledObject, with the threshold as AverageValue, and leaves 1 to N to it. Between none and the
first one it decides by itself: every pollingInterval it asks the triggers; one above its
activationThreshold makes the workload active, and when none has been for cooldownPeriod it goes back
to idleReplicaCount, or to none.
"""

from dataclasses import dataclass
from typing import Optional

import hpa
import spec


@dataclass(frozen=True)
class Trigger:
    name: str
    query: str
    activation: int  # thousandths


@dataclass(frozen=True)
class Scaled:
    minimum: int
    maximum: int
    idle: Optional[int]  # replicas while no trigger is active; None: the minimum holds
    polling: float
    cooldown: float
    triggers: tuple
    autoscaler: hpa.Spec


def scaled_object(document):
    """A Scaled of a keda.sh/v1alpha1 ScaledObject with Prometheus triggers."""
    body = document["spec"]
    minimum, maximum = body.get("minReplicaCount", 0), body.get("maxReplicaCount", 100)
    triggers, metrics = [], []
    for i, trigger in enumerate(body["triggers"]):
        if trigger["type"] != "prometheus":
            raise spec.NotUnderstood(f"trigger {trigger['type']}")
        data, name = trigger["metadata"], f"s{i}-prometheus"
        kind = trigger.get("metricType", "AverageValue")
        triggers.append(Trigger(name, data["query"], spec.quantity(data.get("activationThreshold", 0))))
        metrics.append(hpa.Metric("External", name, kind, spec.quantity(data["threshold"])))
    behavior = body.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    up, down = (spec.rules(behavior.get(side, {}), side) if behavior else None for side in ("scaleUp", "scaleDown"))
    autoscaler = hpa.Spec(max(minimum, 1), maximum, tuple(metrics), up, down)
    idle = body.get("idleReplicaCount", None if minimum else 0)
    return Scaled(minimum, maximum, idle, body.get("pollingInterval", 30), body.get("cooldownPeriod", 300),
                  tuple(triggers), autoscaler)


class Keda:
    """Decides like hpa.Autoscaler, from none as well."""

    def __init__(self, scaled, settings=hpa.Settings()):
        self.scaled = scaled
        self.settings, self.autoscaler = settings, hpa.Autoscaler(scaled.autoscaler, settings)
        self.next_poll = 0
        self.last_active = None

    def sync(self, now, replicas, pods, read):
        if now >= self.next_poll:
            self.next_poll = now + self.scaled.polling
            count = self._poll(now, replicas, read)
            if count is not None:
                why = "KEDA: a trigger is active" if count > replicas else "KEDA: no trigger was active for long"
                return hpa.Decision(count, None, None, why, {})
        return self.autoscaler.sync(now, replicas, pods, read)

    def _poll(self, now, replicas, read):
        """Replicas that KEDA itself sets, or None."""
        floor = self.scaled.idle
        if self._is_active(read):
            self.last_active = now
            return max(self.scaled.minimum, 1) if floor is not None and replicas <= floor else None
        if self.last_active is None:  # the first look starts the cool-down
            self.last_active = now
        cool = now - self.last_active > self.scaled.cooldown
        return floor if floor is not None and replicas > floor and cool else None

    def _is_active(self, read):
        for trigger, metric in zip(self.scaled.triggers, self.scaled.autoscaler.metrics):
            try:
                if read(metric) > trigger.activation:
                    return True
            except hpa.Unknown:
                continue
        return False
