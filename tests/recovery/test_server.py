# SPDX-License-Identifier: Apache-2.0
"""The machine fails the server: what then happens to submissions.

While trouble lasts they wait and are tried again; when it is over each has its right result; what
outlasts every attempt ends as internal_error, with the reason. No verdict on a program is ever
wrong, and the server goes on.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))
from live import BUILD, Server  # noqa: E402

TOOLS = BUILD / "tests/box"
FINAL_SECONDS = 60
SQUARE = "#include <stdio.h>\nint main(void) { long n; return scanf(\"%ld\", &n) == 1 && printf(\"%ld\\n\", n * n) > 0 ? 0 : 3; }\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes trouble for a server: needs root")


class TroubledServer(Server):
    def __init__(self, env=None, before=()):
        super().__init__({"EVALX_LANES": "2", **(env or {})}, before=before)

    def submit(self, number):
        status, body = self.post("/v1/submissions", program(number))
        assert status in (201, 202), (status, body)
        return body["token"]

    def look(self, token):
        return self.get(f"/v1/submissions/{token}")[1]

    def wait_final(self, tokens):
        deadline = time.monotonic() + FINAL_SECONDS
        found = [self.look(token) for token in tokens]
        while any(f["state"] not in ("finished", "cancelled") for f in found):
            assert time.monotonic() < deadline, f"{found}\n{self.log_text()}"
            time.sleep(0.1)
            found = [self.look(token) for token in tokens]
        return found


def program(number, **more):
    """C and Python in turn; every third expects what does not come."""
    expected = f"{number * number}\n" if number % 3 else "something else\n"
    source = {"language": "c", "source": SQUARE} if number % 2 else \
        {"language": "python", "source": "n = int(input())\nprint(n * n)\n"}
    return {**source, "stdin": str(number), "expected_output": expected, "cache": "none", **more}


def check(numbers, results):
    for number, result in zip(numbers, results):
        assert result["verdict"] == ("accepted" if number % 3 else "wrong_answer"), result
        assert result["stdout"] == f"{number * number}\n", result


class Rules:
    """The file that tells tests/box/trouble which calls fail."""

    def __init__(self, folder):
        self.path = Path(folder) / "rules"
        self.set()

    def set(self, *lines):
        new = self.path.with_suffix(".new")
        new.write_text("".join(line + "\n" for line in lines))
        new.rename(self.path)


@pytest.fixture
def rules(tmp_path):
    return Rules(tmp_path)


@contextmanager
def troubled(rules, env=None):
    with TroubledServer(env, before=[str(TOOLS / "trouble"), str(rules.path)]) as server:
        yield server


SHORTAGES = {
    "no memory files": ["box-* memfd_create 23"],
    "no processes": ["box-* clone 11", "box-keeper fork 11"],
    "no descriptors": ["box-* pipe2 24", "box-* openat 24"],
    "a full disk": ["box-lane openat 28", "box-lane ftruncate 28", "box-lane sendfile 28", "box-lane pwrite64 28"],
    "no memory": ["box-* * 12"],
    "now and then": ["box-* * 5 1/150"],
}


@pytest.mark.parametrize("lines", SHORTAGES.values(), ids=SHORTAGES)
def test_a_shortage_that_ends_leaves_right_results(rules, lines):
    numbers = range(1, 9)
    with troubled(rules, {"EVALX_ATTEMPTS": "30"}) as server:
        check([1], server.wait_final([server.submit(1)]))
        rules.set(*lines)
        tokens = [server.submit(number) for number in numbers]
        time.sleep(1.5)
        early = [server.look(token) for token in tokens]
        rules.set()
        results = server.wait_final(tokens)
        check(numbers, results)
        assert max(r["attempts"] for r in results) > 1 or "1/150" in lines[0], early
        check([5], server.wait_final([server.submit(5)]))
        assert server.get("/health")[0] == 200
        assert server.stop() == 0


@pytest.mark.parametrize("lines, reason", [
    (["box-* memfd_create 23"], "Too many open files in system"),
    (["box-* clone 11", "box-keeper fork 11"], "Resource temporarily unavailable"),
], ids=["no memory files", "no processes"])
def test_a_shortage_that_stays_ends_as_internal_error_with_its_reason(rules, lines, reason):
    with troubled(rules, {"EVALX_ATTEMPTS": "2"}) as server:
        check([1], server.wait_final([server.submit(1)]))
        rules.set(*lines)
        results = server.wait_final([server.submit(number) for number in (1, 3, 5)])
        for result in results:
            assert result["verdict"] == "internal_error" and reason in result["message"], result
            assert "to mend it" in result["message"], result
        rules.set()
        check([7, 8], server.wait_final([server.submit(7), server.submit(8)]))


def test_a_server_without_memory_files_does_not_start_and_says_why(rules):
    rules.set("box-* memfd_create 38")
    done = subprocess.run([TOOLS / "trouble", rules.path, BUILD / "evalx", "doctor"], capture_output=True, text=True,
                          timeout=60, env={"PATH": os.environ["PATH"]})
    assert done.returncode != 0 and "memory file" in done.stdout and "Function not implemented" in done.stdout


# ---- the real thing ----


def test_the_server_runs_out_of_descriptors_and_goes_on():
    """Idle connections take all there are. Who is connected already is served, or told to come again."""
    with TroubledServer({"EVALX_ATTEMPTS": "30"},
                        before=["sh", "-c", "ulimit -n 96 && exec \"$@\"", "sh"]) as server:
        check([1], server.wait_final([server.submit(1)]))
        kept = server.client()
        kept.get("/health")
        crowd = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(150)]
        tokens = []
        for number in range(1, 9):
            status, body = kept.post("/v1/submissions", program(number))
            assert status in (201, 202, 503), (status, body)
            tokens += [(number, body["token"])] if status < 300 else []
        time.sleep(1)
        for connection in crowd:
            connection.close()
        check([n for n, _ in tokens], server.wait_final([token for _, token in tokens]))
        check([5, 6], server.wait_final([server.submit(5), server.submit(6)]))
        kept.close()
        assert "Too many open files" in server.log_text() or "limit" in server.log_text()


@contextmanager
def group(name):
    """A control group of processes of our own, v1 or v2."""
    at = Path("/sys/fs/cgroup/pids") if Path("/sys/fs/cgroup/pids").exists() else Path("/sys/fs/cgroup")
    folder = at / f"evalx-test-{name}-{os.getpid()}"
    folder.mkdir()
    if not (folder / "pids.max").exists():
        folder.rmdir()
        pytest.skip("no pids controller to be had")
    try:
        yield folder
    finally:
        for _ in range(100):
            try:
                folder.rmdir()
                break
            except OSError:
                time.sleep(0.1)


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_the_server_runs_out_of_processes_and_goes_on():
    """A limit of the container around it: no lane can be built, lanes that are there go on."""
    with group("pids") as pids, \
         TroubledServer({"EVALX_ATTEMPTS": "30"},
                        before=["sh", "-c", f"echo $$ >{pids}/cgroup.procs && exec \"$@\"", "sh"]) as server:
        check([1], server.wait_final([server.submit(1)]))
        (pids / "pids.max").write_text((pids / "pids.current").read_text())
        for pid in map(int, (pids / "cgroup.procs").read_text().split()):
            if comm(pid) == "box-lane":
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        (pids / "pids.max").write_text((pids / "pids.current").read_text())
        tokens = [server.submit(number) for number in range(1, 7)]
        time.sleep(1.5)
        assert "Resource temporarily unavailable" in server.log_text() and "--pids-limit" in server.log_text()
        (pids / "pids.max").write_text("max")
        check(range(1, 7), server.wait_final(tokens))
        server.stop()


def test_a_full_disk_loses_nothing(tmp_path):
    """The data folder is on a small disk of its own, which others fill and free again."""
    folder = Path(f"/var/tmp/evalx-test-disk-{os.getpid()}")
    folder.mkdir()
    try:
        mount = f"mount -t tmpfs -o size=16m,mode=777 none {folder} && exec \"$@\""
        with TroubledServer({"EVALX_DATA_DIR": f"{folder}/data", "EVALX_ATTEMPTS": "30"},
                            before=["unshare", "-m", "sh", "-c", mount, "sh"]) as server:
            done = [server.submit(number) for number in (1, 2)]
            check([1, 2], server.wait_final(done))
            disk = Path(f"/proc/{server.process.pid}/root{folder}")
            waiting = [(n, server.submit(n)) for n in range(3, 9)]
            fill = disk / "full"
            with open(fill, "wb", buffering=0) as f:
                try:
                    while True:
                        f.write(bytes(1 << 12))
                except OSError:
                    pass
            refused = 0
            for number in range(10, 40):
                status, body = server.post("/v1/submissions", program(number, metadata={"pad": "x" * 4000}))
                if status >= 300:
                    assert status in (500, 503), (status, body)
                    refused += 1
                else:
                    waiting.append((number, body["token"]))
            assert refused, "the disk was not full"
            assert server.get("/health/live")[0] == 200
            check([1, 2], [server.look(token) for token in done])
            time.sleep(1)
            fill.unlink()
            check([n for n, _ in waiting], server.wait_final([token for _, token in waiting]))
            check([50, 51], server.wait_final([server.submit(50), server.submit(51)]))
            assert server.stop() == 0
    finally:
        folder.rmdir()


# ---- the clock ----

HOUR = 3600 * 1_000_000
JUMPS = [HOUR, -HOUR, 24 * 365 * HOUR, -24 * 365 * HOUR, 0]


class Clock:
    """The time of day of a server."""

    def __init__(self, folder):
        self.path = Path(folder) / "clock"
        self.path.write_bytes(struct.pack("q", 0))
        self.path.chmod(0o644)
        Path(folder).chmod(0o755)

    def env(self):
        return {"LD_PRELOAD": str(TOOLS / "clock.so"), "TEST_CLOCK": str(self.path)}

    def jump(self, us):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("q", us))


@pytest.fixture
def clock():
    folder = Path(f"/var/tmp/evalx-test-clock-{os.getpid()}")
    folder.mkdir()
    yield Clock(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def times_of(result):
    """Every figure of a result that is a time."""
    if isinstance(result, dict):
        for key, value in result.items():
            if key.endswith("_ms") and value is not None:
                yield key, value
            yield from times_of(value)
    elif isinstance(result, list):
        for value in result:
            yield from times_of(value)


def test_a_clock_that_jumps_changes_no_verdict_and_no_time(clock):
    sleepy = {"language": "python", "source": "import time\ntime.sleep(0.4)\nprint(input())\n", "stdin": "x",
              "expected_output": "x\n", "limits": {"wall_time_ms": 3000}}
    endless = {"language": "python", "source": "import time\ntime.sleep(60)\n", "limits": {"wall_time_ms": 700}}
    with TroubledServer(clock.env()) as server:
        for jump in JUMPS:
            status, body = server.post("/v1/submissions", sleepy)
            status, other = server.post("/v1/submissions", endless)
            time.sleep(0.3)  # they run, or wait
            clock.jump(jump)
            start = time.monotonic()
            slept, ended = server.wait_final([body["token"], other["token"]])
            assert slept["verdict"] == "accepted" and slept["attempts"] == 1, slept
            assert ended["verdict"] == "wall_time_limit" and ended["attempts"] == 1, ended
            assert time.monotonic() - start < 20
            for key, value in [*times_of(slept), *times_of(ended)]:
                assert 0 <= value, (key, value, jump)
            assert 400 <= slept["usage"]["wall_time_ms"] < 3000, slept
            assert slept["started_at"] <= slept["finished_at"], slept
        assert "lease.lost" not in server.log_text()


def test_waiting_clients_are_answered_whatever_the_clock_does(clock):
    with TroubledServer(clock.env()) as server:
        for jump in JUMPS:
            clock.jump(jump)
            status, body = server.post("/v1/submissions?wait=20", program(5))
            assert status == 200 and body["verdict"] == "accepted", body
