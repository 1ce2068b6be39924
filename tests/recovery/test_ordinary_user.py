# SPDX-License-Identifier: Apache-2.0
"""The whole server as an ordinary user: it runs programs, and names what is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live import BUILD, NotReady, Server  # noqa: E402

USER = 64777
BECOME = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"] if os.geteuid() == 0 else []
LOST = {
    "cgroup": "not added up",
    "core": "limits may act late",
    "devices": "the host's nodes",
    "user namespace": "one user for all runs",
}


class OrdinaryServer(Server):
    def __init__(self, env=None):
        super().__init__({"EVALX_LANES": "2", **(env or {})}, before=BECOME)
        if BECOME:
            os.chown(self.folder, USER, USER)


def user_namespaces():
    return subprocess.run([*BECOME, "unshare", "--user", "--map-current-user", "true"],
                          capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not user_namespaces(), reason="ordinary users have no user namespaces here")


@pytest.fixture(scope="module")
def server():
    with OrdinaryServer({"EVALX_CGROUP": "none"}) as server:
        yield server


def run(server, source, **more):
    status, body = server.post("/v1/submissions?wait=30",
                               {"language": "python", "source": source, "cache": "none", **more})
    assert status == 200, body
    return body


def test_without_control_groups_it_starts_only_when_allowed_by_name():
    server = OrdinaryServer()
    try:
        if Path("/sys/fs/cgroup/cgroup.controllers").exists():
            pytest.skip("this user may have control groups delegated")
        with pytest.raises(NotReady) as refused:
            server.start()
        assert 'sandbox layer "cgroup"' in str(refused.value) and "EVALX_CGROUP=none" in str(refused.value)
    finally:
        server.remove()


def test_health_names_what_is_lost_and_how_to_have_it(server):
    status, body = server.get("/health")
    assert status == 200 and body["status"] == "ok"
    layers = {row["name"]: row for row in body["sandbox"]}
    for name, words in LOST.items():
        row = layers[name]
        assert row["ok"] and words in row["detail"] and row["fix"], row
    assert [row for row in body["sandbox"] if not row["ok"]] == []
    assert {name for name, row in layers.items() if row["fix"]} == set(LOST)


def test_doctor_names_it_too(tmp_path):
    tmp_path.chmod(0o755)
    done = subprocess.run([*BECOME, BUILD / "evalx", "doctor"], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "EVALX_CGROUP": "none", "EVALX_DATA_DIR": "/tmp"})
    weak = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("weak")]
    assert len(weak) == len(LOST)
    for name, words in LOST.items():
        assert any(line.startswith(name) and words in line for line in weak), weak
    assert "FAIL" not in done.stdout.replace("every FAIL", "") and "where it says weak" in done.stdout


def test_results_say_how_they_were_measured(server):
    done = run(server, "print(sum(range(300000)))")
    assert done["verdict"] == "accepted" and done["stdout"] == "44999850000\n"
    assert done["measured_by"] == "rusage", done


def test_limits_hold_for_each_process(server):
    slow = run(server, "while True: pass", limits={"cpu_time_ms": 300})
    assert slow["verdict"] in ("cpu_time_limit", "wall_time_limit"), slow
    large = run(server, "x = bytearray(400 << 20)", limits={"memory_bytes": 64 << 20})
    assert large["verdict"] in ("runtime_error", "memory_limit"), large
    many = run(server, "import os\nfor i in range(200):\n    if os.fork() == 0:\n        import time; time.sleep(9)",
               limits={"processes": 10, "wall_time_ms": 3000})
    assert many["verdict"] == "runtime_error", many
    assert run(server, "print('next')")["stdout"] == "next\n"


def test_a_program_sees_nothing_of_the_server(server):
    look = ("import os\n"
            "seen = [p for p in os.listdir('/proc') if p.isdigit()]\n"
            f"print(len(seen), os.getppid(), os.path.exists('{server.folder}'), os.listdir('/tmp'))")
    done = run(server, look)
    assert done["stdout"] == "1 0 False []\n", done
