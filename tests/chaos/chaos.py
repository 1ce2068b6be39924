#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Break a deployment at random, and see that no submission is the worse for it.

    make chaos                         a minute
    make chaos SECONDS=600 SEED=7      longer; the faults of a seed come in the same order

Several API and worker processes over a Redis (append-only file, every write on disk before it is
answered) and a PostgreSQL, all of this run's own and on loopback. Clients submit programs whose
answer is known and write every token down that they are given. Meanwhile processes are killed
(SIGKILL) and stopped (SIGSTOP, also for longer than a lease), connections to Redis are cut or hang,
Redis and PostgreSQL are killed and come back, the disk of Redis fills up.

At the end everything is made whole, and then must hold:
  - every token a client was given has a final state, and one that is right for its program
  - a final result, once seen by anybody, never changes
  - an idempotency key never led to two tokens
  - the receiver of webhooks has got exactly one webhook-id for each token, with that result
  - the history has each submission once

Prints what happened as JSON; exits 1 when anything did not hold. Run as root; in a mount namespace
of its own (see test_chaos.py), since it mounts the small disk.
"""

import argparse
import collections
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "cluster"), str(Path(__file__).resolve().parent)]

from live import NotReady  # noqa: E402
from postgres import Postgres  # noqa: E402
from proxy import Proxy  # noqa: E402
from redis_servers import Redis  # noqa: E402
from world import Deployment  # noqa: E402

LEASE = 3
SETTLE_SECONDS = 90
DISK_MIB = 96
C_SOURCE = """#include <stdio.h>
int main(void) { long n; scanf("%%ld", &n); printf("%%ld\\n", n * %d); return 0; }
"""


class Receiver:
    """Takes webhooks, not always gladly; remembers what came for which token."""

    def __init__(self, dice):
        self.lock = threading.Lock()
        self.ids = collections.defaultdict(set)  # token -> webhook-ids
        self.said = collections.defaultdict(set)  # token -> (verdict, stdout)
        self.received = 0
        self.moody = True
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver.lock:
                    receiver.received += 1
                    receiver.ids[body["token"]].add(self.headers["webhook-id"])
                    receiver.said[body["token"]].add((body["verdict"], body["stdout"]))
                    mood = dice.random() if receiver.moody else 1
                if mood < 0.05:
                    time.sleep(1)
                self.send_response(500 if mood < 0.15 else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a sender that died in the middle

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


class Book:
    """What clients were given and have seen. violations: sentences that must not be."""

    def __init__(self):
        self.lock = threading.Lock()
        self.wanted = {}  # token -> expected stdout
        self.seen = {}  # token -> the final record as first seen
        self.refusals = collections.Counter()
        self.violations = []

    def wrong(self, sentence):
        with self.lock:
            if len(self.violations) < 50:
                self.violations.append(sentence)

    def given(self, key, token, expected):
        with self.lock:
            before = self.wanted.setdefault(token, (key, expected))
        if before[0] != key:
            self.wrong(f"{token} was given for two submissions")

    def final(self, answer):
        token = answer["token"]
        mine = {k: answer[k] for k in ("state", "verdict", "stdout", "finished_at")}
        with self.lock:
            before = self.seen.setdefault(token, mine)
        if before != mine:
            self.wrong(f"{token} changed from {before} to {mine}")


class Client(threading.Thread):
    """Submits, with its key again until it is told a token, or waits for results."""

    def __init__(self, chaos, number):
        super().__init__(daemon=True)
        self.chaos, self.number = chaos, number
        self.dice = random.Random(f"{chaos.seed}-client-{number}")
        self.key = self.token_of_key = None

    def ask(self, method, path, body=None, headers=None, timeout=20):
        """(status, JSON), or (None, why)."""
        server = self.dice.choice(self.chaos.deployment.apis)
        link = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
        try:
            raw = json.dumps(body) if body is not None else None
            link.request(method, path, raw, {"Content-Type": "application/json", **(headers or {})})
            answer = link.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as why:
            return None, type(why).__name__
        finally:
            link.close()

    def program(self):
        n = self.dice.randrange(1, 10**6)
        kind = self.dice.random()
        if kind < 0.25:
            factor = self.dice.randrange(2, 6)
            return {"language": "c", "source": C_SOURCE % factor, "stdin": str(n)}, f"{n * factor}\n"
        nap = self.dice.choice(("0", "0", "0.05", "0.3", "1"))
        return {"language": "bash", "source": f"read n; sleep {nap}; echo $((n + 7))", "stdin": str(n)}, f"{n + 7}\n"

    def submit(self):
        body, expected = self.program()
        body["webhook_url"] = self.chaos.receiver.url
        key = str(uuid.UUID(int=self.dice.getrandbits(128)))
        for _ in range(1000):
            status, answer = self.ask("POST", "/v1/submissions", body, {"Idempotency-Key": key})
            if status in (200, 201, 202):
                self.chaos.book.given(key, answer["token"], expected)
                if self.dice.random() < 0.1:  # a client that did not hear the answer
                    again, repeat = self.ask("POST", "/v1/submissions", body, {"Idempotency-Key": key})
                    if again in (200, 201, 202) and repeat["token"] != answer["token"]:
                        self.chaos.book.wrong(f"{key} led to {answer['token']} and {repeat['token']}")
                return
            self.chaos.book.refusals[str(status or answer)] += 1
            if status is not None and status not in (429, 500, 502, 503):
                self.chaos.book.wrong(f"a submission was answered {status} {answer}")
                return
            if self.chaos.over.wait(self.dice.uniform(0.05, 0.3)):
                return  # no token was given: nothing is owed

    def look(self):
        with self.chaos.book.lock:
            open_ones = [t for t in self.chaos.book.wanted if t not in self.chaos.book.seen]
        if not open_ones:
            return
        token = self.dice.choice(open_ones)
        status, answer = self.ask("GET", f"/v1/submissions/{token}?wait=2")
        if status == 200 and answer["state"] in ("finished", "cancelled"):
            self.chaos.book.final(answer)
        elif status == 404:
            self.chaos.book.wrong(f"{token} is unknown to an API")

    def run(self):
        while not self.chaos.over.is_set():
            self.submit() if self.number % 2 == 0 else self.look()
            time.sleep(self.dice.uniform(0, self.chaos.pause))


class SmallDisk:
    """The disk of Redis; can be filled."""

    def __init__(self, redis):
        self.folder = redis.folder / "disk"
        self.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", self.folder], check=True)
        with open(redis.folder / "conf", "a") as conf:
            conf.write(f"dir {self.folder}\n")

    def fill(self):
        with open(self.folder / "filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 65536)
            except OSError:
                pass

    def free(self):
        (self.folder / "filler").unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "--lazy", self.folder], check=False)


class Chaos:
    def __init__(self, options):
        self.seed, self.seconds = options.seed, options.seconds
        self.pause = options.pause
        self.over = threading.Event()
        self.book = Book()
        self.faults = collections.Counter()
        self.redis = Redis("appendfsync always", "auto-aof-rewrite-min-size 16mb")
        self.disk = SmallDisk(self.redis)
        self.postgres = Postgres()
        self.receiver = Receiver(random.Random(f"{self.seed}-receiver"))
        self.options = options

    # ---- faults: each takes its time and leaves everything as it was ----

    def kill_worker(self, dice):
        self.kill(dice.choice(self.deployment.workers), dice)

    def kill_api(self, dice):
        self.kill(dice.choice(self.deployment.apis), dice)

    def kill(self, server, dice):
        server.kill()
        self.over.wait(dice.uniform(0, 1.5))
        self.start(server)

    @staticmethod
    def start(server):
        for _ in range(5):
            try:
                return server.start()
            except NotReady as why:
                reason = why
        raise reason

    def stop_worker(self, dice):
        """A worker that stalls for longer than its leases and comes back."""
        self.stall(dice.choice(self.deployment.workers).process, dice.uniform(0.2, 2 * LEASE))

    def stop_api(self, dice):
        self.stall(dice.choice(self.deployment.apis).process, dice.uniform(0.2, 2))

    def stop_redis(self, dice):
        self.stall(self.redis.process, dice.uniform(0.2, 4))

    def stall(self, process, seconds):
        process.send_signal(signal.SIGSTOP)
        self.over.wait(seconds)
        process.send_signal(signal.SIGCONT)

    def cut(self, _):
        self.proxy.cut()

    def hold(self, dice):
        self.proxy.hold()
        self.over.wait(dice.uniform(0.2, 4))
        self.proxy.go_on()

    def kill_redis(self, dice):
        self.redis.kill()
        self.over.wait(dice.uniform(0, 3))
        self.redis.start()

    def kill_postgres(self, dice):
        self.postgres.stop()
        self.over.wait(dice.uniform(0, 4))
        self.postgres.go_on()

    def fill_disk(self, dice):
        """Redis ends itself when it cannot write what it should keep."""
        self.disk.fill()
        self.over.wait(dice.uniform(0.5, 3))
        self.disk.free()
        if self.redis.process.poll() is not None:
            self.redis.start()

    PROCESSES = ("kill_worker",) * 4 + ("stop_worker",) * 2 + ("kill_api",) * 3 + ("stop_api",)
    OUTSIDE = ("cut",) * 4 + ("hold", "stop_redis", "fill_disk") + ("kill_redis", "kill_postgres") * 2

    def harm(self, names, why):
        dice = random.Random(f"{self.seed}-{why}")
        bag = []
        while not self.over.wait(dice.uniform(0.3, 1.5)):
            bag = bag or dice.sample(names, len(names))  # each kind comes, in any order
            name = bag.pop()
            self.faults[name] += 1
            try:
                getattr(self, name)(dice)
            except Exception as why_not:  # the harness must not hide that it stopped harming
                self.book.wrong(f"the harness could not {name}: {why_not!r}")
                return

    # ---- the run ----

    def run(self):
        shared = {
            "EVALX_LEASE": f"{LEASE}s",
            "EVALX_ATTEMPTS": "100",
            "EVALX_DATABASE_URL": self.postgres.url,
            "EVALX_WEBHOOK_ALLOW": "127.0.0.0/8",
            "EVALX_WEBHOOK_SCHEDULE": ",".join(["0", "1", "1"] + ["2"] * 40),
            "EVALX_WEBHOOK_TIMEOUT": "5s",
            "EVALX_DRAIN": "2s",
            "EVALX_LIVE_KEEP": "5s",
        }
        with self.postgres, self.redis:
            self.proxy = Proxy(self.redis.port)
            through = type("Through", (), {"url": f"redis://127.0.0.1:{self.proxy.port}"})
            with Deployment(through, self.options.apis, self.options.workers, env=shared) as self.deployment:
                self.go()
                self.settle()
                self.check()
                self.tell_state()
            self.proxy.close()
            self.disk.close()

    def go(self):
        clients = [Client(self, i) for i in range(self.options.clients)]
        harm = [threading.Thread(target=self.harm, args=(self.PROCESSES, "processes"), daemon=True),
                threading.Thread(target=self.harm, args=(self.OUTSIDE, "outside"), daemon=True)]
        for thread in clients + harm:
            thread.start()
        self.over.wait(self.seconds)
        self.over.set()
        for thread in clients + harm:
            thread.join(60)
            if thread.is_alive():
                self.book.wrong(f"a thread of the harness hangs: {thread}")
        self.receiver.moody = False
        # Redis dies with the thread that started it last: one more kill, and this thread has it now.
        self.redis.kill()
        self.redis.start()

    def settle(self):
        """Nothing is broken any more: everything must come to its end."""
        began = time.monotonic()
        looker = Client(self, -1)
        missing = []
        while time.monotonic() - began < SETTLE_SECONDS:
            missing = [t for t in self.book.wanted if t not in self.book.seen or t not in self.receiver.ids]
            if not missing:
                break
            for token in missing[:200]:
                status, answer = looker.ask("GET", f"/v1/submissions/{token}")
                if status == 200 and answer["state"] in ("finished", "cancelled"):
                    self.book.final(answer)
            time.sleep(0.2)
        self.settled_s = round(time.monotonic() - began, 1)
        for token in missing:
            what = "no final result" if token not in self.book.seen else "no webhook"
            self.book.wrong(f"{token} has {what} {SETTLE_SECONDS} s after the last fault")

    def check(self):
        looker = Client(self, -1)
        self.attempts = collections.Counter()
        for token, (_, expected) in self.book.wanted.items():
            status, answer = looker.ask("GET", f"/v1/submissions/{token}")
            if status != 200:
                self.book.wrong(f"{token} was given, and now: {status} {answer}")
                continue
            self.attempts[min(answer["attempts"], 5)] += 1
            self.book.final(answer)
            if (answer["state"], answer["verdict"], answer["stdout"]) != ("finished", "accepted", expected):
                self.book.wrong(f"{token} should print {expected!r}: {answer['verdict']} {answer['stdout']!r} "
                                f"{answer['message']}")
            self.check_webhook(token, expected)
        self.check_history()

    def check_webhook(self, token, expected):
        ids, said = self.receiver.ids[token], self.receiver.said[token]
        if len(ids) > 1:
            self.book.wrong(f"{token} has the webhook-ids {ids}")
        if said and said != {("accepted", expected)}:
            self.book.wrong(f"the webhook of {token} said {said}")

    def check_history(self):
        end = time.monotonic() + 60
        while True:
            kept = set(self.postgres.ask("SELECT id FROM evalx_submissions").split())
            missing = set(self.book.wanted) - kept
            if not missing or time.monotonic() > end:
                break
            time.sleep(0.5)
        for token in missing:
            self.book.wrong(f"{token} is not in the history")
        count = int(self.postgres.ask("SELECT count(*) FROM evalx_submissions"))
        if count != len(kept):
            self.book.wrong(f"the history has {count} rows for {len(kept)} submissions")

    def tell_state(self):
        """What somebody who looks for the cause wants to see."""
        if not self.book.violations:
            return
        looker = Client(self, -1)
        for path in ("/v1/queue", "/v1/queue/entries?place=leased", "/v1/queue/entries?place=waiting", "/health"):
            print(path, json.dumps(looker.ask("GET", path)), file=sys.stderr)
        log = (self.redis.folder / "log").read_text(errors="replace").splitlines()[-40:]
        print("--- redis", self.redis.process and self.redis.process.poll(), *log, sep="\n", file=sys.stderr)
        for server in self.deployment.all:
            lines = server.log_text().splitlines()[-30:]
            print(f"--- {server.env['EVALX_ROLE']} {server.process.pid}", *lines, sep="\n", file=sys.stderr)

    def report(self):
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "tokens": len(self.book.wanted),
            "results": len(self.book.seen),
            "attempts": {str(k): v for k, v in sorted(getattr(self, "attempts", {}).items())},
            "faults": dict(sorted(self.faults.items())),
            "connections_cut": self.proxy.cuts,
            "refused_or_broken_requests": dict(self.book.refusals.most_common()),
            "webhook_deliveries": self.receiver.received,
            "settled_s": getattr(self, "settled_s", None),
            "violations": self.book.violations,
        }


def main():
    parser = argparse.ArgumentParser(description="Break a deployment at random; see tests/chaos/chaos.py")
    parser.add_argument("--seconds", type=float, default=60, help="how long faults happen")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--apis", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8, help="half submit, half wait for results")
    parser.add_argument("--pause", type=float, default=0.1, help="between two requests of a client, at most")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root: it starts sandboxes and mounts a small disk")
    chaos = Chaos(options)
    try:
        chaos.run()
    finally:
        print(json.dumps(chaos.report(), indent=2))
    sys.exit(1 if chaos.book.violations else 0)


if __name__ == "__main__":
    main()
