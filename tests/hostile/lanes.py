# SPDX-License-Identifier: Apache-2.0
"""Warm lanes for tests: boxrun, the driver of tests/box, kept running; jobs and reports are JSON lines."""

import base64
import json
import os
import subprocess
import threading

import cases

MB = 1 << 20
PLAIN_ENV = ["PATH=/usr/bin:/bin", "HOME=/box", "LANG=C.UTF-8"]
REPLY_SECONDS = 60 * max(1, cases.SLOW // 4)


class Broken(Exception):
    """Trouble of the sandbox's own: it must not happen, whatever a program does."""


class Lanes:
    """Lanes 0..count-1 of one keeper, in one process that has a secret in its environment."""

    def __init__(self, count, secret, before=(), program=None):
        """before: words in front of the driver's command; program: another evalx-box."""
        self.count = count
        self.secret = secret
        self.before = [str(word) for word in before]
        self.program = program or evalx_box()
        self.next_id = 0
        self.start()

    def start(self):
        name, _, value = self.secret.partition("=")
        self.driver = subprocess.Popen(
            [*self.before, str(boxrun()), "--keeper", str(self.program), "--jobs",
             "--lanes", str(self.count), *extra_arguments()],
            env={**os.environ, name: value}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            restore_signals=False)  # a server ignores SIGPIPE, too
        self.fresh = [self.probe(lane) for lane in range(self.count)]
        self.fresh_processes = len(self.processes())
        uid_map = self.run({"argv": ["/bin/cat", "/proc/self/uid_map"]})["out"].split()
        self.one_user = uid_map[2::3] == [b"1"]  # an ordinary user can map no other

    def processes(self):
        """Everything below the driver: keeper, lanes, their helpers, and what runs in the boxes."""
        children = {}
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/stat") as f:
                    after_name = f.read().rpartition(")")[2].split()
                children.setdefault(int(after_name[1]), []).append(int(entry))
            except (OSError, IndexError, ValueError):
                pass  # no process, or gone meanwhile
        found, todo = [], [self.driver.pid]
        while todo:
            below = children.get(todo.pop(), [])
            found += below
            todo += below
        return found

    def restart(self):
        """After a breach: what it left must not fail the tests that follow."""
        self.close()
        self.start()

    def probe(self, lane):
        """The clean run of probe.c."""
        return self.run(job(cases.Probe(), lane=lane, args=["one", "two words"],
                            files=[{"path": "given.txt", "text": "given\n", "mode": 0o444}]))

    @staticmethod
    def missing():
        """Why there can be no lanes, or None. For root there is no excuse: then the tests fail."""
        if not boxrun().exists():
            return f"{boxrun()} is not built"
        if os.geteuid() == 0:
            return None
        probe = subprocess.run([str(boxrun()), "--keeper", str(evalx_box()), *extra_arguments(), "--probe"],
                               capture_output=True, text=True)
        return probe.stdout + probe.stderr if probe.returncode else None

    def run(self, job, may_fail=False):
        return self.run_together([job], may_fail)[0]

    def run_together(self, jobs, may_fail=False):
        """Start all, each on its lane; their reports in the same order."""
        return self.hear(jobs, self.begin(jobs), may_fail)

    def begin(self, jobs):
        """Start all; their ids, for hear()."""
        ids = []
        for job in jobs:
            self.next_id += 1
            ids.append(self.next_id)
            line = {"id": self.next_id, "lane": 0, "env": PLAIN_ENV, "limits": limits(cases.LIMITS)}
            self.driver.stdin.write(json.dumps({**line, **job}).encode() + b"\n")
        self.driver.stdin.flush()
        return ids

    def cancel(self, lane):
        """Break off what the lane runs now."""
        self.driver.stdin.write(json.dumps({"lane": lane, "cancel": True}).encode() + b"\n")
        self.driver.stdin.flush()

    def hear(self, jobs, ids, may_fail=False):
        replies = {}
        while len(replies) < len(jobs):
            reply = self.read()
            replies[reply["id"]] = reply
        return [self.check(job, replies[i], may_fail) for i, job in zip(ids, jobs)]

    def wipe(self, lane):
        self.run({"lane": lane, "wipe": True})

    def read(self):
        timer = threading.Timer(REPLY_SECONDS, self.driver.kill)
        timer.start()
        line = self.driver.stdout.readline()
        timer.cancel()
        if not line:
            raise Broken(f"boxrun ended with {self.driver.wait()}, or was silent for too long")
        return json.loads(line)

    def check(self, job, reply, may_fail):
        if "error" in reply:
            if may_fail:
                return reply
            raise Broken(reply["error"])
        reply["out"] = base64.b64decode(reply.get("out", ""))
        reply["err"] = base64.b64decode(reply.get("err", ""))
        for f in reply.get("files", []):
            f["content"] = base64.b64decode(f.get("content", ""))
        return reply

    def close(self):
        try:
            self.driver.stdin.close()
        except BrokenPipeError:
            pass
        self.driver.wait(30)
        self.driver.stdout.close()


def boxrun():
    return cases.BUILD / "tests" / "box" / "boxrun"


def evalx_box():
    return cases.BUILD / "src" / "sandbox" / "evalx-box"


def extra_arguments():
    return os.environ.get("EVALX_BOXRUN_ARGS", "").split()


def limits(said):
    """From the units people write to those of struct box_limits."""
    return {
        "cpu_us": said["cpu_ms"] * 1000,
        "cpu_extra_us": said["cpu_extra_ms"] * 1000,
        "wall_us": said["wall_ms"] * 1000,
        "memory_bytes": said["memory_mb"] * MB,
        "stack_bytes": said["stack_mb"] * MB,
        "output_bytes": said["output_kb"] * 1024,
        "file_bytes": said["file_mb"] * MB,
        "disk_bytes": said["disk_mb"] * MB,
        "processes": said["processes"],
        "open_files": said["open_files"],
    }


def collect(case):
    most = {k: int(v) for k, v in cases.words(case.said.get("collect_limits", ""))}
    return [{"pattern": pattern, "file_bytes": most.get("file_kb", 1024) * 1024,
             "total_bytes": most.get("total_kb", 4096) * 1024, "files": most.get("files", 100)}
            for pattern in case.said.get("collect", "").split()]


def job(case, lane=0, args=None, files=(), fill=str, stdin_shared=None):
    """A plan for one case. What a comment does not say is as in an ordinary run."""
    files = list(files)
    said = case.said
    made = {"lane": lane, "limits": limits(case.limits), "collect": collect(case)}
    if "run" in said:
        made["argv"] = cases.command(case)
        made["all_cores"] = True
        files.append({"path": f"main{case.path.suffix}", "from": str(case.path), "mode": 0o444})
    else:
        args = [fill(a) for a in said.get("args", "").split()] if args is None else args
        made["argv"] = ["/box/program", *args]
        made["exe"] = str(case.program)
    if "stdin" in said:
        made["stdin"] = said["stdin"]
        if stdin_shared:
            made["stdin_shared"] = stdin_shared
    made["files"] = files
    return made
