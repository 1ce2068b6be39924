#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The version of evalX: said once, in meson.build; whoever cannot read that there is kept equal here.

    tools/version.py           print it
    tools/version.py --check   exit 1 and name every place that says another one
    tools/version.py 0.2.0     a release: write it everywhere, and give CHANGELOG.md its heading
"""

import re
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SOURCE = "meson.build"

# Where it is said -> the text around it. The first line that fits is meant.
PLACES = {
    SOURCE: r"(?m)^  version: '([^']+)'",
    "docs/openapi.json": r'"version": "(\d[^"]*)"',
    "debian/changelog": r"^evalx \(([^)]+)\)",
    "Dockerfile": r"(?m)^ARG VERSION=(\S+)",
    "deploy/helm/evalx/Chart.yaml": r'(?m)^appVersion: "?([^"\s]+)',
    "deploy/kubernetes/helm/evalx/Chart.yaml": r'(?m)^appVersion: "?([^"\s]+)',
}


def find(place):
    """The match in that file; None where there is no such file."""
    path = TOP / place
    if not path.exists():
        return None
    found = re.search(PLACES[place], path.read_text())
    if not found:
        sys.exit(f"version: {place} says none")
    return found


def version():
    return find(SOURCE)[1]


def differing():
    said = {place: find(place) for place in PLACES}
    return [f"{place} says {m[1]}, {SOURCE} {version()}" for place, m in said.items() if m and m[1] != version()]


def write(new):
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", new):
        sys.exit(f"version: {new} is no version such as 1.2.3")
    for place in PLACES:
        found = find(place)
        if found:
            text = found.string
            (TOP / place).write_text(text[: found.start(1)] + new + text[found.end(1) :])
    changes = TOP / "CHANGELOG.md"
    heading = f"## [Unreleased]\n\n## [{new}] - {time.strftime('%Y-%m-%d', time.gmtime())}\n"
    text = changes.read_text()
    if f"## [{new}]" not in text:
        changes.write_text(text.replace("## [Unreleased]\n", heading, 1))


def main():
    match sys.argv[1:]:
        case []:
            print(version())
        case ["--check"]:
            if differing():
                sys.exit("\n".join(differing()))
        case [new] if not new.startswith("-"):
            write(new)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
