# SPDX-License-Identifier: Apache-2.0
"""tools/deps.sh: silent when all is there, plain about what it does, plain about what it cannot."""

import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
WORDS = ("bash", "cat", "chmod", "env", "mktemp", "rm", "sed", "sort", "tail", "tr")


@pytest.fixture
def machine(tmp_path):
    """A machine that has only these programs; apt-get writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for word in WORDS:
        (folder / word).symlink_to(f"/usr/bin/{word}")

    class Machine:
        calls = tmp_path / "calls"

        def program(self, name, text):
            (folder / name).write_text(f"#!/bin/bash\n{text}\n")
            (folder / name).chmod(0o755)
            return self

        def debian(self, installed, user=0):
            lines = "\n".join(f"installed {name}" for name in installed)
            self.program("dpkg-query", f"cat <<'END'\n{lines}\nEND\nexit 1")
            self.program("apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {self.calls}')
            return self.program("id", f"echo {user}")

        def deps(self, *words, **env):
            return subprocess.run(
                [TOP / "tools/deps.sh", *words], env={"PATH": str(folder), "DEPS_POLICY": str(tmp_path / "policy-rc.d"), **env},
                capture_output=True, text=True, check=False,
            )

    return Machine()


def names_of(task):
    done = subprocess.run([TOP / "tools/deps.sh", "--list", task], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_nothing_happens_when_all_is_there(machine):
    machine.debian(names_of("test"))
    start = time.monotonic()
    done = machine.deps("test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not machine.calls.exists()
    assert time.monotonic() - start < 1


def test_what_is_missing_is_named_and_installed_without_questions(machine):
    there = [name for name in names_of("run") if name not in ("curl", "libseccomp-dev")]
    done = machine.debian(there).deps("run")
    assert done.returncode == 0
    assert "installing for run: curl libseccomp-dev" in done.stderr
    update, install = machine.calls.read_text().splitlines()
    assert update.startswith("noninteractive -y") and update.endswith(" update")
    assert install.startswith("noninteractive -y")
    assert install.endswith("install --no-install-recommends curl libseccomp-dev")


def test_services_do_not_start_while_packages_are_installed(machine, tmp_path):
    policy = tmp_path / "policy-rc.d"
    machine.debian([]).program("apt-get", f'case "$*" in *install*) {policy}; echo "policy says $?" > {tmp_path}/said ;; esac')
    assert machine.deps("build").returncode == 0
    assert (tmp_path / "said").read_text() == "policy says 101\n" and not policy.exists()


def test_either_of_two_packages_will_do(machine):
    there = [name for name in names_of("languages") if not name.startswith("default-jdk")]
    assert "default-jdk-headless" in machine.debian(there).deps("--check", "languages").stderr
    there.append("openjdk-17-jdk-headless")
    assert machine.debian(there).deps("--check", "languages").returncode == 0


def test_checking_installs_nothing(machine):
    done = machine.debian([]).deps("--check", "build")
    assert done.returncode == 1 and "missing for build: gcc" in done.stderr
    assert not machine.calls.exists()


def test_an_ordinary_user_goes_through_sudo(machine):
    machine.debian([], user=1000).program("sudo", 'echo sudo "$1" >&2; exec "$@"')
    done = machine.deps("build")
    assert done.returncode == 0 and "sudo env" in done.stderr
    assert "install" in machine.calls.read_text()


def test_without_root_and_sudo_it_says_what_root_should_install(machine):
    done = machine.debian([], user=1000).deps("build")
    assert done.returncode == 1
    assert "no sudo" in done.stderr and "apt-get install gcc" in done.stderr


def test_another_distribution_is_told_the_names(machine):
    done = machine.deps("build")
    assert done.returncode == 1
    assert "not Debian" in done.stderr and "libseccomp-dev" in done.stderr and "SKIP_DEPS=1" in done.stderr


def test_it_can_be_told_to_leave_the_machine_alone(machine):
    assert machine.deps("build", SKIP_DEPS="1").returncode == 0


def test_an_installation_that_fails_is_a_failure_with_its_reason(machine):
    machine.debian([]).program("apt-get", 'case "$*" in *update*) exit 0 ;; esac; echo no such thing; exit 100')
    done = machine.deps("build")
    assert done.returncode == 1 and "no such thing" in done.stderr and "could not install" in done.stderr


def test_an_unknown_task_is_refused(machine):
    done = machine.debian([]).deps("everything")
    assert done.returncode == 1 and "no such task: everything" in done.stderr
