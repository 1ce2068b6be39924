# SPDX-License-Identifier: Apache-2.0
"""The images, as they are and as they run: what each needs, what it says when that is missing, and
what programs in a box inside a container can do."""

import json
import re
import subprocess
import time

import pytest
from engine import SECCOMP, STRICT, TOP

NO_CGROUPS = ("-e", "EVALX_CGROUP=none")
MIB = 1 << 20


def without(options, *words):
    """Options less one of them, given as it stands there."""
    at = next(i for i in range(len(options)) if options[i : i + len(words)] == words)
    return options[:at] + options[at + len(words) :]


def doctor(engine, image, *options):
    done = engine.docker("run", "--rm", *options, image, "doctor", check=False)
    return done.returncode, done.stdout + done.stderr


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


# ---- what the images are ----


def test_an_image_is_an_ordinary_user_with_a_health_check_and_labels(engine, core, api):
    for image in (core, api):
        config = engine.inspect(image)["Config"]
        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/evalx", "health"]
        assert config["Entrypoint"] == ["/usr/bin/evalx"] and config["Cmd"] == ["serve"]
        assert config["StopSignal"] == "SIGTERM"
        labels = config["Labels"]
        assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
        version = re.search(r"version: '([^']+)'", (TOP / "meson.build").read_text())[1]
        assert labels["org.opencontainers.image.version"] == version


def test_the_api_image_has_no_compiler_no_sandbox_and_is_small(engine, api):
    listing = engine.docker("run", "--rm", "--network", "none", "--entrypoint", "find", api, "/usr", "-type", "f").stdout
    for name in ("bin/gcc", "bin/cc", "bin/python3", "evalx-box", "bin/make", "cc1"):
        assert name not in listing
    assert engine.inspect(api)["Size"] < 130 * MIB


def test_the_core_image_has_its_languages_and_nothing_that_gains_privileges(engine, core):
    options = (*STRICT, *NO_CGROUPS)
    offered = json.loads(engine.docker("run", "--rm", *options, core, "languages", "--json").stdout)
    there = {l["id"] for l in offered if l.get("offered", l.get("version"))}
    assert {"bash", "c", "cpp", "executable", "python", "sqlite", "text"} <= there
    assert engine.inspect(core)["Size"] < 500 * MIB
    files = engine.docker("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "find", core,
                          "/var/lib/apt/lists", "/var/cache/apt", "/var/log", "/tmp", "-type", "f", "-size", "+0").stdout
    assert files == ""


# ---- strict: no privilege at all, no control groups ----


@pytest.fixture(scope="module")
def strict(container, core):
    return container(core, *STRICT, *NO_CGROUPS, "--memory", "1g", "--cpus", "1",
                     "--health-interval", "1s")


def test_strict_runs_a_submission_and_says_what_it_lacks(strict):
    answer = strict.run("cpp", '#include <iostream>\nint main() { std::cout << 6 * 7; }')
    assert (answer["verdict"], answer["stdout"], answer["measured_by"]) == ("accepted", "42", "rusage")
    status, health = strict.ask("GET", "/health")
    assert status == 200
    cgroup = next(row for row in health["sandbox"] if row["name"] == "cgroup")
    assert cgroup["ok"] and "not added up" in cgroup["detail"] and cgroup["fix"]


def test_a_container_is_told_healthy(engine, strict):
    end = time.monotonic() + 40
    while engine.inspect(strict.id)["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < end, engine.inspect(strict.id)["State"]["Health"]
        time.sleep(0.5)


def test_a_container_has_no_capability_and_cannot_gain_any(engine, strict):
    pid = engine.inspect(strict.id)["State"]["Pid"]
    status = status_of(pid)
    for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert status["Uid"].split() == ["10001"] * 4


def test_lanes_and_memory_are_the_containers(strict):
    # --cpus 1 and --memory 1g, whatever the machine has.
    assert "1 lanes" in strict.log()


def test_process_1_waits_for_those_who_lost_their_parent(engine, strict):
    # The middle one ends at once: its child is process 1's then, and ends a little later.
    engine.docker("exec", strict.id, "sh", "-c", "(sleep 0.2 &) ; exit 0")
    end = time.monotonic() + 10
    while True:
        states = engine.docker("exec", strict.id, "sh", "-c", "cat /proc/[0-9]*/stat").stdout
        if " Z " not in states and "(sleep)" not in states:
            return
        assert time.monotonic() < end, states
        time.sleep(0.1)


# ---- exact: the same with control groups of its own ----


@pytest.fixture(scope="module")
def worker(container, core, exact):
    return container(core, *exact)


def test_exact_limits_hold_for_everything_a_program_starts(worker):
    hog = "import os\nfor i in range(3):\n    if os.fork() == 0: x = b'x' * (60 << 20); os._exit(0)\nfor i in range(3): os.wait()"
    answer = worker.run("python", hog, limits={"memory_bytes": 100 * MIB, "processes": 20})
    assert answer["measured_by"] == "cgroup"
    assert (answer["verdict"], answer["limit_exceeded"]) == ("memory_limit", "memory"), answer
    burner = "import os\nif os.fork() == 0:\n    while True: pass\nos.wait()"
    answer = worker.run("python", burner, limits={"cpu_time_ms": 300, "wall_time_ms": 10000})
    assert answer["verdict"] == "cpu_time_limit", answer


def test_a_fork_bomb_ends_and_the_next_run_is_clean(worker):
    bomb = "#include <unistd.h>\nint main(void) { for (;;) fork(); }"
    answer = worker.run("c", bomb, limits={"cpu_time_ms": 500, "wall_time_ms": 3000, "processes": 30})
    assert answer["verdict"] != "accepted" and answer["verdict"] != "internal_error", answer
    assert worker.run("bash", "cat /proc/[0-9]*/comm | sort | uniq -c | grep -c cat")["stdout"].strip() == "1"


ESCAPES = r"""
import ctypes, glob, os, socket, sys
found = []
def attempt(what, fn):
    try:
        value = fn()
    except BaseException:
        return
    if value not in (None, -1, [], "", b""):
        found.append((what, value))
libc = ctypes.CDLL(None, use_errno=True)
read = lambda path: open(path, "rb").read(200)
for path in ("/etc/shadow", "/proc/1/environ", "/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/var/lib/evalx/evalx.db",
             "/cgroup/memory/cgroup.procs", "/.dockerenv", "/etc/hostname", "/etc/resolv.conf"):
    attempt(path, lambda: read(path))
for path in ("/sys/fs/cgroup", "/cgroup", "/var/lib/evalx", "/run/secrets", "/root", "/sys/class"):
    attempt(path, lambda: os.listdir(path))
attempt("environment", lambda: [k for k in os.environ if k.startswith("EVALX")])
attempt("processes", lambda: [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid() and
                              b"box-init" not in read("/proc/" + p + "/comm")])
attempt("root of process 1", lambda: os.listdir("/proc/1/root"))
attempt("unshare", lambda: libc.unshare(0x10000000) + 1 or None)
attempt("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) + 1 or None)
attempt("setuid", lambda: os.setuid(0) or "root")
attempt("chroot", lambda: os.chroot("/tmp") or "chroot")
attempt("network", lambda: socket.socket(socket.AF_INET))
attempt("engine", lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock") or "docker.sock")
attempt("write", lambda: open("/usr/x", "w"))
attempt("write sysctl", lambda: open("/proc/sys/kernel/core_pattern", "w"))
attempt("devices", lambda: [d for d in os.listdir("/dev") if d not in
        ("null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm")])
attempt("hosts", lambda: [l for l in open("/etc/hosts") if "localhost" not in l])
attempt("raise priority", lambda: os.nice(-5) or "nice")
caps = [l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")]
attempt("capabilities", lambda: [c for c in caps[1:4] if int(c, 16)])
print(found or "nothing")
"""


@pytest.mark.parametrize("which", ["strict", "worker"])
def test_a_program_sees_nothing_of_the_container_nor_of_the_host(which, request):
    answer = request.getfixturevalue(which).run("python", ESCAPES)
    assert (answer["verdict"], answer["stdout"], answer["stderr"]) == ("accepted", "nothing\n", "")


def test_the_probes_of_that_program_can_find_something(engine, core, strict):
    # Outside the box, in the same container: else "nothing" would prove nothing.
    done = engine.docker("exec", "-i", strict.id, "python3", "-", stdin=None, input=ESCAPES)
    for what in ("/sys/fs/cgroup", "environment", "processes", "network", "hosts"):
        assert what in done.stdout, done.stdout


# ---- what is missing is named, and nothing is run ----

REFUSALS = {
    "a container without options": ((), "user namespace"),
    "no seccomp profile": (without(STRICT, "--security-opt", f"seccomp={SECCOMP}") + NO_CGROUPS, "user namespace"),
    "a /proc that is masked": (without(STRICT, "--security-opt", "systempaths=unconfined") + NO_CGROUPS, "process namespace"),
    "no control groups, none asked for": (STRICT, "EVALX_CGROUP"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_server_refuses_to_start_with(engine, core, what):
    options, word = REFUSALS[what]
    status, text = doctor(engine, core, *options)
    assert status == 1 and "FAIL" in text and word in text and "fix:" in text, text
    done = engine.docker("run", "--rm", *options, core, check=False)
    assert done.returncode == 1 and "cannot be set up" in done.stderr and "fix:" in done.stderr, done


def added_calls():
    return [name for rule in json.loads(SECCOMP.read_text())["syscalls"]
            if rule.get("comment", "").startswith("evalx-box:") for name in rule["names"]]


# Born into a v2 group: only there is it called (tests of cgroup v2 run in a machine of their own).
@pytest.mark.parametrize("call", [name for name in added_calls() if name != "clone3"])
def test_without_this_call_of_the_profile_no_box_is_built(engine, core, tmp_path, call):
    profile = json.loads(SECCOMP.read_text())
    for rule in profile["syscalls"]:
        if rule.get("comment", "").startswith("evalx-box:"):
            rule["names"] = [name for name in rule["names"] if name != call]
    profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    options = without(STRICT, "--security-opt", f"seccomp={SECCOMP}")
    status, text = doctor(engine, core, *options, "--security-opt", f"seccomp={tmp_path}/profile.json", *NO_CGROUPS)
    assert status == 1 and "FAIL" in text and "fix:" in text, text


@pytest.mark.parametrize("controller", ["memory", "pids", "cpuacct"])
def test_without_this_control_group_there_is_no_exact_limit(engine, core, exact, controller):
    volume = next(word for word in exact if word.endswith(f":/cgroup/{controller}")) if any(
        word.endswith(":/cgroup/memory") for word in exact) else pytest.skip("control groups v2: one folder has them all")
    status, text = doctor(engine, core, *without(exact, "-v", volume))
    assert status == 1 and "FAIL" in text and controller in text, text


# ---- everything: started as root, with the capabilities docs/images.md lists ----

FULL = ("SYS_ADMIN", "SETUID", "SETGID", "KILL", "DAC_OVERRIDE", "MKNOD")
# What doctor says without each; nothing: seen only when something goes wrong.
LOST = {"SYS_ADMIN": "FAIL  namespaces", "SETUID": "FAIL  user namespace", "SETGID": "FAIL  user namespace",
        "DAC_OVERRIDE": "FAIL  cgroup", "MKNOD": "weak  devices"}


def as_root(exact, capabilities):
    return (*exact, "--user", "0", *(word for c in capabilities for word in ("--cap-add", c)))


def test_as_root_with_few_capabilities_runs_are_users_of_their_own(engine, core, exact):
    status, text = doctor(engine, core, *as_root(exact, FULL))
    assert status == 0 and "users from" in text and "own nodes" in text, text


@pytest.mark.parametrize("capability", LOST)
def test_as_root_each_capability_is_needed(engine, core, exact, capability):
    status, text = doctor(engine, core, *as_root(exact, [c for c in FULL if c != capability]))
    assert LOST[capability] in text and "fix:" in text, text
    assert status == (1 if LOST[capability].startswith("FAIL") else 0)


def test_as_root_the_server_itself_is_not(engine, core, container, exact):
    one = container(core, *as_root(exact, FULL))
    answer = one.run("python", "import os; print(os.getuid())")
    assert answer["verdict"] == "accepted" and int(answer["stdout"]) > 10001
    first = engine.inspect(one.id)["State"]["Pid"]
    with open(f"/proc/{first}/task/{first}/children") as file:
        server = file.read().split()[0]
    status = status_of(server)
    assert status["Uid"].split() == ["10001"] * 4 and int(status["CapEff"], 16) == 0
    engine.docker("stop", "--time", "30", one.id)
    assert engine.inspect(one.id)["State"]["ExitCode"] == 0, one.log()


# ---- the API ----


def test_an_api_needs_redis_and_says_so(engine, api):
    done = engine.docker("run", "--rm", "--network", "none", "--cap-drop", "ALL", "--read-only", api, check=False)
    assert done.returncode == 2 and "EVALX_REDIS_URL" in done.stderr


# ---- the end; last, for it ends them ----


def test_sigterm_stops_a_container_cleanly_and_leaves_no_group_behind(engine, strict, worker):
    for one in (strict, worker):
        engine.docker("stop", "--time", "30", one.id)
        assert engine.inspect(one.id)["State"]["ExitCode"] == 0, one.log()
    left = subprocess.run(["find", "/sys/fs/cgroup", "-path", f"*/{engine.name}/evalx/k*", "-type", "d"],
                          capture_output=True, text=True, check=False)
    assert left.stdout == ""
