# SPDX-License-Identifier: Apache-2.0
"""hpa.py - what a HorizontalPodAutoscaler (autoscaling/v2) decides; pure, the clock is passed in.

Written from what Kubernetes documents ("Horizontal Pod Autoscaling": Algorithm details, Configurable
scaling behavior) and from how kube-controller-manager behaves where the page is silent
(kubernetes/kubernetes, pkg/controller/podautoscaler, 1.33). One sync goes like this:

    each metric     propose()      usage against target, pods that are missing or not ready yet, tolerance
    all of them     Autoscaler     the largest proposal; no scale-down while any metric is unknown
    over time       _stabilise()   nothing but what the whole window agreed on
    how fast        _limit()       policies, minimum, maximum

Values and targets are thousandths, as in Kubernetes: ratios are taken from whole numbers. Times are
seconds on any clock that only goes forward.

Not here: status conditions and events; whether two autoscalers select the same pods.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Optional

PENDING, RUNNING, FAILED = "Pending", "Running", "Failed"


class Unknown(Exception):
    """A metric could not be had; says why."""


@dataclass(frozen=True)
class Settings:
    """Flags of kube-controller-manager, --horizontal-pod-autoscaler-..., with its defaults."""

    sync_period: float = 15
    tolerance: float = 0.1
    downscale_stabilization: float = 300
    cpu_initialization_period: float = 300
    initial_readiness_delay: float = 30


@dataclass(frozen=True)
class Policy:
    kind: str  # Pods or Percent
    value: int
    period: float


@dataclass(frozen=True)
class Rules:
    """One direction of spec.behavior; what is None gets its default in with_defaults()."""

    policies: Optional[tuple] = None
    select: str = "Max"  # Max, Min or Disabled
    window: Optional[float] = None
    tolerance: Optional[float] = None


@dataclass(frozen=True)
class Metric:
    """One entry of spec.metrics. target: thousandths, but percent for Utilization."""

    source: str  # Resource, Pods, Object or External
    name: str
    target_kind: str  # Value, AverageValue or Utilization
    target: int
    selector: tuple = ()  # (label, value) pairs
    object: Optional[tuple] = None  # (kind, name) that an Object metric describes


@dataclass(frozen=True)
class Spec:
    """up and down are both None when the manifest has no behavior at all: older limits hold then."""

    minimum: int
    maximum: int
    metrics: tuple
    up: Optional[Rules] = None
    down: Optional[Rules] = None


@dataclass(frozen=True)
class Pod:
    """As much of a pod as autoscaling looks at."""

    name: str
    phase: str = RUNNING
    ready: bool = True
    started: float = 0
    ready_changed: float = 0  # when ready last became what it is
    deleting: bool = False
    requests: dict = field(default_factory=dict)  # resource name -> thousandths


@dataclass(frozen=True)
class Sample:
    """What one pod used: the mean over the window that ends at the given time."""

    value: int
    at: float = math.inf
    window: float = 0


@dataclass(frozen=True)
class Decision:
    replicas: int
    proposed: Optional[int]  # before stabilisation and limits; None: nothing could be computed
    stabilised: Optional[int]
    why: str
    usage: dict  # metric name -> usage as a multiple of its target


def with_defaults(rules, up, settings):
    """Rules as the API server completes them."""
    policies = (Policy("Pods", 4, 15), Policy("Percent", 100, 15)) if up else (Policy("Percent", 100, 15),)
    window = 0 if up else settings.downscale_stabilization
    rules = rules or Rules()
    return replace(
        rules,
        policies=policies if rules.policies is None else rules.policies,
        window=window if rules.window is None else rules.window,
        tolerance=settings.tolerance if rules.tolerance is None else rules.tolerance,
    )


# ---- one metric ----


@dataclass(frozen=True)
class Tolerance:
    down: float
    up: float

    def holds(self, ratio):
        return 1 - self.down <= ratio <= 1 + self.up


def propose(metric, reading, pods, replicas, tolerance, settings, now):
    """How many replicas one metric asks for, and its usage as a multiple of the target.

    reading   {pod name: Sample} for Resource and Pods, thousandths for Object and External
    replicas  spec.replicas of the workload
    raises    Unknown when it cannot say
    """
    if metric.source in ("Resource", "Pods"):
        return _per_pod(metric, dict(reading), pods, replicas, tolerance, settings, now)
    if metric.target_kind == "AverageValue":
        there = sum(_counts(pod) for pod in pods)
        return _per_replica(metric, reading, there, tolerance)
    return _of_the_whole(metric, reading, pods, replicas, tolerance)


def _counts(pod):
    return not pod.deleting and pod.phase != FAILED


def _of_the_whole(metric, value, pods, replicas, tolerance):
    """Object and External with a Value: the pods that are ready share the usage evenly."""
    ratio = value / metric.target
    if replicas == 0:
        return math.ceil(ratio), ratio
    if tolerance.holds(ratio):
        return replicas, ratio
    return math.ceil(ratio * sum(pod.phase == RUNNING and pod.ready for pod in pods)), ratio


def _per_replica(metric, value, there, tolerance):
    """Object and External with an AverageValue: the total divided by what one replica should have."""
    if there == 0:
        return math.ceil(value / metric.target), math.inf if value else 0.0
    ratio = value / (metric.target * there)
    return (there if tolerance.holds(ratio) else math.ceil(value / metric.target)), ratio


def _per_pod(metric, samples, pods, replicas, tolerance, settings, now):
    if not any(_counts(pod) for pod in pods):
        raise Unknown("no pods")
    ready, unready, missing = _group(metric, samples, pods, settings, now)
    known = {pod.name: samples[pod.name].value for pod in ready}
    if not known:
        raise Unknown(f"no {metric.name} of any pod that is ready")

    requests = {pod.name: pod.requests.get(metric.name) for pod in pods if _counts(pod)}
    ratio = _ratio(metric, known, requests)
    raised_with_unready = bool(unready) and ratio > 1
    if not raised_with_unready and not missing:
        return (replicas if tolerance.holds(ratio) else math.ceil(ratio * len(ready))), ratio

    # Assume of those that cannot be asked what makes the change smaller.
    if ratio < 1:
        known.update({pod.name: _full_use(metric, requests[pod.name]) for pod in missing})
    elif ratio > 1:
        known.update({pod.name: 0 for pod in missing})
    if raised_with_unready:
        known.update({pod.name: 0 for pod in unready})
    careful = _ratio(metric, known, requests)
    if tolerance.holds(careful) or (ratio < 1 < careful) or (careful < 1 < ratio):
        return replicas, ratio
    count = math.ceil(careful * len(known))
    turned = (careful < 1 and count > replicas) or (careful > 1 and count < replicas)
    return (replicas if turned else count), ratio


def _full_use(metric, request):
    return request * max(100, metric.target) // 100 if metric.target_kind == "Utilization" else metric.target


def _ratio(metric, known, requests):
    """Usage as a multiple of the target; utilization is whole percents, cut off as Kubernetes does."""
    if metric.target_kind != "Utilization":
        return sum(known.values()) // len(known) / metric.target
    if any(request is None for request in requests.values()):
        raise Unknown(f"a pod without a request for {metric.name}")
    wanted = sum(requests[name] for name in known)
    if wanted == 0:
        raise Unknown(f"pods request no {metric.name}")
    return sum(known.values()) * 100 // wanted / metric.target


def _group(metric, samples, pods, settings, now):
    """Pods that count, those that are not ready yet, those without a sample."""
    ready, unready, missing = [], [], []
    for pod in filter(_counts, pods):
        if pod.phase == PENDING:
            unready.append(pod)
        elif pod.name not in samples:
            missing.append(pod)
        elif metric.source == "Resource" and metric.name == "cpu" and _starts(pod, samples[pod.name], settings, now):
            unready.append(pod)
        else:
            ready.append(pod)
    return ready, unready, missing


def _starts(pod, sample, settings, now):
    """What a pod burns while it starts says nothing about load."""
    if now < pod.started + settings.cpu_initialization_period:
        return not pod.ready or sample.at < pod.ready_changed + sample.window
    return not pod.ready and pod.ready_changed < pod.started + settings.initial_readiness_delay


# ---- all metrics, over time ----


class Autoscaler:
    """One HorizontalPodAutoscaler and what its controller remembers between syncs."""

    def __init__(self, spec, settings=Settings()):
        self.spec, self.settings = spec, settings
        self.has_behavior = spec.up is not None or spec.down is not None
        self.up = with_defaults(spec.up, True, settings)
        self.down = with_defaults(spec.down, False, settings)
        self.tolerance = Tolerance(down=self.down.tolerance, up=self.up.tolerance)
        self.proposals = []  # (time, replicas)
        self.events = []  # (time, replicas added)

    def sync(self, now, replicas, pods, read):
        """Decide once. read(metric) gives what propose() calls a reading, or raises Unknown."""
        self.proposals = self.proposals or [(now, replicas)]
        if replicas == 0 and self.spec.minimum != 0:
            return Decision(0, None, None, "off: the workload has no replicas", {})
        if not self.spec.minimum <= replicas <= self.spec.maximum:
            to = min(max(replicas, self.spec.minimum), self.spec.maximum)
            return self._done(now, replicas, Decision(to, None, None, "outside of minimum and maximum", {}))

        proposed, usage, why = self._ask_all(now, replicas, pods, read)
        if proposed is None:
            return Decision(replicas, None, None, why, usage)
        stabilised = self._stabilise(now, replicas, proposed)
        limited = self._limit(now, replicas, stabilised)
        why = why if limited == stabilised else f"{why}; limited from {stabilised}"
        why = why if stabilised == proposed else f"{why}; stabilised from {proposed}"
        return self._done(now, replicas, Decision(limited, proposed, stabilised, why, usage))

    def _ask_all(self, now, replicas, pods, read):
        best, why, usage, unknown = None, "", {}, []
        for metric in self.spec.metrics:
            try:
                count, ratio = propose(metric, read(metric), pods, replicas, self.tolerance, self.settings, now)
            except Unknown as reason:
                unknown.append(f"{metric.name}: {reason}")
                continue
            usage[metric.name] = ratio
            if best is None or count > best:
                best, why = count, f"{metric.name} at {ratio:.2f} of its target"
        if best is None or (unknown and best < replicas):
            return None, usage, "unknown: " + "; ".join(unknown)
        return best, usage, why

    def _done(self, now, replicas, decision):
        if decision.replicas != replicas:
            self.events.append((now, decision.replicas - replicas))
            longest = max((p.period for rules in (self.up, self.down) for p in rules.policies), default=0)
            self.events = [(at, change) for at, change in self.events if at > now - longest]
        return decision

    def _stabilise(self, now, replicas, proposed):
        """Stay where we are, unless all of the window wants to leave in one direction."""
        lowest = min([proposed] + [count for at, count in self.proposals if at > now - self.up.window])
        highest = max([proposed] + [count for at, count in self.proposals if at > now - self.down.window])
        oldest = now - max(self.up.window, self.down.window)
        self.proposals = [(at, count) for at, count in self.proposals if at > oldest] + [(now, proposed)]
        if not self.has_behavior:
            return highest
        return min(max(replicas, lowest), highest)

    def _limit(self, now, replicas, wanted):
        if not self.has_behavior:
            most = min(self.spec.maximum, max(2 * replicas, 4))
            return max(min(wanted, most), self.spec.minimum)
        if wanted > replicas:
            most = max(self._reach(now, replicas, self.up, 1), replicas)
            return min(wanted, most, self.spec.maximum)
        if wanted < replicas:
            least = min(self._reach(now, replicas, self.down, -1), replicas)
            return max(wanted, least, self.spec.minimum)
        return wanted

    def _reach(self, now, replicas, rules, sign):
        """How far the policies let it go in this direction."""
        if rules.select == "Disabled":
            return replicas
        ends = []
        for policy in rules.policies:
            start = replicas - sum(change for at, change in self.events if at > now - policy.period)
            if policy.kind == "Pods":
                ends.append(start + sign * policy.value)
            elif sign > 0:  # rounded so that a small percentage of few still moves
                ends.append(math.ceil(start * (1 + policy.value / 100)))
            else:
                ends.append(int(start * (1 - policy.value / 100)))
        farthest = max if (sign > 0) == (rules.select == "Max") else min
        return farthest(ends)


# ---- which pods go ----


def leave_first(pods, now, cost=lambda pod: 0):
    """Pods in the order in which a ReplicaSet gives them up; all on one node, so that rank says nothing.

    Not running before running, not ready before ready, cheap before dear
    (controller.kubernetes.io/pod-deletion-cost), those that became ready later first. Ages count by
    orders of magnitude (LogarithmicScaleDown); the rest is chance in Kubernetes and the name here.
    """

    def magnitude(since):
        nanoseconds = (now - since) * 1e9
        return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1

    def key(pod):
        since = pod.ready_changed if pod.ready else pod.started
        return (pod.phase != PENDING, pod.ready, cost(pod), magnitude(since), pod.name)

    return sorted(pods, key=key)
