#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run every test and count every case.

A suite is found where its files are, never listed here: each suite name of meson's tests, each
folder of tests/ with test_*.py in it, each program of tests/fuzz. Beside them stand the checks
(include direction, shell scripts) and a second round of the units and of the HTTP tests on a build
with address and undefined behaviour sanitizer.

    tools/test.py              all of them
    tools/test.py unit http    some of them
    tools/test.py --list       their names

Failures are shown when they happen and named again at the end. The last line is always
"N passed, N failed" (", N skipped" when there are any); the exit status is 0 when none failed.

For the tests: EVALX_BUILD is the build folder whose evalx and evalx-box they try.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from multiprocessing.pool import ThreadPool
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build")).absolute()
ASAN = TOP / "build-asan"
FUZZ = TOP / "build-fuzz"
TSAN = TOP / "build-tsan"
PYTHON = "/usr/bin/python3"

SUITE_SECONDS = 600  # a suite that takes longer has hung
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "5"))  # per fuzz target
TAIL_LINES = 60

# Suites in which a sanitizer build adds something: the rest is about speed, or runs other programs.
ASAN_MESON_SKIPS = {"hostile", "box"}
ASAN_PYTEST = ("http", "webhook")

# Suites that mostly wait (for leases, retries, servers that start), the longest first: two of them
# run at one time. Those that measure have the machine for themselves.
WAITING = ("cluster", "webhook", "postgres", "hints", "redis", "chaos", "history", "operations", "observability", "autoscale", "monitoring", "metrics")

# Where threads meet: programs of these suites, tried again with the thread sanitizer.
TSAN_SUITES = ("unit", "contract", "box")
TSAN_TESTS = ("engine", "lending", "service", "vitals", "queue_contract", "store_contract", "bus_contract",
              "delivery_contract", "cache", "metric", "sqlite", "stream", "wait", "web", "box")


class Tally:
    """What was counted, and what failed by name."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = {}  # reason -> names

    @property
    def skipped(self):
        return sum(len(names) for names in self.skips.values())

    def add(self, other):
        self.passed += other.passed
        self.failures += other.failures
        for reason, names in other.skips.items():
            self.skips.setdefault(reason, []).extend(names)

    def skip(self, name, reason):
        self.skips.setdefault(reason, []).append(name)

    def fail(self, name):
        self.failures.append(name)

    def line(self):
        text = f"{self.passed} passed, {len(self.failures)} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def say(text):
    sys.stdout.write(f"{text}\n")  # in one piece: suites may talk at one time
    sys.stdout.flush()


def tail(text):
    lines = text.rstrip().splitlines()
    cut = len(lines) - TAIL_LINES
    return "\n".join(([f"    ... {cut} lines before"] if cut > 0 else []) + lines[-TAIL_LINES:])


def run(command, env=None, seconds=SUITE_SECONDS, cwd=TOP):
    """Run to the end, in a process group of its own; returns exit status and all output."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            status = None
        except BaseException:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()
            raise
        if status is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        out.seek(0)
        text = out.read().decode(errors="replace")
    return (status, text) if status is not None else (-1, f"{text}\nhung: no end within {seconds} s")


# ---- building ----


def build(folder, *options, env=None):
    status, text = run([TOP / "tools/build.sh", folder, *options], env=env)
    if status != 0:
        say(tail(text))
    return status == 0


def option_of(folder, name):
    """An option a folder has been set up with; None when it has not."""
    if not (folder / "build.ninja").exists():
        return None
    status, text = run(["meson", "introspect", "--buildoptions", folder])
    options = json.loads(text) if status == 0 else []
    return next((option["value"] for option in options if option["name"] == name), None)


def build_with(folder, options, env=None):
    """Build a folder of ours with these options; set up anew when it has others."""
    wanted = " ".join(options)
    marker = folder / ".options"
    if folder.exists() and not (marker.exists() and marker.read_text() == wanted):
        shutil.rmtree(folder)
    fresh = not folder.exists()
    if not build(folder, *(options if fresh else ()), env=env):
        return False
    marker.write_text(wanted)
    return True


def build_with_tests():
    """Build the main folder. It may have been set up before cmocka was there: then without tests."""
    missing = option_of(BUILD, "tests") != "enabled"
    return build(BUILD, *(["-Dtests=enabled"] if missing else []))


# ---- cmocka programs, run by meson ----

# "[       OK ] name", but not the sums at the end: "[  FAILED  ] 2 test(s), listed below:"
CASE = re.compile(r"^\[\s*(OK|FAILED|SKIPPED)\s*\] (?!\d+ test\(s\))(.+?)\s*$", re.MULTILINE)


def count_program(suite, entry):
    """One test program: its cmocka cases when it has any, else the program is the case."""
    tally = Tally()
    name = f"{suite}/{entry['name'].split(' / ')[-1].split(':')[-1]}"
    text = (entry.get("stdout") or "") + (entry.get("stderr") or "")
    cases = {case: what for what, case in CASE.findall(text)}
    if entry["result"] == "SKIP":
        tally.skip(name, text.strip().splitlines()[-1] if text.strip() else "no reason given")
        return tally
    for case, what in cases.items():
        if what == "OK":
            tally.passed += 1
        elif what == "SKIPPED":
            tally.skip(f"{name}: {case}", "skipped by the test program")
        else:
            tally.fail(f"{name}: {case}")
    good = entry["result"] in ("OK", "EXPECTEDFAIL")
    if good and not cases:
        tally.passed = 1
    if not good:
        if not tally.failures:  # a crash, a sanitizer's finding, a time-out
            tally.fail(f"{name}: {entry['result'].lower()}, exit status {entry.get('returncode')}")
        say(tail(text))
    return tally


def meson_suites(folder):
    """Suite name -> number of programs, in the order meson has them."""
    status, text = run(["meson", "introspect", "--tests", folder])
    suites = {}
    for entry in json.loads(text) if status == 0 else []:
        for suite in entry["suite"]:
            name = suite.split(":")[-1]
            suites[name] = suites.get(name, 0) + 1
    return suites


def run_meson(folder, suite, label, env=None, names=()):
    log = folder / "meson-logs" / f"log-{suite}.json"
    log.unlink(missing_ok=True)
    status, text = run(
        ["meson", "test", "-C", folder, "--no-rebuild", "--suite", suite, "--logbase", f"log-{suite}", *names],
        env=env,
    )
    tally = Tally()
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for entry in entries:
        tally.add(count_program(label, entry))
    if status != 0 and not tally.failures:
        tally.fail(f"{label}: meson test ended with status {status}")
        say(tail(text))
    return tally


# ---- pytest folders ----


def pytest_folders():
    return sorted({p.parent.name for p in TOP.glob("tests/*/test_*.py")})


def run_pytest(folder, label, env):
    with tempfile.TemporaryDirectory() as scratch:
        xml = Path(scratch) / "result.xml"
        status, text = run(
            [PYTHON, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"--junitxml={xml}", TOP / "tests" / folder],
            env={"PYTHONDONTWRITEBYTECODE": "1", **env},
        )
        tally = Tally()
        cases = ElementTree.parse(xml).iter("testcase") if xml.exists() else []
        for case in cases:
            name = f"{label}/{case.get('classname', '').split('.')[-1]}: {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                tally.fail(name)
            elif case.find("skipped") is not None:
                tally.skip(name, case.find("skipped").get("message"))
            else:
                tally.passed += 1
    if status not in (0, 5) and not tally.failures:
        tally.fail(f"{label}: pytest ended with status {status}")
    if tally.failures:
        say(tail(text))
    return tally


# ---- the suites ----


def suite_checks():
    """What needs no build: include direction, shell scripts."""
    tally = Tally()
    status, scripts = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.sh", ".ci/run", ":!tests/*/corpus/*"])
    if status != 0:  # an unpacked archive
        scripts = "\n".join(str(p.relative_to(TOP)) for p in TOP.glob("*/*.sh"))
    commands = {"include direction": [TOP / "tools/floors.py"]}
    for script in scripts.split():
        if (TOP / script).exists():
            commands[f"shellcheck {script}"] = ["shellcheck", script]
    for name, command in commands.items():
        if command[0] == "shellcheck" and not shutil.which("shellcheck"):
            tally.skip(f"checks: {name}", "shellcheck is missing")
            continue
        status, text = run(command)
        if status == 0:
            tally.passed += 1
        else:
            tally.fail(f"checks: {name}")
            say(tail(text))
    return tally


def sanitizer_env(findings):
    log = findings / "asan"
    options = "abort_on_error=0:exitcode=99:detect_stack_use_after_return=1"
    return {
        "EVALX_BUILD": str(ASAN),
        # A lane's filter stops the calls of a sanitizer's own: the server gets the plain one.
        "EVALX_TEST_BOX": str(BUILD / "evalx-box"),
        "ASAN_OPTIONS": f"{options}:log_path={log}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={log}",
        "LSAN_OPTIONS": f"suppressions={TOP}/tools/lsan.txt",
    }


def count_findings(findings, tally):
    """A finding in a process that no test watches, the server, is a failure too."""
    for file in sorted(findings.glob("asan*")):
        text = file.read_text(errors="replace")
        tally.fail(f"asan: {next(iter(text.strip().splitlines()[:2][-1:]), file.name)}")
        say(tail(text))


def suite_asan():
    """Units and HTTP tests again, on a build that watches memory and undefined behaviour."""
    tally = Tally()
    if not build_with(ASAN, ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dtests=enabled"]):
        tally.fail("asan: build")
        return tally
    # Not below the checkout: the server has given root up when it writes there.
    with tempfile.TemporaryDirectory(prefix="evalx-findings-", dir="/var/tmp") as folder:
        findings = Path(folder)
        findings.chmod(0o777)
        env = sanitizer_env(findings)
        for suite in meson_suites(ASAN):
            if suite not in ASAN_MESON_SKIPS:
                tally.add(run_meson(ASAN, suite, f"asan/{suite}", env | {"ASAN_OPTIONS": "detect_leaks=1"}))
        folders = [folder for folder in ASAN_PYTEST if folder in pytest_folders()]
        with ThreadPool(2) as pool:
            for one in pool.map(lambda folder: run_pytest(folder, f"asan/{folder}", env), folders):
                tally.add(one)
        count_findings(findings, tally)
    return tally


def tsan_programs():
    """Suite -> [(name, program)] of the tests that are tried again."""
    status, text = run(["meson", "introspect", "--tests", TSAN])
    found = {suite: [] for suite in TSAN_SUITES}
    for entry in json.loads(text) if status == 0 else []:
        for suite in {s.split(":")[-1] for s in entry["suite"]} & set(TSAN_SUITES):
            if entry["name"] in TSAN_TESTS:
                found[suite].append((entry["name"], os.path.relpath(entry["cmd"][0], TSAN)))
    return found


def build_tsan():
    """Only what these tests need: half of a build."""
    status, text = (0, "")
    if option_of(TSAN, "b_sanitize") != "thread":
        shutil.rmtree(TSAN, ignore_errors=True)
        status, text = run(["meson", "setup", "-Db_sanitize=thread", "-Db_lundef=false", "-Dtests=enabled", TSAN, TOP])
    if status == 0:
        programs = [program for tests in tsan_programs().values() for _, program in tests]
        status, text = run(["ninja", "-C", TSAN, "--quiet", *programs, "tests/box/prog"])
    if status != 0:
        say(tail(text))
    return status == 0


def suite_tsan():
    """Programs in which threads meet, on a build that watches what they share."""
    tally = Tally()
    if not build_tsan():
        tally.fail("tsan: build")
        return tally
    # A finding ends a program with 66. Lanes are the plain ones: their filter stops a sanitizer.
    env = {"TSAN_OPTIONS": "exitcode=66", "EVALX_BOX": str(BUILD / "evalx-box")}
    for suite, tests in tsan_programs().items():
        tally.add(run_meson(TSAN, suite, f"tsan/{suite}", env, [name for name, _ in tests]))
    return tally


def fuzz_targets():
    status, text = run(["meson", "introspect", "--targets", FUZZ])
    targets = json.loads(text) if status == 0 else []
    return [
        Path(target["filename"][0])
        for target in targets
        if target["type"] == "executable" and "tests/fuzz" in target["defined_in"]
    ]


def run_fuzz(target):
    tally = Tally()
    name = target.name.removeprefix("fuzz_")
    corpus = TOP / "tests/fuzz/corpus" / name
    with tempfile.TemporaryDirectory() as found:
        status, text = run(
            [target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0",
             f"-artifact_prefix={FUZZ}/{name}-", found, *([corpus] if corpus.is_dir() else [])],
            seconds=FUZZ_SECONDS + 60,
        )
    if status == 0:
        tally.passed = 1
    else:
        tally.fail(f"fuzz: {name} (input kept in {FUZZ.name}/{name}-*)")
        say(tail(text))
    return tally


def suite_fuzz():
    """Each parser against its corpus and what libFuzzer makes of it, for a few seconds."""
    tally = Tally()
    if not shutil.which("clang"):
        tally.skip("fuzz", "clang is missing")
        return tally
    options = ["-Dfuzz=true", "-Dtests=disabled", "-Db_lundef=false", "-Db_sanitize=address,undefined"]
    if not build_with(FUZZ, options, env={"CC": "clang"}):
        tally.fail("fuzz: build")
        return tally
    with ThreadPool(len(os.sched_getaffinity(0))) as pool:
        for one in pool.map(run_fuzz, fuzz_targets()):
            tally.add(one)
    return tally


def all_suites():
    """Name -> function, in the order they run: quick and near first."""
    suites = {"checks": suite_checks}
    for name in meson_suites(BUILD):
        suites[name] = lambda name=name: run_meson(BUILD, name, name)
    for name in pytest_folders():
        previous = suites.get(name)

        def both(name=name, previous=previous):
            tally = previous() if previous else Tally()
            tally.add(run_pytest(name, name, {"EVALX_BUILD": str(BUILD)}))
            return tally

        suites[name] = both
    suites["asan"] = suite_asan
    suites["tsan"] = suite_tsan
    if (TOP / "tests/fuzz/meson.build").read_text().strip():
        suites["fuzz"] = suite_fuzz
    return suites


def run_suite(name, function):
    say(f"{name} ...")
    start = time.monotonic()
    try:
        tally = function()
    except Exception as problem:  # the runner's own trouble must not hide the other suites
        tally = Tally()
        tally.fail(f"{name}: {type(problem).__name__}: {problem}")
    for reason, names in tally.skips.items():
        say(f"    skipped {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {reason}")
    say(f"{name:14} {tally.line()}  ({time.monotonic() - start:.1f} s)")
    return tally


def run_suites(suites):
    total = Tally()
    waiting = [(name, suites[name]) for name in WAITING if name in suites]
    for name, function in suites.items():
        if name not in WAITING:
            total.add(run_suite(name, function))
        elif waiting:  # all of them, where the first one stands
            with ThreadPool(2) as pool:
                for one in pool.starmap(run_suite, waiting, chunksize=1):
                    total.add(one)
            waiting = []
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--list", action="store_true", help="print the names of the suites")
    parser.add_argument("suite", nargs="*", help="run only these")
    args = parser.parse_args()

    total = Tally()
    if not build_with_tests():
        total.fail("build")
    else:
        suites = all_suites()
        if args.list:
            print("\n".join(suites))
            return 0
        unknown = [name for name in args.suite if name not in suites]
        if unknown:
            total.fail(f"no such suite: {' '.join(unknown)} (there are: {' '.join(suites)})")
        else:
            total = run_suites({n: f for n, f in suites.items() if not args.suite or n in args.suite})

    if total.failures:
        say("\nfailed:")
        for name in total.failures:
            say(f"  {name}")
    say(total.line())
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
