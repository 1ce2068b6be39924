# SPDX-License-Identifier: Apache-2.0
"""Hostile programs as data: what stands in the comment on top of each, and its compiled form.

A comment holds "key: value" lines; an indented line continues the one before.

    attack, burner  what the program does, for people
    expect          how the run must end: fields of the report, see expect.py
    limits          what differs from LIMITS
    args, stdin     for the program; {tcp_port}, {marker} and the like come from the bait
    run             the command, when it is not the compiled program: the file is then main.c in /box
    exe             "fd": run from a descriptor instead of a copy in /box
    collect         patterns of results to bring out; collect_limits: file_kb, total_kb, files
    needs           "cgroup": cannot be held by resource limits alone; "user": not when all runs are
                    one user, as when an ordinary user runs the sandbox
    roles           two lanes at once, each runs the program with its role as argument
    alone           "fails": outside the box, as an ordinary user, it must report breaches
"""

import concurrent.futures
import hashlib
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("EVALX_BUILD", HERE.parents[1] / "build")).absolute()
PROGRAMS = Path(os.environ.get("EVALX_HOSTILE_PROGRAMS", Path(tempfile.gettempdir()) / "evalx-hostile"))
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result",
         "-Wno-infinite-recursion", "-static", "-pthread"]
SLOW = int(os.environ.get("EVALX_SLOW", "1"))  # how many times slower than a real machine this one is
NOT_COMPILED = {"compilers"}  # there the compiler is the program

LIMITS = {
    "cpu_ms": 2000,
    "cpu_extra_ms": 0,
    "wall_ms": 5000,
    "memory_mb": 128,
    "stack_mb": 8,
    "output_kb": 64,
    "file_mb": 16,
    "disk_mb": 0,
    "processes": 32,
    "open_files": 64,
}
KEY = re.compile(r"^ \* (\w+): *(.*)$")


class Case:
    """One file of an area and what its comment says."""

    def __init__(self, path):
        self.path = path
        self.area = path.parent.name
        self.name = f"{self.area}/{path.stem}"
        self.said = read_comment(path)
        self.expect = words(self.said["expect"])
        self.limits = {**LIMITS, **{k: int(v) for k, v in words(self.said.get("limits", ""))}}
        self.roles = self.said.get("roles", "").split()
        self.allow_for_a_slow_machine()

    def allow_for_a_slow_machine(self):
        """A time limit that is not what the program is about must not be what ends it."""
        ends = dict(self.expect).get("end", "").split("|")
        for limit, end in (("cpu_ms", "cpu"), ("wall_ms", "wall")):
            if end not in ends or len(ends) > 1:
                self.limits[limit] *= SLOW

    @property
    def program(self):
        """Where the compiled form is; its name changes with the source."""
        text = self.path.read_bytes() + (HERE / "hostile.h").read_bytes() + repr(FLAGS).encode()
        return PROGRAMS / f"{self.area}-{self.path.stem}-{hashlib.sha256(text).hexdigest()[:12]}"


def read_comment(path):
    said, key = {}, None
    for line in path.read_text().splitlines():
        if line.startswith(" */"):
            return said
        match = KEY.match(line)
        if match:
            key = match[1]
            said[key] = match[2]
        elif key and line.startswith(" *  "):
            said[key] += " " + line[2:].strip()
    raise ValueError(f"{path}: no comment on top")


def words(text):
    """'a=1 b="x y\\n"' as pairs; in quotes, \\n is a newline."""
    pairs = []
    for key, quoted, plain in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', text):
        value = quoted.encode().decode("unicode_escape") if quoted else plain
        pairs.append((key, value))
    return pairs


def cases(*areas):
    found = []
    for area in areas:
        found += [Case(p) for p in sorted((HERE / area).iterdir()) if p.suffix in (".c", ".cc")]
    return found


def areas():
    return sorted(p.name for p in HERE.iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))


def compile_one(source, target):
    if target.exists():
        return
    part = target.with_name(f"{target.name}.{os.getpid()}")
    subprocess.run(["gcc", *FLAGS, f"-I{HERE}", str(source), "-o", str(part), "-lrt"], check=True)
    part.rename(target)


def compile_all():
    """Every program, two at a time; what is there from before is not built again."""
    PROGRAMS.mkdir(mode=0o755, exist_ok=True)
    todo = [c for c in cases(*areas()) if c.area not in NOT_COMPILED]
    todo.append(Probe())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda c: compile_one(c.path, c.program), todo))


class Probe(Case):
    """The clean run that follows each hostile one."""

    def __init__(self):
        self.path = HERE / "probe.c"
        self.area, self.name = "probe", "probe"
        self.limits = dict(LIMITS)
        self.said, self.expect, self.roles = {}, [], []


def command(case):
    """argv of a case with a run line."""
    return shlex.split(case.said["run"])
