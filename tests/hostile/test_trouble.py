# SPDX-License-Identifier: Apache-2.0
"""The machine fails the sandbox: no descriptors, no memory files, no processes, a full disk.

Each run then ends with an error that says what is missing, or with a right report. Never does it
look as if the program had done something, and when the trouble is over all is as before.

System calls of evalx-box are made to fail by tests/box/trouble, which is told by a file.
"""

import errno
import glob
import os
import random
import signal
import subprocess
import tempfile
import time

import pytest

import cases
from lanes import Lanes, boxrun, limits
from test_recovery import leftovers, parts, settled

TROUBLE = boxrun().parent / "trouble"
PACE = min(cases.SLOW, 5)
TEXT = "".join(f"line {i}\n" for i in range(5000))  # more than a pipe of input, less than an output


class Rules:
    """The file that says which calls fail."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "rules")
        self.set()

    def set(self, *lines):
        """Lines of (process, call, what, odds), what being an errno or words of trouble.c."""
        with open(self.path + ".new", "w") as f:
            f.writelines(" ".join(str(word) for word in line) + "\n" for line in lines)
        os.rename(self.path + ".new", self.path)


@pytest.fixture(scope="module")
def rules():
    with tempfile.TemporaryDirectory() as folder:
        yield Rules(folder)


@pytest.fixture(scope="module")
def troubled(built, rules):
    """Two lanes whose system calls can be made to fail."""
    why = Lanes.missing()
    if why:
        pytest.skip(why)
    lanes = Lanes(2, secret="EVALX_SECRET=hunter2", before=[TROUBLE, rules.path])
    assert run_all(lanes)[1] == []
    yield lanes
    lanes.close()


@pytest.fixture
def lanes(troubled, rules):
    """Ends a test with everything as before, whatever it did."""
    before = leftovers(troubled)
    yield troubled
    rules.set()
    for lane in range(troubled.count):
        run_until_right(troubled, lane)
        assert troubled.probe(lane)["out"].split(b"\n") == troubled.fresh[lane]["out"].split(b"\n")
    assert settled(troubled, before) == before


def small_limits(**changes):
    usual = limits(cases.LIMITS)
    slower = {key: usual[key] * cases.SLOW for key in ("cpu_us", "wall_us")}
    return {**usual, **slower, **changes}


# Runs that between them use all a run can use, each with what its report must say.
RUNS = {
    "files": (
        {"argv": ["/bin/sh", "-c", "cat given; echo kept >out.txt; exit 7"],
         "files": [{"path": "given", "text": TEXT, "mode": 0o444}],
         "collect": [{"pattern": "*.txt", "file_bytes": 999, "total_bytes": 999, "files": 9}]},
        lambda r: (r["end"], r["exit_code"], r["out"], [f["content"] for f in r["files"]])
        == ("exit", 7, TEXT.encode(), [b"kept\n"])),
    "input": (
        {"argv": ["/bin/cat"], "stdin": TEXT},
        lambda r: (r["end"], r["exit_code"], r["out"]) == ("exit", 0, TEXT.encode())),
    "program": (
        {"argv": ["cat"], "exe": "/bin/cat", "stdin": "short\n"},
        lambda r: (r["end"], r["exit_code"], r["out"]) == ("exit", 0, b"short\n")),
    "children": (
        {"argv": ["/bin/sh", "-c", "echo 1; (echo 2); (echo 3); mkdir a; kill -9 $$"],
         "all_cores": True},
        lambda r: (r["end"], r["signal"], r["out"]) == ("signal", 9, b"1\n2\n3\n")),
    "too much": (
        {"argv": ["/usr/bin/tail", "/dev/zero"], "limits": small_limits(memory_bytes=32 << 20)},
        lambda r: b"memory exhausted" in r["err"] if r["from_rusage"] else r["end"] == "memory"),
    "nothing there": (
        {"argv": ["/box/nowhere"]},
        lambda r: (r["end"], r["exec_errno"]) == ("no_exec", errno.ENOENT)),
}


def run_all(lanes, names=RUNS):
    """Each on both lanes; how many were right, and what the others said."""
    jobs = [{"limits": small_limits(), **RUNS[name][0], "lane": lane} for name in names for lane in range(lanes.count)]
    said, right = [], 0
    for job, name, report in zip(jobs, [n for n in names for _ in range(lanes.count)],
                                 lanes.run_together(jobs, may_fail=True)):
        if "error" in report:
            said.append(report["error"])
            continue
        assert RUNS[name][1](report), f"{name}: {report}"
        assert 0 <= report["cpu_us"] and 0 <= report["wall_us"] < 30_000_000
        right += 1
    return right, said


def run_until_right(lanes, lane):
    """After trouble the next run gets a whole lane, at worst the one after it."""
    for _ in range(3):
        report = lanes.run({"limits": small_limits(), **RUNS["input"][0], "lane": lane}, may_fail=True)
        if "error" not in report:
            break
    assert "error" not in report and RUNS["input"][1](report), report


TROUBLES = {
    "no memory files": (
        [("box-*", "memfd_create", errno.ENFILE)], ["Too many open files in system", "fs.file-max"]),
    "no memory files in this kernel": (
        [("box-*", "memfd_create", errno.ENOSYS)], ["Function not implemented"]),
    "no descriptors for pipes": (
        [("box-*", "pipe2", errno.EMFILE)], ["Too many open files", "open files"]),
    "no process for the program": (
        [("box-spawner", "clone", errno.EAGAIN)],
        ["start the program: Resource temporarily unavailable", "processes"]),
    "no process for lanes": (
        [("box-*", "clone", errno.EAGAIN), ("box-keeper", "fork", errno.EAGAIN)],
        ["Resource temporarily unavailable", "processes"]),
    "no room for files": (
        [("box-lane", "openat", errno.ENOSPC), ("box-lane", "ftruncate", errno.ENOSPC),
         ("box-lane", "sendfile", errno.ENOSPC), ("box-lane", "pwrite64", errno.ENOSPC)],
        ["No space left on device"]),
    "the program cannot be read": (
        [("box-spawner", "execve", errno.EIO), ("box-spawner", "execveat", errno.EIO)],
        ["execute the program: Input/output error"]),
    "no memory to execute": (
        [("box-spawner", "execve", errno.ENOMEM), ("box-spawner", "execveat", errno.ENOMEM)],
        ["execute the program: Cannot allocate memory", "memory"]),
    "no limits": (
        [("box-spawner", "prlimit64", errno.EPERM)], ["limits: Operation not permitted"]),
}


@pytest.mark.parametrize("lines, words", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_an_error_that_says_what_is_missing(lanes, rules, lines, words):
    rules.set(*lines)
    _, said = run_all(lanes)
    assert said, "nothing failed"
    for word in words:
        assert any(word in error for error in said), said


def test_a_fork_refused_by_a_limit_around_the_boxes_is_no_fault_of_the_program(lanes):
    groups = glob.glob(f"/sys/fs/cgroup/pids/evalx/k{lanes.processes()[0]}-*") + \
        glob.glob(f"/sys/fs/cgroup/evalx/k{lanes.processes()[0]}-*")
    if not groups:
        pytest.skip("no control groups here")
    few, most = (os.path.join(groups[0], name) for name in ("pids.current", "pids.max"))
    forks = {"argv": ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait; echo done"]}
    with open(few) as f:
        write(most, int(f.read()) + 4)
    try:
        for pid in lane_processes(lanes):  # a lane looks for limits when it is built
            os.kill(pid, signal.SIGKILL)
        for _ in range(2):
            lanes.run(RUNS["input"][0], may_fail=True)
        assert RUNS["input"][1](lanes.run(RUNS["input"][0]))
        report = lanes.run(forks, may_fail=True)
        assert "could not have another process" in report.get("error", ""), report
        assert "--pids-limit" in report["error"]
    finally:
        write(most, "max")
    run_until_right(lanes, 0)
    assert lanes.run(forks)["out"] == b"done\n"
    own = lanes.run({**forks, "limits": small_limits(processes=4)})
    assert own["end"] == "exit" and b"fork" in own["err"], "its own limit is its own affair"


def test_results_of_more_files_than_the_usual_limit_of_open_files_arrive(built):
    if Lanes.missing():
        pytest.skip(Lanes.missing())
    lanes = Lanes(1, secret="A=1", before=["prlimit", "--nofile=256:4096"])
    report = lanes.run({"argv": ["/bin/sh", "-c", "for i in $(seq 600); do echo $i >$i; done"],
                        "collect": [{"pattern": "*", "file_bytes": 99, "total_bytes": 1 << 20, "files": 999}]})
    assert sorted(int(f["content"]) for f in report["files"]) == list(range(1, 601))
    few = lanes.run({"argv": ["/bin/sh", "-c", "ulimit -n"]})
    assert int(few["out"]) <= 512
    lanes.close()


def write(path, text):
    with open(path, "w") as f:
        f.write(str(text))


def lane_processes(lanes):
    return [pid for pid, name in parts(lanes) if name == "box-lane"]


def test_a_program_cancelled_before_it_is_born_ends_when_it_is(lanes, rules):
    rules.set(("box-spawner", "clone", "delay=300"))
    sleeper = {"argv": ["/bin/sleep", "30"], "limits": small_limits(wall_us=40_000_000)}
    start = time.monotonic()
    ids = lanes.begin([sleeper])
    time.sleep(0.1)
    lanes.cancel(0)
    report = lanes.hear([sleeper], ids)[0]
    assert report["end"] == "cancelled" and time.monotonic() - start < 5 * PACE, report


def test_a_program_born_late_has_its_whole_time(lanes):
    """The wall limit is the program's, not the machine's."""
    spawners = [pid for pid, name in parts(lanes) if name == "box-spawner"]
    for pid in spawners:
        os.kill(pid, signal.SIGSTOP)
    echo = {"argv": ["/bin/echo", "here"], "limits": small_limits(wall_us=200_000 * PACE)}
    ids = lanes.begin([echo])
    time.sleep(0.4 * PACE)
    for pid in spawners:
        os.kill(pid, signal.SIGCONT)
    report = lanes.hear([echo], ids)[0]
    assert (report["end"], report["out"]) == ("exit", b"here\n") and report["wall_us"] < 200_000 * PACE


def test_a_lane_cancelled_while_it_is_built_anew_does_not_run(lanes, rules):
    for pid in lane_processes(lanes):
        os.kill(pid, signal.SIGKILL)
    lanes.run({"argv": ["/bin/true"]}, may_fail=True)  # one that finds its lane dead
    rules.set(("box-lane", "pivot_root", "delay=300"))
    for pid in lane_processes(lanes):
        os.kill(pid, signal.SIGKILL)
    sleeper = {"argv": ["/bin/sleep", "30"], "limits": small_limits(wall_us=40_000_000)}
    start = time.monotonic()
    ids = lanes.begin([sleeper])
    time.sleep(0.1)
    lanes.cancel(0)
    report = lanes.hear([sleeper], ids, may_fail=True)[0]
    assert report.get("end", "cancelled") == "cancelled" and time.monotonic() - start < 5 * PACE, report


@pytest.mark.parametrize("process", ["box-lane", "box-spawner", "box-init", "box-keeper", "evalx-box"])
def test_whatever_call_fails_no_report_is_wrong(lanes, rules, process):
    """One call after the other fails, while one lane is warm and one has to be built anew."""
    numbers = [errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EIO]
    calls = subprocess.check_output([TROUBLE, "--calls"], text=True).split()
    failed = 0
    for i, call in list(enumerate(calls))[::max(cases.SLOW // 2, 1)]:
        rules.set()
        run_until_right(lanes, 0), run_until_right(lanes, 1)
        os.kill(random.choice(lane_processes(lanes)), signal.SIGKILL)
        error = numbers[i % len(numbers)]
        rules.set((process, call, error))
        said = run_all(lanes, ("files", "program", "children"))[1]
        failed += bool(said)
        print(call, errno.errorcode[error], *sorted(set(said)), sep="\n    ")
    assert failed > 0 or cases.SLOW > 1
    for pid in lane_processes(lanes):  # one built without what it can do without is no match
        os.kill(pid, signal.SIGKILL)
