# SPDX-License-Identifier: Apache-2.0
"""An ordinary user who was given ranges of further ids (/etc/subuid, /etc/subgid): each of his runs is a
user of its own, as root's are. His account and ranges exist in a mount namespace of the test alone."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

import cases
import expect
from lanes import Lanes, job

USER = 64778
AS_USER = """mount -t overlay -o "lowerdir=$1/etc:/etc" overlay /etc || exit 1
shift
exec setpriv --reuid {user} --regid {user} --groups {user},100 "$@"
""".format(user=USER)
HELD = [c for c in cases.cases(*cases.areas()) if not c.roles and "cgroup" not in c.said.get("needs", "").split()
        and (c.area in ("fds", "privilege", "signals", "leftovers") or "user" in c.said.get("needs", "").split())]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user"),
    pytest.mark.skipif(not shutil.which("newuidmap"), reason="needs newuidmap (Debian: uidmap)"),
]


def etc_with_the_user(stage):
    etc = stage / "etc"
    etc.mkdir()
    for name, line in (("passwd", f"ranger:x:{USER}:{USER}::/:/bin/sh"), ("group", f"ranger:x:{USER}:"),
                       ("subuid", "ranger:2000000:65536"), ("subgid", f"{USER}:2000000:65536")):
        there = Path("/etc", name)
        (etc / name).write_text((there.read_text() if there.exists() else "") + line + "\n")


@pytest.fixture(scope="module")
def lanes(tmp_path_factory):
    cases.compile_all()
    stage = tmp_path_factory.mktemp("ranges")
    for folder in [stage, *stage.parents][:3]:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    for name in ("tests/box/boxrun", "src/sandbox/evalx-box"):
        (stage / name).parent.mkdir(parents=True)
        shutil.copy(cases.BUILD / name, stage / name)
    etc_with_the_user(stage)
    before = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_USER, "sh", str(stage)]
    patch = pytest.MonkeyPatch()
    patch.setattr(cases, "BUILD", stage)
    patch.setenv("EVALX_BOXRUN_ARGS", "--cgroup none")
    if subprocess.run([*before, stage / "tests/box/boxrun", "--keeper", stage / "src/sandbox/evalx-box", "--cgroup",
                       "none", "--probe"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespaces for an ordinary user here")
    found = Lanes(1, secret="EVALX_SECRET=x", before=before)
    yield found
    found.close()
    patch.undo()


def test_each_run_is_a_user_of_its_own(lanes):
    runs = [lanes.run({"argv": ["/bin/sh", "-c", "id -u; id -G; cat /proc/self/uid_map"]})["out"].split()
            for _ in range(3)]
    assert len({run[0] for run in runs}) == 3, runs
    for run in runs:
        assert run[0] == run[1] and int(run[0]) >= 65536, run
        assert run[2:] == [b"0", str(USER).encode(), b"1", run[5], b"2000000", b"64"], run
    assert not lanes.one_user


def test_where_newuidmap_may_do_nothing_all_runs_are_one_user(lanes):
    probe = subprocess.run([*lanes.before, "setpriv", "--no-new-privs", cases.BUILD / "tests/box/boxrun", "--keeper",
                            lanes.program, "--cgroup", "none", "--probe"], capture_output=True, text=True, check=False)
    assert probe.returncode == 0, probe.stdout + probe.stderr
    assert "one user for all runs" in probe.stdout


@pytest.mark.parametrize("case", HELD, ids=[c.name for c in HELD])
def test_the_box_holds(lanes, case):
    report = lanes.run(job(case))
    wrong = expect.mismatches(case.expect, report)
    assert not wrong or expect.only_times(wrong), f"{wrong} | {report}"
