# SPDX-License-Identifier: Apache-2.0
"""load.py - submissions whose answer is known, and the book in which every token is written down."""

import http.client
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from live import Client

# Waits as a program that reads or asks somebody does, then computes a little.
SOURCE = """#include <stdio.h>
#include <time.h>
int main(void)
{
    unsigned n, wait_ms;
    if (scanf("%u %u", &n, &wait_ms) != 2)
        return 1;
    nanosleep(&(struct timespec){ wait_ms / 1000, wait_ms % 1000 * 1000000L }, NULL);
    for (int i = 0; i < 1000; i++)
        n = n * 1664525u + 1013904223u;
    printf("%u\\n", n);
    return 0;
}
"""


def right_answer(n):
    for _ in range(1000):
        n = (n * 1664525 + 1013904223) & 0xFFFFFFFF
    return f"{n}\n"


def seconds_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Book:
    """Every token with its right answer, and its end as first seen."""

    def __init__(self, host, port, threads=4, seed=1):
        self.host, self.port, self.threads = host, port, threads
        self.dice = random.Random(seed)
        self.wanted = {}  # token -> n
        self.ends = {}  # token -> (verdict, stdout, finished_at, attempts)
        self.created = {}  # token -> seconds since 1970
        self.lock = threading.Lock()

    def submit(self, client, wait_ms):
        with self.lock:
            n = self.dice.getrandbits(32)
        body = {"language": "c", "source": SOURCE, "stdin": f"{n} {wait_ms}\n"}
        status, answer = client.post("/v1/submissions", body)
        if status != 201:
            raise RuntimeError(f"a submission was answered {status} {answer}")
        with self.lock:
            self.wanted[answer["token"]] = n
        return answer["token"]

    def _each(self, work, items):
        """work(client, item) for all, on some connections at a time."""
        items = list(items)

        def part(i):
            client = Client(self.host, self.port)
            try:
                for item in items[i::self.threads]:
                    work(client, item)
            finally:
                client.close()

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(part, range(self.threads)))

    def burst(self, count, wait_ms):
        """Hand in that many as fast as they are taken; returns the seconds."""
        began = time.monotonic()
        self._each(self.submit, [wait_ms] * count)
        return time.monotonic() - began

    def look(self):
        """Read every record. Returns what must not be, as sentences."""
        wrong = []

        def one(client, token):
            status, answer = client.get(f"/v1/submissions/{token}")
            if status != 200:
                wrong.append(f"{token}: {status}")
            elif answer["state"] != "finished":
                wrong.append(f"{token} is {answer['state']}")
            elif (answer["verdict"], answer["stdout"]) != ("accepted", right_answer(self.wanted[token])):
                wrong.append(f"{token}: {answer['verdict']} {answer['stdout']!r} {answer['message']}")
            else:
                end = (answer["verdict"], answer["stdout"], answer["finished_at"], answer["attempts"])
                if self.ends.setdefault(token, end) != end:
                    wrong.append(f"{token} changed from {self.ends[token]} to {end}")
                self.created[token] = seconds_of(answer["created_at"])

        self._each(one, self.wanted)
        return wrong

    def count_listed(self):
        """How many finished records the history has."""
        client, count, cursor = Client(self.host, self.port), 0, ""
        while True:
            _, page = client.get(f"/v1/submissions?state=finished&limit=100{cursor}")
            count += len(page["submissions"])
            if not page["next_cursor"]:
                client.close()
                return count
            cursor = f"&cursor={page['next_cursor']}"

    def latencies(self):
        """[(finished, seconds from accepted to finished)] in the order they ended."""
        return sorted((seconds_of(end[2]), seconds_of(end[2]) - self.created[token]) for token, end in self.ends.items())


class Trickle:
    """A little work all the time: somebody is always running something when a worker has to go."""

    def __init__(self, book, per_second, wait_ms):
        self.book, self.pause, self.wait_ms = book, 1 / per_second if per_second else None, wait_ms
        self.over, self.trouble = threading.Event(), None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        client = Client(self.book.host, self.book.port)
        try:
            while self.pause and not self.over.wait(self.pause):
                self.book.submit(client, self.wait_ms)
        except (OSError, RuntimeError, http.client.HTTPException, json.JSONDecodeError) as why:
            self.trouble = why
        finally:
            client.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
