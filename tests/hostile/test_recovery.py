# SPDX-License-Identifier: Apache-2.0
"""The sandbox's own processes are killed at any moment, under load: no wrong verdict, nothing left.

A run whose lane is broken under it may fail as an error of ours, which the server repeats. It must
never look as if the program had done it.
"""

import glob
import os
import random
import signal
import threading
import time

import pytest

import cases
from lanes import Lanes, job

PACE = min(cases.SLOW, 10)  # fewer and slower on an emulated processor
KILLS = int(os.environ.get("EVALX_KILLS", "300")) // PACE
PARTS = ("box-lane", "box-init", "box-spawner")


@pytest.fixture
def own_lanes(built):
    why = Lanes.missing()
    if why:
        pytest.skip(why)
    lanes = Lanes(2, secret="EVALX_SECRET=hunter2")
    yield lanes
    lanes.close()


def parts(lanes):
    """The processes of the lanes, as (pid, name). A program that is just being started still has the
    spawner's name, but a number in the box's process namespace as well."""
    found = []
    for pid in lanes.processes():
        try:
            with open(f"/proc/{pid}/status") as f:
                said = dict(line.split(":", 1) for line in f.read().splitlines())
        except OSError:
            continue
        name = said["Name"].strip()
        if name in PARTS and (name == "box-init" or len(said["NSpid"].split()) == 1):
            found.append((pid, name))
    return found


def leftovers(lanes):
    """What must be the same before and after: descriptors, control groups, mounts, processes."""
    keeper = next(iter(lanes.processes()), 0)
    return {
        "descriptors of the driver": len(os.listdir(f"/proc/{lanes.driver.pid}/fd")),
        "descriptors of the keeper": len(os.listdir(f"/proc/{keeper}/fd")),
        "cgroups": len(glob.glob(f"/sys/fs/cgroup/*/evalx/k{keeper}-*/*/") +
                       glob.glob(f"/sys/fs/cgroup/evalx/k{keeper}-*/*/")),
        "mounts": len(open("/proc/self/mountinfo").readlines()),
        "processes": len(lanes.processes()),
    }


def settled(lanes, wanted):
    """Dead lanes are buried in the background: wait for it, at most five seconds."""
    for _ in range(50 * PACE):
        is_now = leftovers(lanes)
        if is_now == wanted:
            return is_now
        time.sleep(0.1)
    return is_now


class Killer(threading.Thread):
    def __init__(self, lanes, seed):
        super().__init__(daemon=True)
        self.lanes, self.random = lanes, random.Random(seed)
        self.killed = []

    def run(self):
        last = time.monotonic()
        while len(self.killed) < KILLS and time.monotonic() < last + 5 * PACE:
            time.sleep(self.random.uniform(0.0, 0.04 * PACE * PACE))
            there = parts(self.lanes)
            if not there:
                continue
            last = time.monotonic()
            pid, name = self.random.choice(there)
            try:
                os.kill(pid, signal.SIGKILL)
                self.killed.append(name)
            except ProcessLookupError:
                pass


def test_killing_the_parts_of_lanes_gives_no_wrong_verdict_and_leaves_nothing(own_lanes):
    lanes = own_lanes
    burner = next(c for c in cases.cases("burners") if c.name == "burners/short_one")
    exits = {"argv": ["/bin/sh", "-c", "echo out; echo file >/box/f; exit 7"]}
    fine = {"argv": ["/bin/sh", "-c", "test ! -e /box/f && exec cat"], "stdin": "whole\n"}
    for lane in range(lanes.count):
        lanes.run({**exits, "lane": lane})
        lanes.run(job(burner, lane=lane))
    before = leftovers(lanes)
    right = errors = 0
    killer = Killer(lanes, seed=1)
    killer.start()
    while killer.is_alive():
        jobs = []
        for lane in range(lanes.count):
            jobs += [job(burner, lane=lane), {**exits, "lane": lane}, {**fine, "lane": lane}]
        for i, report in enumerate(lanes.run_together(jobs, may_fail=True)):
            if "error" in report:
                errors += 1
                continue
            right += 1
            got = (report["end"], report["exit_code"], report["signal"])
            if i % 3 == 0:
                assert got == ("exit", 0, 0), report
                assert abs(report["cpu_us"] - int(report["out"])) < 8000 or cases.SLOW > 1, report
            elif i % 3 == 1:
                assert got == ("exit", 7, 0) and report["out"] == b"out\n", report
            else:
                assert got == ("exit", 0, 0) and report["out"] == b"whole\n", report
    assert len(killer.killed) == KILLS and set(killer.killed) == set(PARTS)
    assert right > 20 // PACE, f"{right} right, {errors} errors"
    for lane in range(lanes.count):
        for _ in range(3):  # the last kill may have been a moment ago
            if "error" not in (report := lanes.run({**fine, "lane": lane}, may_fail=True)):
                break
        assert report["out"] == b"whole\n"
    assert settled(lanes, before) == before
    print(f"{KILLS} kills: {right} right reports, {errors} errors")


def test_the_driver_dies_and_everything_dies_with_it(built):
    """kill -9 of the server: keeper, lanes and programs go, and so do the control groups."""
    if Lanes.missing():
        pytest.skip(Lanes.missing())
    lanes = Lanes(2, secret="EVALX_SECRET=hunter2")
    keeper = lanes.processes()[0]
    lanes.driver.stdin.write(b'{"id": 1, "argv": ["/bin/sleep", "100"], "limits": {"wall_us": 100000000}}\n')
    lanes.driver.stdin.flush()
    time.sleep(0.1)
    family = lanes.processes()
    os.kill(lanes.driver.pid, signal.SIGKILL)
    lanes.driver.wait()
    groups = f"/sys/fs/cgroup/*/evalx/k{keeper}-*"
    for _ in range(50):
        alive = [pid for pid in family if os.path.exists(f"/proc/{pid}") and not is_zombie(pid)]
        if not alive and not glob.glob(groups):
            break
        time.sleep(0.1)
    assert not alive and not glob.glob(groups)


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def holdings(lanes):
    """What each process of ours holds: descriptors, mounts, memory in KiB; and the boxes' groups."""
    found = {}
    for pid, name in [*parts(lanes), (lanes.driver.pid, "driver"), (lanes.processes()[0], "keeper")]:
        with open(f"/proc/{pid}/status") as f:
            memory = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        with open(f"/proc/{pid}/mountinfo") as f:
            mounts = len(f.readlines())
        try:
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except PermissionError:
            descriptors = None  # nobody may look, not even the user whose process it is
        found[f"{name} {pid}"] = (descriptors, mounts, memory)
    keeper = lanes.processes()[0]
    for path in glob.glob(f"/sys/fs/cgroup/*/evalx/k{keeper}-*/*/memory.usage_in_bytes") + \
            glob.glob(f"/sys/fs/cgroup/evalx/k{keeper}-*/*/memory.current"):
        with open(path) as f:
            found[path] = (0, 0, int(f.read()) >> 10)
    return found


def grown(held, now):
    """Whose memory is more than half a megabyte above what it was: {who: (KiB then, KiB now)}."""
    return {who: (memory, now[who][2]) for who, (_, _, memory) in held.items()
            if now[who][2] >= memory + 512}


def shrunk(lanes, held):
    """As settled(): of a dead program's memory the kernel gives some back later, such as its
    inodes, which go once every core passed a quiet state."""
    for _ in range(50 * PACE):
        now = holdings(lanes)
        if now.keys() >= held.keys() and not grown(held, now):
            break
        time.sleep(0.1)
    return now


def test_ten_thousand_runs_leave_everything_as_before(own_lanes):
    """A fifth of them hostile."""
    lanes = own_lanes
    quick = {c.name: c for c in cases.cases("processes", "leftovers", "files")}
    chosen = [quick[name] for name in ("processes/daemon_holds_stdout", "processes/clone_parent",
                                       "leftovers/files_everywhere", "leftovers/marks_on_folders",
                                       "files/odd_names", "processes/zombie_hoard")]
    harmless = {"argv": ["/bin/echo", "fine"]}
    batch = []
    for lane in range(lanes.count):
        for case in chosen:
            batch += [job(case, lane=lane), *[{**harmless, "lane": lane}] * 4]
    for _ in range(3):
        lanes.run_together(batch)
    before, held = leftovers(lanes), holdings(lanes)
    runs = 0
    while runs < 10_000 // cases.SLOW:
        for i, report in enumerate(lanes.run_together(batch)):
            assert i % 5 == 0 or (report["end"], report["out"]) == ("exit", b"fine\n"), report
        runs += len(batch)
    assert settled(lanes, before) == before
    if cases.SLOW > 1:
        there = holdings(lanes)
        held = {who: what for who, what in held.items() if who in there}  # see check_clean()
    now = shrunk(lanes, held)
    assert now.keys() >= held.keys()
    for who, (descriptors, mounts, _) in held.items():
        assert now[who][:2] == (descriptors, mounts), who
    assert not grown(held, now), "KiB before and after"
    for lane in range(lanes.count):
        assert lanes.probe(lane)["out"] == lanes.fresh[lane]["out"]
        assert lanes.probe(lane)["rebuilds"] == 0 or cases.SLOW > 1
    print(f"{runs} runs")
