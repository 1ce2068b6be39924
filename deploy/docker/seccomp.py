#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write seccomp.json: Docker's default profile and, above it, what evalx-box needs to build a box.

    deploy/docker/seccomp.py /path/to/docker's/default.json > deploy/docker/seccomp.json

Docker's comes from Debian's golang-github-docker-docker-dev (profiles/seccomp/default.json of
https://github.com/moby/moby, Apache-2.0). Taken out of it are its two rules for clone3, which
contradict ours, and REMOVED. tests/images tries each call of ADDED: without it no box can be built.

What a program in a box may call is another matter: evalx-box puts a filter of its own on it, which
refuses all of these again (src/sandbox/seccomp.c).
"""

import json
import sys

# Why -> calls. Only the kernel's own check stands before them: without a capability each works in a
# user namespace of one's own and nowhere else.
ADDED = {
    "namespaces of a box": ["clone", "unshare"],
    "its file tree": ["mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "move_mount", "mount_setattr"],
    "the spawner enters the process namespace": ["setns"],
    "control groups v2: processes are born in theirs": ["clone3"],
}

# Docker itself has left them out since version 25: too many holes of the kernel were in there.
REMOVED = {"io_uring_enter", "io_uring_register", "io_uring_setup"}


def extend(profile):
    rules = [r for r in profile["syscalls"] if not (r["names"] == ["clone3"] and r["action"] == "SCMP_ACT_ERRNO")]
    rules = [{**r, "names": [name for name in r["names"] if name not in REMOVED]} for r in rules]
    added = [
        {"names": names, "action": "SCMP_ACT_ALLOW", "comment": f"evalx-box: {why}", "args": [], "includes": {}, "excludes": {}}
        for why, names in ADDED.items()
    ]
    return {**profile, "syscalls": added + rules}


if __name__ == "__main__":
    with open(sys.argv[1]) as default:
        json.dump(extend(json.load(default)), sys.stdout, indent=1)
        print()
