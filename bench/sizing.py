#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a server needs of memory and disk, for the sizing table of docs/operations.md. Needs root.

    bench/sizing.py [--build build]

Memory is proportional set size: what processes share counts once. A queued submission is weighed while
the queue is paused, a finished one when the file has been copied back from its log.
"""

import argparse
import os
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests"))
JOBS = 2000


def family(pid):
    """A process and all it started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def memory(pid):
    """Bytes by name of program."""
    used = {}
    for one in family(pid):
        try:
            name = Path(f"/proc/{one}/comm").read_text().strip()
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        used[name] = used.get(name, 0) + pss * 1024
    return used


def disk(server):
    return sum(f.stat().st_size for f in (server.folder / "data").glob("evalx.db*"))


def mib(count):
    return f"{count / 1048576:.1f} MiB"


def weigh_lanes(server_with):
    whole = {}
    for lanes in (1, 2, 4, 8):
        with server_with(EVALX_LANES=str(lanes), EVALX_LANES_MAX=str(lanes)) as server:
            run_some(server, 4 * lanes)
            used = memory(server.process.pid)
            whole[lanes] = sum(used.values())
            parts = ", ".join(f"{name} {mib(size)}" for name, size in sorted(used.items()))
            print(f"{lanes} lanes: {mib(whole[lanes])} ({parts})")
    print(f"each further lane: {mib((whole[8] - whole[1]) / 7)}")


def run_some(server, count):
    client = server.client()
    tokens = [client.post("/v1/submissions", job(i))[1]["token"] for i in range(count)]
    for token in tokens:
        client.get(f"/v1/submissions/{token}?wait=60")
    client.close()


def job(number):
    return {"language": "bash", "source": f"read x; echo $((x * 7)) # {number}", "stdin": "6\n", "expected_output": "42"}


def weigh_jobs(server_with):
    with server_with() as server:
        run_some(server, 10)
        client = server.client()
        assert client.request("POST", "/v1/queue/pause")[0] < 300
        before, disk_before = sum(memory(server.process.pid).values()), disk(server)
        tokens = [client.post("/v1/submissions", job(i))[1]["token"] for i in range(JOBS)]
        print(f"{JOBS} queued: {(sum(memory(server.process.pid).values()) - before) / JOBS:.0f} bytes of memory,"
              f" {(disk(server) - disk_before) / JOBS:.0f} of disk each")
        client.request("POST", "/v1/queue/resume")
        for token in tokens:
            client.get(f"/v1/submissions/{token}?wait=60")
        client.close()
        print(f"finished: {(disk(server) - disk_before) / JOBS:.0f} bytes of disk each, its log included")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default="build")
    os.environ["EVALX_BUILD"] = str(Path(parser.parse_args().build).absolute())
    from live import Server

    def server_with(**settings):
        return Server({"EVALX_LOG_LEVEL": "warn", **settings})

    weigh_lanes(server_with)
    weigh_jobs(server_with)


if __name__ == "__main__":
    main()
