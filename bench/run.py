#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure evalX against bare spawns on the same machine, in one run, and print ratios.

Milliseconds say more about the machine than about evalX, so every figure stands beside the same
program started bare: vfork, exec and wait in a loop (bench/spawn.c). Bare and boxed runs take turns,
round by round; a ratio is the median over the rounds, its spread the least and the most.

    bench/run.py [--build build] [--long] [--json FILE]
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
sys.path.insert(0, str(TOP / "tests"))
import live  # noqa: E402

HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
SUM_CPP = (TOP / "examples/programs/cpp/sum.cpp").read_text()
BURST = 10000
TESTS = [{"stdin": f"{n} {n + 1}\n", "expected_output": f"{2 * n + 1}\n"} for n in range(20)]


class Bench:
    def __init__(self, build, long):
        self.tools = build / "bench"
        self.program = build / "evalx"
        self.rounds = 7 if long else 3
        self.seconds = 4 if long else 1
        self.latency_runs = 1000 if long else 300
        self.box_runs = 500 if long else 100  # per round and program, python among them
        self.cores = len(os.sched_getaffinity(0))
        self.rows = []
        self.figures = {}
        self.scratch = None
        self.server = None

    # ---- tools ----

    def call(self, tool, *words, checked=True):
        done = subprocess.run(
            [self.tools / tool, *map(str, words)], capture_output=True, text=True, check=False
        )
        if checked and done.returncode != 0:
            raise RuntimeError(f"{tool}: exit status {done.returncode}: {done.stderr.strip()[:2000]}")
        return json.loads(done.stdout)

    def spawn(self, *words):
        return self.call("bench-spawn", *words)

    def load(self, path, body, *words):
        """Send body to path over and over; a wrong answer ends the bench."""
        file = self.scratch / "body.json"
        file.write_text(json.dumps(body))
        return self.call(
            "bench-load", "-b", file, *words, f"{self.server.host}:{self.server.port}", path
        )

    def compiled(self, name, source, *command):
        path = self.scratch / name
        (self.scratch / f"{name}.src").write_text(source)
        language = "c++" if command[0] == "g++" else "c"
        subprocess.run([*command, "-x", language, f"{path}.src", "-o", path], check=True)
        return path

    # ---- the table ----

    def row(self, what, ours, bare, ratios, aim):
        middle = statistics.median(ratios)
        self.figures[what] = {"ratio": middle, "least": min(ratios), "most": max(ratios)}
        digits = 2 if middle >= 0.01 else 4
        spread = f"{min(ratios):.{digits}f}-{max(ratios):.{digits}f}" if len(ratios) > 1 else ""
        print(f"{what:48} {ours:>13} {bare:>13} {middle:7.{digits}f}  {spread:11} {aim}", flush=True)

    def plain(self, what, value, aim):
        self.figures[what] = value
        print(f"{what:48} {value:>13} {'':13} {'':7}  {'':11} {aim}", flush=True)

    # ---- what is measured ----

    def warm_box(self):
        """A run in a warm box, called directly, without server: bench/box.c does the turns."""
        if not (self.tools / "bench-box").exists():
            return
        for line in self.call("bench-box", "-n", self.box_runs, "-r", self.rounds):
            if "gone_us" in line:
                self.plain("fork bomb: gone after its limit", f"{line['gone_us'] / 1e3:.1f} ms", line["aim"])
                self.plain("  the slowest of ten", f"{line['most_us'] / 1e3:.1f} ms", line["aim"])
                continue
            self.row(
                f"run in a warm box: {line['program']}",
                f"{line['box_us'] / 1e3:.2f} ms",
                f"{line['bare_us'] / 1e3:.2f} ms",
                line["ratios"],
                line.get("aim", ""),
            )

    def twenty_tests(self):
        program = self.compiled("sum", SUM_CPP, "g++", "-O2", "-std=gnu++17")
        stdin = self.scratch / "sum.stdin"
        stdin.write_text(TESTS[7]["stdin"])
        body = {"language": "cpp", "source": SUM_CPP, "tests": TESTS}
        ours, bare = [], []
        for _ in range(self.rounds):
            bare.append(20 * self.spawn("-n", 100, "-i", stdin, program)["median_us"])
            ours.append(
                self.load("/v1/submissions?wait=60", body, "-n", 20, "-m", '"verdict":"accepted"')["median_us"]
            )
        self.row(
            "20 tests of one C++ program, one submission",
            f"{statistics.median(ours) / 1e3:.1f} ms",
            f"{statistics.median(bare) / 1e3:.1f} ms",
            [o / b for o, b in zip(ours, bare)],
            "<= 0.5",
        )

    def faces(self):
        """Name, path, body, status and mark of a waiting request, for each face of the API."""
        return (
            ("native", "/v1/submissions?wait=60", {"language": "c", "source": HELLO_C}, 200, '"verdict":"accepted"'),
            ("Judge0", "/submissions?wait=true", {"language_id": 50, "source_code": HELLO_C}, 201, '"id":3'),
        )

    def waiting_clients(self):
        """One client on an idle server, and as many as keep every core busy."""
        program = self.compiled("hello", HELLO_C, "gcc", "-O2")
        for name, path, body, status, mark in self.faces():
            added, ours, bare = [], [], []
            for _ in range(self.rounds):
                alone = self.spawn("-n", self.latency_runs, program)["median_us"]
                waited = self.load(path, body, "-n", self.latency_runs, "-e", status, "-m", mark)["median_us"]
                added.append(waited - alone)
                bare.append(self.spawn("-s", self.seconds, "-j", self.cores, program)["per_second"])
                ours.append(
                    self.load(path, body, "-s", self.seconds, "-c", 4 * self.cores, "-e", status, "-m", mark)["per_second"]
                )
            self.row(
                f"waiting requests per second, {name}",
                f"{statistics.median(ours):.0f}/s",
                f"{statistics.median(bare):.0f}/s",
                [o / b for o, b in zip(ours, bare)],
                ">= 0.6",
            )
            middle = statistics.median(added)
            self.figures[f"added latency, {name}"] = middle
            print(
                f"{f'added to an idle waiting request, {name}':48} {middle / 1e3:10.2f} ms {'':13} {'':7}  "
                f"{f'{min(added) / 1e3:.2f}-{max(added) / 1e3:.2f}':11} <= 3 ms",
                flush=True,
            )

    def counting(self):
        """All that is counted for one submission, beside the fastest request that waits for one."""
        if not (self.tools / "bench-metric").exists():
            return
        path, body, status, mark = self.faces()[0][1:]
        counted, requests = [], []
        for _ in range(self.rounds):
            counted.append(self.call("bench-metric")["submission_crowd_ns"] / 1e3)
            requests.append(self.load(path, body, "-n", self.latency_runs, "-e", status, "-m", mark)["median_us"])
        self.row(
            "counting one submission, of a waiting request",
            f"{statistics.median(counted):.2f} us",
            f"{statistics.median(requests):.0f} us",
            [c / r for c, r in zip(counted, requests)],
            "<= 0.01",
        )

    def burst(self, title):
        body = {"language": "c", "source": HELLO_C}
        done = self.load("/v1/submissions", body, "-n", BURST, "-c", 32, "-e", 201)
        self.plain(title, f"{done['per_second']:.0f}/s", ">= 5000/s")

    def asleep(self):
        """Every lane the server may open runs a program that sleeps."""
        body = {"language": "bash", "source": "sleep 100", "limits": {"wall_time_ms": 100000}}
        client = self.server.client()
        lanes = 8 * self.cores
        for _ in range(2 * lanes):
            client.post("/v1/submissions", body | {"priority": "high"})
        deadline = time.monotonic() + 20
        while client.get("/v1/stats")[1]["running"] < lanes and time.monotonic() < deadline:
            time.sleep(0.05)
        client.close()

    def store(self):
        """The same without HTTP and lanes: bench/store.c admits, queues and syncs from 16 threads."""
        if not (self.tools / "bench-store").exists():
            return
        done = subprocess.run(
            [self.tools / "bench-store", "--json", "--folder", "/var/tmp"],
            capture_output=True, text=True, check=True,
        )
        for line in map(json.loads, done.stdout.splitlines()):
            if line["what"].startswith("16 clients"):
                self.plain(f"  store and queue alone, {line['what'][12:]}", f"{line['per_s']:.0f}/s", ">= 5000/s")

    def resident(self):
        """Resident bytes of the server process itself."""
        for line in Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def idle(self):
        time.sleep(0.5)
        self.plain("resident memory of the idle server", f"{self.resident() / 2**20:.0f} MiB", "< 50 MiB")

    def run(self):
        print(f"{self.cores} cores, {self.rounds} rounds, medians\n")
        print(f"{'':48} {'evalX':>13} {'bare':>13} {'ratio':>7}  {'spread':11} aim")
        with tempfile.TemporaryDirectory(prefix="evalx-bench-") as scratch:
            self.scratch = Path(scratch)
            self.scratch.chmod(0o755)
            self.warm_box()
            with live.Server({"EVALX_LOG_LEVEL": "warn"}, self.program) as self.server:
                self.idle()
                self.waiting_clients()
                self.counting()
                self.twenty_tests()
                self.burst(f"accepted per second, {BURST} while lanes run them")
                self.server.kill()  # nobody waits for the end of the burst
            with live.Server({"EVALX_LOG_LEVEL": "warn"}, self.program) as self.server:
                self.asleep()
                self.burst(f"accepted per second, {BURST} while lanes sleep")
                self.plain("  server's memory behind them", f"{self.resident() / 2**20:.0f} MiB", "< 200 MiB")
                self.server.kill()
            self.store()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("--long", action="store_true", help="more rounds, steadier figures")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    args = parser.parse_args()
    bench = Bench(args.build.absolute(), args.long)
    start = time.monotonic()
    bench.run()
    print(f"\n{time.monotonic() - start:.0f} s")
    if args.json:
        args.json.write_text(json.dumps(bench.figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
