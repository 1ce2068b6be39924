#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Capture what the real tools say of the programs in corpus/.

    tests/hints/capture.py                  all of them
    tests/hints/capture.py python/python.key-error c/      some, by the beginning of their path
    tests/hints/capture.py --missing        those that have no capture yet

Each case is a folder corpus/LANGUAGE/ID: the program, optionally stdin, expected (output) and
case.json (limits, compiler_options, args, checker as in the API; settings of the server). ID is that of the pattern whose hint must
come first; what follows "~" tells cases of one pattern apart. Each is run by `evalx run --json`;
what changes from run to run (times, memory) is left out of the capture. Look at the difference
before you commit it: the hints are part of a capture.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
BUILD = Path(os.environ.get("EVALX_BUILD", HERE.parents[1] / "build")).absolute()
NOT_PROGRAMS = ("stdin", "expected", "case.json", "capture.json")
# Units of `evalx run` for the keys of limits.
FLAGS = {
    "cpu_time_ms": ("cpu-time", "ms"),
    "wall_time_ms": ("wall-time", "ms"),
    "memory_bytes": ("memory", ""),
    "stack_bytes": ("stack", ""),
    "output_bytes": ("output", ""),
    "file_bytes": ("file-size", ""),
    "processes": ("processes", ""),
}
VOLATILE = ("memory_bytes", "started_us", "finished_us", "compile_us", "run_us", "cached")


def cases():
    return sorted(path.parent for path in CORPUS.glob("*/*/*") if path.name not in NOT_PROGRAMS)


def program(case):
    return next(path for path in case.iterdir() if path.name not in NOT_PROGRAMS)


def settings(case):
    path = case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def command(case):
    extra = settings(case)
    words = [BUILD / "evalx", "run", "--json", f"--language={case.parent.name}"]
    for key, value in extra.get("limits", {}).items():
        name, unit = FLAGS[key]
        words.append(f"--{name}={value}{unit}")
    if "compiler_options" in extra:
        words.append("--options=" + ",".join(extra["compiler_options"]))
    if "checker" in extra:
        words.append(f"--checker={extra['checker']['type']}")
    if (case / "expected").exists():
        words.append(f"--expected={case / 'expected'}")
    stdin = case / "stdin"
    words.append(f"--stdin={stdin if stdin.exists() else '/dev/null'}")
    return [str(word) for word in [*words, program(case), *extra.get("args", [])]]


def steady(result):
    """Without what changes from run to run; whether it computed or waited is kept, roughly."""
    for part in [result, result.get("compile", {}), *result["tests"]]:
        for key in VOLATILE:
            part.pop(key, None)
        if "wall_us" in part:
            busy = part["cpu_us"] * 20 >= part["wall_us"]
            part["wall_us"], part["cpu_us"] = 1000000, 900000 if busy else 10000
    return result


def run(case):
    env = {name: value for name, value in os.environ.items() if name != "EVALX_BUILD"}
    env |= settings(case).get("settings", {})
    done = subprocess.run(command(case), capture_output=True, check=False, env=env)
    if not done.stdout:
        raise SystemExit(f"{case.name}: {done.stderr.decode()}")
    return steady(json.loads(done.stdout))


def capture(case):
    result = run(case)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (case / "capture.json").write_text(text + "\n")
    hints = result.get("hints", [])
    first = hints[0]["id"] if hints else "none"
    wanted = case.name.split("~")[0]
    return f"{'ok ' if first == wanted else 'BAD'} {case.name}: {result['verdict']}: " + (
        " | ".join(f"[{h['id']}] {h['text']}" for h in hints) or "no hint"
    )


def main():
    wanted = sys.argv[1:]
    some = [
        case
        for case in cases()
        if not wanted
        or (wanted == ["--missing"] and not (case / "capture.json").exists())
        or any(str(case.relative_to(CORPUS)).startswith(w) for w in wanted)
    ]
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(capture, some):
            print(line, flush=True)


if __name__ == "__main__":
    main()
