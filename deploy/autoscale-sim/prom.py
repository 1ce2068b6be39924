# SPDX-License-Identifier: Apache-2.0
"""prom.py - a Prometheus of the simulation's own, and what a prometheus-adapter asks it.

Its clock runs with the simulated cluster: intervals, ranges in queries and the age at which a value
is stale are all divided by the factor, so a query is that of the shipped configuration.
"""

import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import hpa
from redis_servers import free_port, until

UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
LOOKBACK_SECONDS = 300  # Prometheus' default


def shrink(query, factor):
    """The same query with its durations divided: [5m] at factor 10 is [30000ms]."""

    def one(duration):
        parts = re.findall(r"(\d+)(ms|[smhdw])", duration)
        return f"{max(round(sum(int(n) * UNIT_MS[unit] for n, unit in parts) / factor), 1)}ms"

    def durations(match):
        return re.sub(r"(?:\d+(?:ms|[smhdw]))+", lambda found: one(found[0]), match[0])

    # Text in quotes is left alone.
    pieces = re.split(r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')', query)
    pattern = r"\[[^\]]*\]|offset\s+-?[0-9smhdw]+"
    return "".join(p if i % 2 else re.sub(pattern, durations, p) for i, p in enumerate(pieces))


class Prometheus:
    """jobs: scrape jobs, named as the Services; labels: put on every target that targets() names."""

    def __init__(self, factor, jobs, labels, scrape_seconds=15):
        self.factor, self.labels = factor, labels
        self.scrape_ms = round(scrape_seconds * 1000 / factor)
        self.folder = Path(tempfile.mkdtemp(prefix="evalx-prometheus-", dir="/var/tmp"))
        self.url = f"http://127.0.0.1:{free_port()}"
        for job in jobs:
            self.targets(job, [])
        scrapes = [{"job_name": job, "file_sd_configs": [{"files": [str(self.folder / f"{job}.json")]}]} for job in jobs]
        interval = f"{self.scrape_ms}ms"
        config = {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": scrapes}
        (self.folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        self.process = None

    def start(self):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "prometheus", f"--config.file={self.folder}/prometheus.yml",
                 f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address={self.url.removeprefix('http://')}",
                 f"--query.lookback-delta={round(LOOKBACK_SECONDS * 1000 / self.factor)}ms"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._is_ready, "Prometheus is ready")
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).status == 200
        except OSError:
            return False

    def targets(self, job, pods):
        """(pod, host, port) of everybody a job asks. Written aside first: it watches the file."""
        groups = [{"targets": [f"{host}:{port}"], "labels": {**self.labels, "service": job, "pod": name}} for name, host, port in pods]
        new = self.folder / f"{job}.json.new"
        new.write_text(json.dumps(groups))
        new.rename(self.folder / f"{job}.json")

    def _get(self, path, **words):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as why:
            raise RuntimeError(f"{words}: {why.read().decode()}") from why

    def value(self, query):
        """The sum over all series in thousandths, as the external metrics API hands it to an autoscaler."""
        try:
            series = self._get("query", query=shrink(query, self.factor))
        except (OSError, RuntimeError) as why:
            raise hpa.Unknown(str(why)) from why
        if not series:
            raise hpa.Unknown("no series")
        return sum(int(float(one["value"][1]) * 1000) for one in series)

    def knows(self, query):
        """Has it got any series of that?"""
        return bool(self._get("query", query=query))

    def history(self, query, start, end):
        """[(time since 1970, value)] of a query with one series, a point per scrape."""
        series = self._get("query_range", query=shrink(query, self.factor), start=f"{start:.3f}", end=f"{end:.3f}",
                           step=f"{self.scrape_ms / 1000:.3f}")
        if len(series) > 1:
            raise RuntimeError(f"{query}: {len(series)} series")
        return [(at, float(value)) for at, value in (series[0]["values"] if series else ())]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)
        self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()
