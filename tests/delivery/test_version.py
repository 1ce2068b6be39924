# SPDX-License-Identifier: Apache-2.0
"""The version is said once; who cannot read it there is equal. A release is one command."""

import os
import re
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("EVALX_BUILD", TOP / "build"))


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)


def copy_of_places(tmp_path):
    """What tools/version.py reads and writes, in a tree of its own."""
    places = re.findall(r'^    "?([\w./-]+)"?: r', (TOP / "tools/version.py").read_text(), re.MULTILINE)
    for place in ["tools/version.py", "CHANGELOG.md", "meson.build", *places]:
        if (TOP / place).is_file():
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / place, tmp_path / place)
    return tmp_path / "tools/version.py"


def test_every_place_says_the_same_version():
    done = run(TOP / "tools/version.py", "--check")
    assert done.returncode == 0, done.stderr


def test_the_programs_say_it_too():
    said = run(TOP / "tools/version.py").stdout.strip()
    assert run(BUILD / "evalx", "--version").stdout == f"evalx {said}\n"
    assert run(BUILD / "evalx-box", "--version").stdout.startswith(f"evalx-box {said} ")


def test_a_place_that_lags_behind_is_named(tmp_path):
    version = copy_of_places(tmp_path)
    changelog = tmp_path / "debian/changelog"
    changelog.write_text(changelog.read_text().replace("evalx (", "evalx (9.", 1))
    done = run(version, "--check")
    assert done.returncode == 1 and "debian/changelog says 9." in done.stderr


def test_a_release_is_written_everywhere_and_gets_its_heading(tmp_path):
    version = copy_of_places(tmp_path)
    assert run(version, "7.8.9").returncode == 0
    assert run(version).stdout == "7.8.9\n"
    assert run(version, "--check").returncode == 0
    changes = (tmp_path / "CHANGELOG.md").read_text()
    assert re.search(r"## \[Unreleased\]\n\n## \[7\.8\.9\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- ", changes)
    shutil.copy(TOP / "tools/notes.sh", tmp_path / "tools/notes.sh")
    assert "- `evalx serve`" in run(tmp_path / "tools/notes.sh", "7.8.9").stdout


def test_what_is_no_version_is_refused(tmp_path):
    version = copy_of_places(tmp_path)
    assert run(version, "next").returncode != 0
    assert run(version, "--check").returncode == 0
