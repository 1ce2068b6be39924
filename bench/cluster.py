#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what Redis between API and workers costs against one process that does it all.

Both sides have the same lanes in all: one per core, spread over two workers or in one server. They
take turns, round by round; a ratio is the median over the rounds. An absolute figure says more about
the machine than about evalX.

    bench/cluster.py [--build build] [--jobs N] [--rounds N] [--burst N] [--json FILE]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/cluster")]

HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
CAT_C = "#include <stdio.h>\nint main(void) { for (int c; (c = getchar()) != EOF;) putchar(c); return 0; }\n"


class Bench:
    def __init__(self, args):
        import live
        import world

        self.live, self.world = live, world
        self.args = args
        self.tool = live.BUILD / "bench/bench-load"
        self.cores = len(os.sched_getaffinity(0))
        self.figures = {}

    def load(self, server, path, body, *words):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(body, file)
            file.flush()
            done = subprocess.run(
                [self.tool, "-b", file.name, *map(str, words), f"{server.host}:{server.port}", path],
                capture_output=True, text=True, check=True,
            )
        return json.loads(done.stdout)

    def show(self, what, value, unit, aim="", spread=""):
        self.figures[what] = value
        text = f"{value:.2f}" if value < 100 else f"{value:.0f}"
        print(f"{what:62} {text:>9} {unit:7} {spread:13} {aim}", flush=True)

    # ---- jobs through the queue ----

    def drained(self, server):
        """Seconds until nothing waits or runs any more."""
        began = time.perf_counter()
        client = server.client()
        while True:
            queue = client.get("/v1/queue")[1]
            if sum(queue["waiting"].values()) + queue["running"] == 0:
                return time.perf_counter() - began
            time.sleep(0.02)

    def jobs_per_second(self, server):
        """What lies there already is worked off: nobody waits, nobody submits meanwhile."""
        body = {"language": "c", "source": HELLO_C}
        server.post("/v1/queue/pause", {})
        self.load(server, "/v1/submissions", body, "-n", self.args.jobs, "-c", 8, "-e", 201)
        server.post("/v1/queue/resume", {})
        return self.args.jobs / self.drained(server)

    def waiting_per_second(self, server):
        body = {"language": "c", "source": HELLO_C}
        done = self.load(server, "/v1/submissions?wait=60", body, "-n", self.args.jobs, "-c", 4 * self.cores,
                         "-m", '"verdict":"accepted"')
        return done["per_second"]

    def queued_ms(self, server, count=100):
        client = server.client()
        delays = []
        for _ in range(count):
            done = client.post("/v1/submissions?wait=10", {"language": "c", "source": HELLO_C})[1]
            delays.append(done["timings"]["queued_ms"])
            time.sleep(0.005)
        return statistics.median(delays)

    def compare(self, what, unit, measure, shared, alone, aim=""):
        ours, theirs = [], []
        for _ in range(self.args.rounds):
            ours.append(measure(shared))
            theirs.append(measure(alone))
        ratios = [a / b for a, b in zip(ours, theirs)]
        self.show(f"{what}, over Redis", statistics.median(ours), unit, aim)
        self.show(f"{what}, one process", statistics.median(theirs), unit)
        self.show(f"{what}, ratio", statistics.median(ratios), "x", "", f"{min(ratios):.2f}-{max(ratios):.2f}")

    # ---- a worker dies ----

    def takeover(self, deployment):
        """Seconds from kill -9 of a worker to its job running elsewhere."""
        d, seconds = deployment, []
        for _ in range(self.args.rounds):
            token = d.submit("sleep 4")
            victim = d.runner(token)
            victim.kill()
            killed = time.perf_counter()
            self.world.until(lambda t=token: (d.entry(t) or {}).get("attempts") == 2, 90, "it runs elsewhere")
            seconds.append(time.perf_counter() - killed)
            d.api().post(f"/v1/submissions/{token}/cancel", {})
            victim.start()
        return seconds

    # ---- a burst ----

    def burst_on(self, server, body):
        """Accepted and finished per second."""
        server.post("/v1/queue/pause", {})
        accepted = self.load(server, "/v1/submissions", body, "-n", self.args.burst, "-c", 16, "-e", 201)
        server.post("/v1/queue/resume", {})
        return accepted["per_second"], self.args.burst / self.drained(server)

    def burst(self, deployment, alone):
        """Every test once: what else a submission costs is shared by twenty."""
        tests = [{"stdin": f"{n}\n", "expected_output": f"{n}\n"} for n in range(20)]
        body = {"language": "c", "source": CAT_C, "tests": tests}
        for name, server in (("over Redis", deployment.api()), ("one process", alone)):
            accepted, finished = self.burst_on(server, body)
            self.show(f"burst of {self.args.burst} x 20 tests, {name}, accepted", accepted, "/s")
            self.show(f"the same, {name}, finished", finished, "/s")

    def run(self):
        per_worker = max(self.cores // 2, 1)
        env = {"EVALX_LEASE": "10s", "EVALX_LANES": str(per_worker)}
        alone_env = {"EVALX_LANES": str(2 * per_worker)}
        print(f"{self.cores} cores, {self.args.rounds} rounds, medians; two workers with {per_worker} lanes each, "
              f"or one process with {2 * per_worker}\n")
        with self.world.Redis() as redis, self.world.Deployment(redis, 1, 2, env) as d, \
                self.live.Server(alone_env) as alone:
            for server in (d.api(), alone):
                self.queued_ms(server, 30)
            self.compare("time in the queue of an idle system", "ms", self.queued_ms, d.api(), alone, "<= 2 ms")
            self.compare("jobs per second from a full queue", "/s", self.jobs_per_second, d.api(), alone)
            self.compare("waiting requests per second", "/s", self.waiting_per_second, d.api(), alone)
            seconds = self.takeover(d)
            self.show("kill -9 of a worker to running elsewhere (lease 10 s)", statistics.median(seconds), "s", "",
                      f"{min(seconds):.1f}-{max(seconds):.1f}")
            if self.args.burst:
                self.burst(d, alone)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("--jobs", type=int, default=2000, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--burst", type=int, default=1000, help="submissions of 20 tests; 0: none")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["EVALX_BUILD"] = str(args.build.absolute())
    bench = Bench(args)
    bench.run()
    if args.json:
        args.json.write_text(json.dumps(bench.figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
