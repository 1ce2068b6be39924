# SPDX-License-Identifier: Apache-2.0
"""make install lays everything out below DESTDIR and PREFIX, and the server runs from there."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live import TOP, Server  # noqa: E402


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Built in a folder of its own: the prefix is a build option, and build/ is in use."""
    top = tmp_path_factory.mktemp("install")
    build = top / "build"
    subprocess.run(["meson", "setup", "-Dtests=disabled", build, TOP], check=True, capture_output=True)
    done = subprocess.run(
        ["make", "-C", TOP, "install", f"BUILD={build}", f"DESTDIR={top}/root", "PREFIX=/usr"],
        capture_output=True, text=True, check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    return top / "root/usr"


def test_the_layout_is_that_of_a_unix_package(installed):
    assert (installed / "bin/evalx").is_file()
    assert (installed / "libexec/evalx/evalx-box").is_file()
    assert list((installed / "share/evalx/languages").glob("*.yaml"))


def test_nothing_else_is_installed(installed):
    allowed = ("bin/evalx", "libexec/evalx/", "share/evalx/", "share/man/", "share/doc/evalx/",
               "share/bash-completion/completions/evalx", "lib/systemd/system/evalx",
               "lib/sysusers.d/evalx.conf", "lib/tmpfiles.d/evalx.conf")
    for path in installed.rglob("*"):
        if path.is_file():
            name = path.relative_to(installed).as_posix()
            assert name.startswith(allowed), name


def test_the_installed_server_runs_programs(installed):
    with Server(program=installed / "bin/evalx") as server:
        body = {"language": "python", "source": "print(6 * 7)", "expected_output": "42"}
        status, answer = server.post("/v1/submissions?wait=30", body)
    assert status == 200
    assert answer["verdict"] == "accepted"
