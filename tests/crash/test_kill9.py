# SPDX-License-Identifier: Apache-2.0
"""Accepted is kept: kill -9 at the worst moments, and every submission still ends once and right."""

import http.client
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live import Server  # noqa: E402

SUBMISSIONS = 5000
CLIENTS = 8
FINAL_SECONDS = 120

# Slower than it is accepted, so that a long queue is there when the server dies.
SQUARE = """
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    long n;
    if (scanf("%ld", &n) != 1)
        return 3;
    usleep(3000);
    printf("%ld\\n", n * n);
    return 0;
}
"""


def submission(number):
    """A small program with input of its own; every seventh expects what does not come."""
    expected = f"{number * number}\n" if number % 7 else "something else\n"
    return {"language": "c", "source": SQUARE, "stdin": str(number), "expected_output": expected}


def must_be(number):
    return "accepted" if number % 7 else "wrong_answer", f"{number * number}\n"


class Crowd:
    """Clients that submit numbers and keep the tokens, over as many crashes as there are."""

    def __init__(self, server, count):
        self.server = server
        self.waiting = list(range(count))
        self.tokens = {}
        self.refusals = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(CLIENTS)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def work(self):
        client = self.server.client(timeout=30)
        while True:
            with self.lock:
                if not self.waiting:
                    break
                number = self.waiting.pop()
            # Without an answer nobody knows whether it was accepted; the key makes asking again safe.
            while not self.submit(client, number):
                time.sleep(0.05)
        client.close()

    def submit(self, client, number):
        key = {"Idempotency-Key": f"number-{number}"}
        try:
            status, answer = client.request("POST", "/v1/submissions", submission(number), key)
        except (OSError, http.client.HTTPException):
            return False
        with self.lock:
            if status in (200, 201, 202):
                self.tokens[number] = answer["token"]
            else:
                self.refusals.append((status, answer))
        return True

    def wait_for(self, count):
        deadline = time.monotonic() + FINAL_SECONDS
        while len(self.tokens) < count and not self.refusals:
            assert time.monotonic() < deadline, f"{len(self.tokens)} of {count} accepted"
            time.sleep(0.01)
        assert not self.refusals, self.refusals[0]

    def join(self):
        for thread in self.threads:
            thread.join(FINAL_SECONDS)
            assert not thread.is_alive()
        assert not self.refusals, self.refusals[0]


def read_final(server, tokens, deadline):
    """number -> (verdict, stdout), waiting until each is final."""
    client = server.client()
    final = {}
    for number, token in tokens.items():
        seconds = max(1, int(deadline - time.monotonic()))
        status, answer = client.get(f"/v1/submissions/{token}?wait={seconds}")
        assert status == 200, f"{number}: {status} {answer}"
        assert answer["state"] == "finished", f"{number}: {answer['state']} for too long"
        final[number] = (answer["verdict"], answer["stdout"])
    client.close()
    return final


def waiting(server):
    """How many submissions have not been begun."""
    status, stats = server.get("/v1/stats")
    assert status == 200
    return sum(stats["queue"]["waiting"].values())


def history(server):
    """Every token the server knows, page by page."""
    client = server.client()
    tokens, cursor = [], ""
    while cursor is not None:
        _, page = client.get(f"/v1/submissions?limit=100{cursor and '&cursor=' + cursor}")
        tokens += [record["token"] for record in page["submissions"]]
        cursor = page["next_cursor"]
    client.close()
    return tokens


def boxes_of(pid):
    """Every process of evalx-box below a process, and its parent; the keeper's parent is pid itself."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
                if (entry / "comm").read_text().startswith("box-"):
                    parents[int(entry.name)] = int(words[1])
            except OSError:
                continue
    below = {}
    known = {pid}
    while True:
        more = {p: parent for p, parent in parents.items() if parent in known and p not in below}
        if not more:
            return below
        below.update(more)
        known.update(more)


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.fixture
def server():
    with Server() as server:
        # The same address again after each crash, as a service has.
        server.env["EVALX_LISTEN"] = f"{server.host}:{server.port}"
        yield server


def test_every_accepted_submission_ends_right_over_kill_9_of_the_server(server):
    crowd = Crowd(server, SUBMISSIONS)
    crowd.start()
    crowd.wait_for(SUBMISSIONS // 2)
    server.kill()
    server.start()
    crowd.join()
    assert len(crowd.tokens) == SUBMISSIONS
    assert waiting(server) > SUBMISSIONS // 10, "the crash must meet a long queue"
    server.kill()
    server.start()

    # What is final before a crash stays as it is.
    deadline = time.monotonic() + FINAL_SECONDS
    oldest = dict(sorted(crowd.tokens.items(), reverse=True)[:200])
    early = read_final(server, oldest, deadline)
    assert waiting(server) > 0
    server.kill()
    server.start()

    final = read_final(server, crowd.tokens, deadline)
    wrong = {n: got for n, got in final.items() if got != must_be(n)}
    assert wrong == {}
    assert {n: final[n] for n in early} == early
    assert sorted(history(server)) == sorted(crowd.tokens.values())  # none lost, none twice


def test_a_token_answered_before_the_crash_is_there_after_it(server):
    client = server.client()
    for number in range(20):
        status, answer = client.request("POST", "/v1/submissions", submission(number))
        assert status in (201, 202)
        server.kill()  # at once: nothing but the token has been given away
        server.start()
        client.close()
        final = read_final(server, {number: answer["token"]}, time.monotonic() + 30)
        assert final == {number: must_be(number)}


def test_killing_lanes_gives_no_wrong_verdict(server):
    crowd = Crowd(server, 1000)
    crowd.start()
    keeper = next(pid for pid, parent in boxes_of(server.process.pid).items() if parent == server.process.pid)
    for _ in range(5):
        time.sleep(0.1)
        kill_all(pid for pid in boxes_of(server.process.pid) if pid != keeper)
    crowd.join()
    final = read_final(server, crowd.tokens, time.monotonic() + FINAL_SECONDS)
    assert {n: got for n, got in final.items() if got != must_be(n)} == {}


def test_killing_the_keeper_loses_nothing(server):
    crowd = Crowd(server, 300)
    crowd.start()
    crowd.wait_for(100)
    kill_all(pid for pid, parent in boxes_of(server.process.pid).items() if parent == server.process.pid)
    # The server may end (a supervisor starts it again) or say that it cannot work; not forget.
    time.sleep(0.5)
    server.kill()
    server.start()
    crowd.join()
    final = read_final(server, crowd.tokens, time.monotonic() + FINAL_SECONDS)
    assert {n: got for n, got in final.items() if got != must_be(n)} == {}


def test_a_killed_server_leaves_no_process_behind(server):
    boxes = boxes_of(server.process.pid)
    assert boxes, "a server has at least its keeper"
    server.kill()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in boxes):
        assert time.monotonic() < deadline, "evalx-box processes outlived their server"
        time.sleep(0.02)
