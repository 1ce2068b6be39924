# SPDX-License-Identifier: Apache-2.0
"""The documentation says what the code does: generated parts are current, links lead somewhere."""

import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("EVALX_BUILD", TOP / "build"))
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")])


def test_settings_and_languages_are_those_of_the_binary():
    done = subprocess.run(
        [TOP / "tools/docs.py", "--check", "--build", BUILD], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_every_make_target_is_explained():
    done = subprocess.run(["make", "-C", TOP, "-s", "help"], capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", (TOP / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert [line.split()[1] for line in done.stdout.splitlines()] == phony
