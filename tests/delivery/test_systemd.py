# SPDX-License-Identifier: Apache-2.0
"""The units: systemd understands every line, and how much of the machine they leave open. Whether
evalX lives behind that hardening is tried on a real systemd, by make test-deb."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
UNITS = TOP / "deploy/systemd"
# What systemd-analyze security says at most, in tenths; 100 is a service without any hardening. That
# of evalx.service is what sandboxes need, line for line: see the end of the unit.
EXPOSURE = {"evalx.service": 50, "evalx-api.service": 15}

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with the units, filled in, and the programs they name."""
    root = tmp_path_factory.mktemp("root")
    units = root / "lib/systemd/system"
    units.mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/evalx").write_text("#!/bin/sh\n")
    (root / "usr/bin/evalx").chmod(0o755)
    for unit in EXPOSURE:
        text = (UNITS / f"{unit}.in").read_text()
        (units / unit).write_text(text.replace("@bindir@", "/usr/bin").replace("@docdir@", "/usr/share/doc/evalx"))
    # What they hang on, so that nothing but their own mistakes is said.
    for other in ("multi-user", "network-online", "nss-lookup", "sysinit", "basic", "shutdown"):
        (units / f"{other}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    return root


def analyze(root, *words):
    done = subprocess.run(["systemd-analyze", f"--root={root}", *map(str, words)], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("unit", EXPOSURE)
def test_systemd_understands_the_unit(root, unit):
    status, said = analyze(root, "verify", "--man=no", "--recursive-errors=no", unit)
    assert status == 0 and unit not in said, said


def test_it_would_say_if_it_did_not(root):
    unit = root / "lib/systemd/system/broken.service"
    unit.write_text((root / "lib/systemd/system/evalx.service").read_text().replace("KillMode=", "KillMood=", 1))
    status, said = analyze(root, "verify", "--man=no", "--recursive-errors=no", "broken.service")
    unit.unlink()
    assert "KillMood" in said


@pytest.mark.parametrize("unit", EXPOSURE)
def test_the_hardening_is_as_good_as_it_was(root, unit):
    status, said = analyze(root, "security", "--offline=yes", f"--threshold={EXPOSURE[unit]}", "--no-pager", unit)
    assert status == 0, said[-400:]


def test_the_drain_fits_into_the_time_systemd_gives():
    drain = re.search(r'"DRAIN", CONF_TIME, AT\(drain_us\), "(\d+)s"', (TOP / "src/main/settings.c").read_text())
    for unit in EXPOSURE:
        text = (UNITS / f"{unit}.in").read_text()
        assert int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1]) >= 2 * int(drain[1])


def test_capabilities_are_those_the_keeper_keeps():
    keeper = re.search(r"keeper_caps\[\] = \{(.*?)\}", (TOP / "src/sandbox/identity.c").read_text(), re.DOTALL)[1]
    unit = (UNITS / "evalx.service.in").read_text()
    bounding = re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
    assert set(" ".join(bounding).split()) == set(re.findall(r"CAP_\w+", keeper))


def test_each_part_of_the_usual_hardening_is_there_or_has_its_reason():
    """An API's unit has all of it; what evalx.service leaves out is named at its end."""
    api = set(re.findall(r"^(\w+)=", (UNITS / "evalx-api.service.in").read_text(), re.MULTILINE))
    all_of_it = (UNITS / "evalx.service.in").read_text()
    missing = {name for name in api if not re.search(rf"(^|[ ,]){name}=", all_of_it, re.MULTILINE)}
    assert missing <= {"RemoveIPC"}  # comes with User=


def test_settings_in_the_files_are_settings():
    settings = set(re.findall(r'^    \{ "([A-Z_]+)"', (TOP / "src/main/settings.c").read_text(), re.MULTILINE))
    for file in UNITS.iterdir():
        for name in re.findall(r"\bEVALX_([A-Z_]+)\b", file.read_text()):
            assert name.removesuffix("_FILE") in settings, f"{file.name}: EVALX_{name}"
