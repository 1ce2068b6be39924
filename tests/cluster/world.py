# SPDX-License-Identifier: Apache-2.0
"""A deployment of several processes over a Redis of its own.

    with Redis() as redis, Deployment(redis, apis=2, workers=2) as d:
        d.api(0).post("/v1/submissions", {...})

What is started here is stopped here, by its process id. The processes of a deployment are live.Server
like any other; a worker that was killed is started again with `start()`.
"""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from live import BUILD, Server  # noqa: E402
from redis_servers import Redis, RedisCluster, Sentinel  # noqa: E402, F401

FINAL = ("finished", "cancelled")


class Deployment:
    """n API processes and n workers; env is everybody's, api_env and worker_env are theirs alone."""

    def __init__(self, redis, apis=1, workers=1, env=None, api_env=None, worker_env=None):
        shared = {"EVALX_REDIS_URL": redis.url, "EVALX_LANES": "2", **(env or {})}
        self.redis = redis
        self.apis = [Server({**shared, "EVALX_ROLE": "api", **(api_env or {})}) for _ in range(apis)]
        self.workers = [Server({**shared, "EVALX_ROLE": "worker", **(worker_env or {})}) for _ in range(workers)]

    def api(self, i=0):
        return self.apis[i]

    @property
    def all(self):
        return self.apis + self.workers

    def start(self):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda s: s.start(), self.all))
        return self

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for server in self.all:
            if server.process:
                server.process.send_signal(signal.SIGCONT)
                server.process.send_signal(signal.SIGTERM)
        for server in self.all:
            server.stop()
            server.remove()

    # ---- what tests say again and again ----

    def submit(self, source, api=0, language="bash", **more):
        status, answer = self.apis[api].post("/v1/submissions", {"language": language, "source": source, **more})
        assert status == 201, (status, answer)
        return answer["token"]

    def look(self, token, api=0, query=""):
        status, answer = self.apis[api].get(f"/v1/submissions/{token}{query}")
        assert status == 200, (status, answer)
        return answer

    def wait(self, token, api=0, seconds=60):
        answer = self.look(token, api, f"?wait={seconds}")
        assert answer["state"] in FINAL, answer
        return answer

    def ready(self):
        """After a Redis that was away: until then answers are 503, come back later."""
        for api in self.apis:
            until(lambda api=api: api.get("/health/ready")[0] == 200, 60, "ready again")

    def running(self, token):
        until(lambda: self.look(token)["state"] == "running", 30, f"{token} runs")

    def entry(self, token):
        """Its place in the queue, or None."""
        status, answer = self.apis[0].get(f"/v1/queue/entries/{token}")
        return answer if status == 200 else None

    def runner(self, token):
        """The worker that has it, found by the process id in its name."""
        name = until(lambda: (self.entry(token) or {}).get("worker"), 20, f"somebody has {token}")
        return next(w for w in self.workers if w.process and str(w.process.pid) in name)


def until(true, seconds, what):
    """Wait until true() is, and return what it returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def evalx(*words, server=None, env=None):
    """The command line; returns (exit status, stdout, stderr)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVALX_")}
    if server:
        environment["EVALX_SERVER"] = f"http://{server.host}:{server.port}"
    environment.update(env or {})
    done = subprocess.run([BUILD / "evalx", *words], capture_output=True, text=True, env=environment,
                          check=False, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr
