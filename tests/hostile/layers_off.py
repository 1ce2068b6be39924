#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Take one layer of the sandbox away at a time and see that the attack suite notices.

A test that cannot fail is a defect. For each layer below, a copy of the sources is changed by the
edits named, evalx-box is built from it, and the attacks that the layer is there for are run: at
least one must fail, or no lane may start at all. The attacks chosen are those that do no harm to the machine without the layer
(no fork bombs without a process limit). When the sources change so that an edit no longer fits,
this says so: mend the edit.

    layers_off.py [LAYER...]        all, or those named; needs root; a few seconds each
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]

# layer: (attacks, [(file, text, instead)...])
LAYERS = {
    "system call filter": (
        "doors or terminal or ptrace or mounts or namespaces or setns",
        [("seccomp.c", "if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) != 0)",
          "if (filter->len == 0)")],
    ),
    "filter: sockets": (
        "families",
        [("seccomp.c", "        rc = refuse_sockets(c);", "        rc = 0;"),
         ("seccomp.c", "static int refuse_sockets", "__attribute__((unused)) static int refuse_sockets")],
    ),
    "filter: arguments": (
        "terminal or locks",
        [("seccomp.c", "        rc = refuse_arguments(c);", "        rc = 0;"),
         ("seccomp.c", "static int refuse_arguments", "__attribute__((unused)) static int refuse_arguments")],
    ),
    "no_new_privs": ("status", [("seccomp.c", "if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)", "if (0)")]),
    "user of the run": (
        "identity or status or give_away",
        [("spawner.c", "if (syscall(SYS_setresgid, o->uid, o->uid, o->uid) != 0 ||\n"
          "        syscall(SYS_setresuid, o->uid, o->uid, o->uid) != 0)", "if (0)")],
    ),
    "rlimits": (
        "open_limit or file_limit or mlockall or raise_limits or in_flight",
        [("rlimit.c", "    rlim_t v =", "    return true;\n    rlim_t v =")],
    ),
    "cgroup limits": (
        "victim_child or children_together or map_populate",
        [("cgroup_v1.c", "if (memory_bytes != g->memory_now && !set_memory(g, memory_bytes, e))", "if (0)"),
         ("cgroup_v1.c", "static bool set_memory", "__attribute__((unused)) static bool set_memory")],
    ),
    "CPU limit": (
        "processes/spin or cpu_sigchld",
        [("run.c", "    if (left <= 0)\n        r->over_cpu = true;", ""),
         ("rlimit.c", "(o->cpu_s == 0 || set(RLIMIT_CPU, o->cpu_s)) &&", "")],
    ),
    "own core": (
        "scheduling or cores",
        [("seccomp.c", '"sched_setaffinity ioprio_set"', '"ioprio_set"'),
         ("cgroup.c", "    if (g->cores < 0)", "    if (cores)"),
         ("lane.c", "    if (sched_setaffinity(0, sizeof one, &one) != 0)", "    if (0)")],
    ),
    "kill of what is left": (
        "daemon_holds or clone_parent or subreaper or orphans or abstract",
        [("run.c", "    for (;;) {\n        int idle", "    return true;\n    for (;;) {\n        int idle")],
    ),
    "sockets that outlive processes": (
        "sockets_in_flight",
        [("lane.c", "        if (used == 0)", "        if (used >= 0)")],
    ),
    "strays are not the program": (
        "clone_parent",
        [("run.c", "if (pid == atomic_load(&l->shared->pid)) {", "if (pid != l->spawner && pid != l->init) {")],
    ),
    "wipe": (
        "leftovers or many_files or odd_names",
        [("wipe.c", "bool space_wipe(struct lane *l, struct err *e)\n{",
          "bool space_wipe(struct lane *l, struct err *e)\n{\n    if (e)\n        return true;\n")],
    ),
    "invisible processes": ("sight/processes or proc_one", [("init.c", "hidepid=invisible", "hidepid=off")]),
    "masked /proc": ("proc_masks", [("init.c", 'return root_mask_proc("proc", e);', "return true;")]),
    "no objects of System V or POSIX": (
        "sysv or message_queues or names",
        [("lane.c", "all = write_sysctl(limits[i][0], limits[i][1]) && all;", "all = false;"),
         ("lane.c", "static bool write_sysctl", "__attribute__((unused)) static bool write_sysctl"),
         ("seccomp.c", '    { ENOSPC, "shmget msgget semget mq_open" },', ""),
         ("rlimit.c", "set(RLIMIT_MSGQUEUE, 0) &&", "")],
    ),
    "network namespace": (
        "loopback or interfaces or names",
        [("lane.c", "CLONE_NEWUTS | CLONE_NEWNET;", "CLONE_NEWUTS;")],
    ),
    "inodes of its own": (
        "inotify or locks",
        [("root.c", "    char options[640];\n", "    char options[640];\n    return false;\n")],
    ),
    "nosuid": (
        "setuid_programs",
        [("root.c", "MS_RDONLY | MS_NOSUID | MS_NODEV", "MS_RDONLY | MS_NODEV")],
    ),
    "read-only root": (
        "write_outside",
        [("root.c", "MS_RDONLY | MS_NOSUID | MS_NODEV", "MS_NOSUID | MS_NODEV")],
    ),
    "collecting without links": (
        "outputs",
        [("collect.c", ".resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,",
          ".resolve = 0,"),
         ("collect.c", "O_RDONLY | O_NOFOLLOW | O_NONBLOCK", "O_RDONLY | O_NONBLOCK"),
         ("collect.c", "    if (d->d_type == DT_REG)", "    if (d->d_type != DT_DIR && d->d_type != DT_FIFO)")],
    ),
    "placing without links": (
        "planted",
        [("files.c", "O_RDONLY | O_DIRECTORY | O_NOFOLLOW", "O_RDONLY | O_DIRECTORY"),
         ("files.c", "O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW", "O_WRONLY | O_CREAT")],
    ),
}


def copy_sources(to):
    listed = subprocess.run(["git", "-C", str(TOP), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (TOP / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, to / name)


class Edits:
    """Changed files of the copy, until put back."""

    def __init__(self, sources):
        self.folder = sources / "src" / "sandbox"
        self.whole = {}

    def make(self, edits):
        """Why they do not fit, or None."""
        for file, text, instead in edits:
            path = self.folder / file
            old = path.read_text()
            if text not in old:
                return f"{file} has no {text.splitlines()[0].strip()!r} any more"
            self.whole.setdefault(path, old)
            path.write_text(old.replace(text, instead))
        return None

    def put_back(self):
        for path, text in self.whole.items():
            path.write_text(text)
        self.whole = {}


def attack(build, chosen):
    """What pytest says, and the names of the attacks that were noticed."""
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line",
         str(HERE / "test_hostile.py"), "-k", f"({chosen}) and not outside_the_box"],
        env={**os.environ, "EVALX_BUILD": str(build)}, capture_output=True, text=True, timeout=600)
    noticed = sorted(set(re.findall(r"^(?:FAILED|ERROR) \S+\[(.*?)\]", done.stdout, re.M)))
    return done.stdout.strip().splitlines()[-1], noticed


def try_layer(name, edits, build):
    chosen, changes = LAYERS[name]
    edits.put_back()
    problem = edits.make(changes)
    if not problem:
        made = subprocess.run(["ninja", "-C", str(build), "src/sandbox/evalx-box", "tests/box/boxrun"],
                              capture_output=True, text=True)
        problem = made.stdout[-800:] if made.returncode else None
    if problem:
        print(f"{name}: {problem}", flush=True)
        return False
    probe = subprocess.run([str(build / "tests/box/boxrun"), "--probe"], capture_output=True, text=True)
    if probe.returncode:
        refused = next((line for line in probe.stdout.splitlines() if " NO " in line), probe.stderr)
        print(f"{name}: no lane starts without it: {refused.strip()}", flush=True)
        return True
    summary, noticed = attack(build, chosen)
    failed = not re.search(r"\d+ (failed|error)", summary) is None
    print(f"{name}: {'noticed by ' + ', '.join(noticed) if failed else 'NOT NOTICED'} ({summary})", flush=True)
    return failed


def main():
    wanted = sys.argv[1:] or list(LAYERS)
    with tempfile.TemporaryDirectory() as folder:
        sources, build = Path(folder) / "sources", Path(folder) / "build"
        sources.mkdir()
        copy_sources(sources)
        made = subprocess.run(["meson", "setup", str(build), str(sources)], capture_output=True, text=True)
        if made.returncode:
            sys.exit(made.stdout)
        edits = Edits(sources)
        results = [try_layer(name, edits, build) for name in wanted]
    print(f"{sum(results)} of {len(results)} layers are noticed when they are off")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
