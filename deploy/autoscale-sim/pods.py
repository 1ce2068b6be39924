# SPDX-License-Identifier: Apache-2.0
"""pods.py - a Deployment of workers whose pods are real `evalx serve --role worker` processes.

What Kubernetes does around a container is done here: a pod is created and waits for its image, its
process is started, its readiness is asked for over HTTP, it is told to end with SIGTERM, and killed
when its grace is over; a process that dies by itself is started again. Kubernetes' periods run on a
clock that is faster by a factor; what evalX does takes the time it takes.
"""

import collections
import http.client
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import hpa
from live import NotReady, Server

LONG_AGO = 3600  # seconds
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Clock:
    """Seconds of the simulated cluster: `factor` of them pass in a second."""

    def __init__(self, factor):
        self.factor = factor
        self.restart()

    def restart(self):
        self.began = time.monotonic()
        self.epoch = time.time()

    def now(self):
        return (time.monotonic() - self.began) * self.factor

    def at(self, epoch):
        """The same of a time since 1970."""
        return (epoch - self.epoch) * self.factor

    def real(self, seconds):
        return seconds / self.factor


class Worker:
    """One pod and the thread that looks after it, as a kubelet does."""

    def __init__(self, name, template, requests, env, clock, pull_seconds, changed):
        self.requests = requests
        self.name, self.template, self.clock, self.pull_seconds, self.changed = name, template, clock, pull_seconds, changed
        self.server = Server(env)
        self.started = self.ready_changed = clock.now()
        self.phase, self.ready = hpa.PENDING, False
        self.leaving = threading.Event()
        self.was_busy = self.was_killed = False
        self.restarts = 0
        self.thread = threading.Thread(target=self._live, daemon=True)
        self.thread.start()

    def describe(self):
        """As autoscaling sees it."""
        return hpa.Pod(self.name, self.phase, self.ready, self.started, self.ready_changed,
                       self.leaving.is_set(), self.requests)

    def _live(self):
        try:
            if not self.leaving.wait(self.clock.real(self.pull_seconds)):
                self._run()
        finally:
            self._end()

    def _run(self):
        while not self.leaving.is_set():
            try:
                self.server.start()
            except NotReady as why:
                self.changed(self, f"did not start: {why}")
                self.leaving.wait(1)
                continue
            self.phase = hpa.RUNNING
            self.changed(self, "running")
            self._watch()
            if not self.leaving.is_set():
                self.restarts += 1
                self.changed(self, "died")
                self.server.stop()

    def _watch(self):
        """Ask for readiness until it is to end, or has ended."""
        failures = 0
        self.leaving.wait(self.clock.real(self.template.ready_delay))
        while not self.leaving.is_set() and self.server.process.poll() is None:
            well = self._ask(self.template.ready_path)[0] == 200
            failures = 0 if well else failures + 1
            if well or failures >= self.template.ready_failures:
                self._set_ready(well)
            self.leaving.wait(self.clock.real(self.template.ready_period))

    def _set_ready(self, ready):
        if ready != self.ready:
            self.ready, self.ready_changed = ready, self.clock.now()
            self.changed(self, "ready" if ready else "not ready")

    def _ask(self, path):
        link = http.client.HTTPConnection(self.server.host, self.server.port, timeout=1)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            link.close()

    def _end(self):
        """SIGTERM, the grace, SIGKILL."""
        process = self.server.process
        if process and process.poll() is None:
            busy = re.search(r"^evalx_jobs_running(?:{[^}]*})? (\S+)", self._ask("/metrics")[1], re.MULTILINE)
            self.was_busy = bool(busy and float(busy[1]) > 0)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=self.clock.real(self.template.grace))
            except subprocess.TimeoutExpired:
                self.was_killed = True
                process.kill()
        self.server.stop()
        self.server.remove()
        self.ready, self.phase = False, "Gone"
        self.changed(self, "killed" if self.was_killed else "ended")

    def leave(self):
        self.leaving.set()


class Deployment:
    """Some replicas of one template; scale() only says how many, as writing spec.replicas does."""

    def __init__(self, template, env, lanes, clock, pull_seconds, targets):
        # With other lanes than the manifest's, the request shrinks with them.
        self.requests = {**template.requests, "cpu": template.requests.get("cpu", 0) * lanes // template.lanes}
        self.template, self.clock, self.pull_seconds, self.targets = template, clock, pull_seconds, targets
        # The drain has to be over before the grace is: both shrink alike.
        self.env = {**env, "EVALX_ROLE": "worker", "EVALX_LANES": str(lanes), "EVALX_LANES_MAX": str(lanes),
                    "EVALX_DRAIN": f"{int(clock.real(template.drain) * 1000)}ms"}
        self.replicas, self.workers, self.count = 0, [], 0
        self.history = []  # every pod there ever was
        self.events = []  # (time, pod, what)
        self.lock = threading.RLock()

    def _changed(self, worker, what):
        with self.lock:
            self.events.append((self.clock.now(), worker.name, what))
            if what in ("ended", "killed"):
                self.workers.remove(worker)
            self._publish()

    def _publish(self):
        """What Kubernetes' service discovery tells Prometheus: every pod that has an address."""
        self.targets([(w.name, w.server.host, w.server.port) for w in self.workers if w.phase == hpa.RUNNING])

    def pods(self):
        with self.lock:
            return [worker.describe() for worker in self.workers]

    def ready(self):
        return sum(pod.ready and not pod.deleting for pod in self.pods())

    def scale(self, replicas):
        with self.lock:
            self.replicas = replicas
            staying = [w for w in self.workers if not w.leaving.is_set()]
            for _ in range(replicas - len(staying)):
                self.count += 1
                worker = Worker(f"evalx-worker-{self.count}", self.template, self.requests, self.env, self.clock,
                                self.pull_seconds, self._changed)
                self.workers.append(worker)
                self.history.append(worker)
                self.events.append((self.clock.now(), worker.name, "created"))
            if replicas < len(staying):
                order = hpa.leave_first([w.describe() for w in staying], self.clock.now())
                names = [pod.name for pod in order[:len(staying) - replicas]]
                for worker in staying:
                    if worker.name in names:
                        worker.leave()
                        self.events.append((self.clock.now(), worker.name, "leaves"))

    def forget(self):
        """Begin the record anew: what there is now was always there."""
        with self.lock:
            self.history, self.events = list(self.workers), []
            for worker in self.workers:
                worker.started = worker.ready_changed = -LONG_AGO

    def close(self):
        self.scale(0)
        for worker in self.history:
            worker.thread.join(120)


# ---- metrics-server ----


def cpu_seconds(pids):
    """CPU time of each process and of all below it, the dead ones that were waited for included."""
    used, children = {}, collections.defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(folder.name)
        used[pid] = sum(map(int, fields[11:15])) / CLOCK_TICKS
        children[int(fields[1])].append(pid)

    def total(pid):
        return used.get(pid, 0) + sum(total(child) for child in children.get(pid, ()))

    return {pid: total(pid) for pid in pids}


class MetricsServer:
    """CPU use of pods, looked at once in its resolution; stands for the resource metrics API."""

    RESOLUTION = 15

    def __init__(self, deployment, clock):
        self.deployment, self.clock = deployment, clock
        self.previous, self.samples = {}, {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over.wait(self.clock.real(self.RESOLUTION)):
            self.look()

    def look(self):
        with self.deployment.lock:
            pids = {w.name: w.server.process.pid for w in self.deployment.workers
                    if w.phase == hpa.RUNNING and w.server.process}
        used, now = cpu_seconds(pids.values()), self.clock.now()
        fresh = {name: (now, pid, used[pid]) for name, pid in pids.items()}
        samples = {}
        for name, (at, pid, seconds) in fresh.items():
            before = self.previous.get(name)
            if before and before[1] == pid and before[0] < at:  # the clock may have begun anew
                window = at - before[0]
                cores = (seconds - before[2]) / self.clock.real(window)
                samples[name] = hpa.Sample(max(int(cores * 1000), 0), at, window)
        self.previous, self.samples = fresh, samples

    def close(self):
        self.over.set()
        self.thread.join()
