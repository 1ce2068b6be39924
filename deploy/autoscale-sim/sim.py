# SPDX-License-Identifier: Apache-2.0
"""sim.py - one run: a real deployment, an autoscaler's loop over it, a load, and what became of it.

    Redis <- API, workers (real processes)     Prometheus asks them all
    autoscaler: every sync period it reads its metric as the adapter would, decides, scales the workers
"""

import contextlib
import math
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests")]

import hpa  # noqa: E402
import load  # noqa: E402
import pods  # noqa: E402
import prom  # noqa: E402
import shipped  # noqa: E402
from live import Server  # noqa: E402
from redis_servers import Redis, until  # noqa: E402

JOBS = ("evalx-api", "evalx-worker")

# What is drawn: asked of Prometheus after the run.
SERIES = {
    "waiting": "sum(max by (priority) (evalx_queue_depth))",
    "running": "max(evalx_queue_leased)",
    "oldest": "max(evalx_queue_oldest_seconds)",
    "saturation": "max(evalx_queue_saturation)",
    "slots": "max(evalx_queue_slots)",
}


@dataclass
class Plan:
    """Parameters of one run; periods in seconds of the simulated cluster, waits of programs real."""

    name: str
    title: str
    autoscaler: object  # hpa.Autoscaler or keda.Keda
    queries: dict  # metric -> PromQL
    template: object
    factor: float = 10
    bursts: tuple = ((60, 10_000),)  # (when, how many)
    wait_ms: int = 120
    trickle: tuple = (0.8, 500)  # submissions a second, real; milliseconds each waits
    start: int = 1  # replicas
    pull_seconds: float = 5
    most_seconds: float = 600  # real: longer than that is a failure
    lanes: int = 2


@dataclass
class Record:
    """What a run left; times are those of the simulated cluster."""

    plan: Plan
    syncs: list = field(default_factory=list)  # dicts
    ready: list = field(default_factory=list)  # (time, ready workers)
    series: dict = field(default_factory=dict)
    latencies: list = field(default_factory=list)  # (finished, seconds, real)
    pod_events: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)


class World:
    """Redis, an API, Prometheus and a Deployment without replicas, for one plan.

    watched: only begin when Prometheus has asked the API, which takes it some seconds.
    """

    def __init__(self, plan, watched=False):
        self.plan, self.watched = plan, watched
        self.open = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            base = {"EVALX_LANGUAGES_DIR": str(TOP / "languages"), "EVALX_HINTS_DIR": str(TOP / "hints"),
                    "EVALX_REDIS_URL": stack.enter_context(Redis()).url}
            self.api = stack.enter_context(Server({**base, "EVALX_ROLE": "api"}))
            self.prometheus = stack.enter_context(
                prom.Prometheus(self.plan.factor, JOBS, {"namespace": shipped.NAMESPACE}))
            self.prometheus.targets("evalx-api", [("evalx-api-1", self.api.host, self.api.port)])
            if self.watched:
                until(lambda: self.prometheus.knows("evalx_queue_saturation"), "Prometheus has asked the API")
            self.clock = pods.Clock(self.plan.factor)
            self.deployment = pods.Deployment(self.plan.template, base, self.plan.lanes, self.clock, self.plan.pull_seconds,
                                              lambda there: self.prometheus.targets("evalx-worker", there))
            stack.callback(self.deployment.close)
            self.metrics_server = pods.MetricsServer(self.deployment, self.clock)
            stack.callback(self.metrics_server.close)
            self.book = load.Book(self.api.host, self.api.port)
            self.open = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.open.close()

    def left(self):
        """How many submissions wait or run."""
        client = load.Client(self.api.host, self.api.port)
        try:
            _, queue = client.get("/v1/queue")
            return sum(queue["waiting"].values()) + queue["running"]
        finally:
            client.close()


def per_second_by_workers(plan, counts, each, say=lambda text: None):
    """Submissions a second for fixed numbers of workers; nobody scales, everything is warm."""
    found = {}
    with World(plan) as world:
        for count in counts:
            world.deployment.scale(count)
            until(lambda count=count: world.deployment.ready() == count, f"{count} workers are ready")
            world.book.burst(4 * count * plan.lanes, 1)  # each has the artifact then
            until(lambda: world.left() == 0, "warm", 60)
            began = time.monotonic()
            world.book.burst(each * count, plan.wait_ms)
            until(lambda: world.left() == 0, "drained", plan.most_seconds)
            found[str(count)] = round(each * count / (time.monotonic() - began), 1)
            say(f"workers: {count}: {found[str(count)]}/s")
        wrong = world.book.look()
    return found, wrong


class Run:
    def __init__(self, plan, say=lambda text: None):
        self.plan, self.say = plan, say
        self.record = Record(plan)
        self.over = threading.Event()
        self.trouble = None

    def go(self):
        with World(self.plan, watched=True) as world:
            self.clock, self.deployment, self.book = world.clock, world.deployment, world.book
            self.prometheus, self.metrics_server, self._left = world.prometheus, world.metrics_server, world.left
            try:
                self._in_the_cluster()
            finally:
                self.over.set()
        return self.record

    def _in_the_cluster(self):
        self._warm_up()
        loops = [threading.Thread(target=self._loop, args=a, daemon=True)
                 for a in ((self._sync, self.plan.autoscaler.settings.sync_period), (self._watch_ready, self.clock.factor * 0.1))]
        for thread in loops:
            thread.start()
        submitted = []
        with load.Trickle(self.book, *self.plan.trickle) as trickle:
            for at, count in self.plan.bursts:
                self._wait(lambda at=at: self.clock.now() >= at, "a burst is due")
                began = self.clock.now()
                submitted.append((began, count, self.book.burst(count, self.plan.wait_ms)))
                self.say(f"{self.plan.name}: {count} submitted in {submitted[-1][2]:.1f} s")
            drained = self._drain(submitted[-1][0])
            settled = self._settle()
            trickle_trouble = trickle.trouble
        self._wait(lambda: self._left() == 0, "everything is finished")
        self.over.set()
        for thread in loops:
            thread.join()
        self._watch_ready()
        self._finish(submitted, drained, settled, trickle_trouble)

    def _warm_up(self):
        """The program has run before: it is in the shared cache. Then as many workers as the plan begins with."""
        self.deployment.scale(max(self.plan.start, 1))
        self._wait(lambda: self.deployment.ready() >= max(self.plan.start, 1), "the first workers are ready")
        self.book.burst(1, 1)
        self._wait(lambda: self._left() == 0, "the program is built")
        self.deployment.scale(self.plan.start)
        self._wait(lambda: len(self.deployment.pods()) == self.plan.start, "as many workers as it begins with")
        self.deployment.forget()
        self.clock.restart()

    # ---- the loops ----

    def _loop(self, step, period):
        """Call step at every multiple of a period; a late one is not made up for."""
        due = self.clock.now()
        while not self.over.is_set() and not self.trouble:
            try:
                step()
            except Exception as why:  # noqa: BLE001 the run has to end, and say it
                self.trouble = why
            due = max(due + period, self.clock.now())
            self.over.wait(self.clock.real(due - self.clock.now()))

    def _sync(self):
        now, replicas, there = self.clock.now(), self.deployment.replicas, self.deployment.pods()
        decision = self.plan.autoscaler.sync(now, replicas, there, self._read)
        self.record.syncs.append({
            "at": round(now, 2), "replicas": replicas, "proposed": decision.proposed, "stabilised": decision.stabilised,
            "desired": decision.replicas, "usage": {k: round(v, 3) for k, v in decision.usage.items()}, "why": decision.why,
        })
        if decision.replicas != replicas:
            self.say(f"{self.plan.name}: {now:6.0f} s  {replicas} -> {decision.replicas}  {decision.why}")
            self.deployment.scale(decision.replicas)

    def _read(self, metric):
        if metric.source in ("External", "Object"):
            return self.prometheus.value(self.plan.queries[metric.name])
        if metric.source == "Resource" and metric.name == "cpu":
            return self.metrics_server.samples
        raise hpa.Unknown(f"nobody serves {metric.source} {metric.name} here")

    def _watch_ready(self):
        count = self.deployment.ready()
        if not self.record.ready or self.record.ready[-1][1] != count:
            self.record.ready.append((self.clock.now(), count))

    # ---- waiting ----

    def _wait(self, true, what):
        end = time.monotonic() + self.plan.most_seconds
        while not true():
            if self.trouble:
                raise RuntimeError(f"{self.plan.name}: the loop ended") from self.trouble
            if time.monotonic() > end:
                raise RuntimeError(f"{self.plan.name}: not within {self.plan.most_seconds} s: {what}")
            time.sleep(0.05)

    def _drain(self, since):
        """When the last burst is gone; what trickles in does not count."""
        few = math.ceil(self.plan.trickle[0] * self.plan.trickle[1] / 1000) + 1
        self._wait(lambda: self.clock.now() > since and self._left() <= few, "the queue is drained")
        return self.clock.now()

    def _settle(self):
        """When the workers are back to as many as at the start."""
        self._wait(lambda: len(self.deployment.pods()) <= self.plan.start, "scaled down again")
        return self.clock.now()

    # ---- afterwards ----

    def _finish(self, submitted, drained, settled, trickle_trouble):
        record, clock = self.record, self.clock
        record.wrong += self.book.look()
        record.wrong += self.book.look()  # a result that changes is wrong as well
        if trickle_trouble:
            record.wrong.append(f"the trickle ended: {trickle_trouble!r}")
        listed = self.book.count_listed()
        if listed != len(self.book.wanted):
            record.wrong.append(f"{len(self.book.wanted)} tokens, {listed} finished records")
        end = time.time()
        for name, query in SERIES.items():
            record.series[name] = [(round(clock.at(at), 2), value)
                                   for at, value in self.prometheus.history(query, clock.epoch, end)]
        record.latencies = [(clock.at(at), seconds) for at, seconds in self.book.latencies()]
        record.pod_events = list(self.deployment.events)
        self._figures(submitted, drained, settled)

    def _figures(self, submitted, drained, settled):
        record, deployment, factor = self.record, self.deployment, self.plan.factor
        first_burst = submitted[0][0]
        started = {w.name for w in deployment.history[:self.plan.start]}
        news = [at for at, name, what in record.pod_events if what == "ready" and name not in started and at > first_burst]
        seconds = sorted(s for _, s in record.latencies)
        record.figures = {
            "submissions": len(self.book.wanted),
            "burst": sum(count for _, count, _ in submitted),
            "submitted_per_second": round(sum(c for _, c, _ in submitted) / max(sum(s for *_, s in submitted), 1e-9)),
            "wrong": len(record.wrong),
            "run_again": sum(end[3] > 1 for end in self.book.ends.values()),
            "most_workers": max(count for _, count in record.ready),
            "first_new_worker_ready_s": round(min(news) - first_burst, 1) if news else None,
            "drained_s": round(drained - submitted[-1][0], 1),
            "drained_real_s": round((drained - submitted[-1][0]) / factor, 1),
            "scaled_down_s": round(settled - drained, 1),
            "oldest_peak_real_s": round(max((v for _, v in record.series["oldest"]), default=0), 1),
            "waiting_peak": round(max((v for _, v in record.series["waiting"]), default=0)),
            "latency_real_s": {f"p{p}": round(seconds[min(int(len(seconds) * p / 100), len(seconds) - 1)], 3)
                               for p in (50, 95, 99)} if seconds else {},
            "scalings": sum(s["desired"] != s["replicas"] for s in record.syncs),
            "turns": turns([s["desired"] for s in record.syncs]),
            "pods": len(deployment.history),
            "pods_busy_at_sigterm": sum(w.was_busy for w in deployment.history),
            "pods_killed": sum(w.was_killed for w in deployment.history),
            "restarts": sum(w.restarts for w in deployment.history),
            "worker_seconds": round(area(record.ready, settled)),
        }


def turns(counts):
    """How often the number of workers changed its direction."""
    changes = [b - a for a, b in zip(counts, counts[1:]) if a != b]
    return sum((a > 0) != (b > 0) for a, b in zip(changes, changes[1:]))


def area(steps, end):
    """What a step function adds up to."""
    edges = steps + [(end, 0)]
    return sum(count * max(min(until, end) - at, 0) for (at, count), (until, _) in zip(edges, edges[1:]))
