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

# Where it is said -> the text around it, wherever that is found in the file.
PLACES = {
    SOURCE: r"(?m)^  version: '([^']+)'",
    "docs/openapi.json": r'"version": "(\d[^"]*)"',
    "debian/changelog": r"\Aevalx \(([^)]+)\)",
    "Dockerfile": r"(?m)^ARG VERSION=(\S+)",
    "compose.yaml": r"EVALX_VERSION:-([^}]+)\}",
    ".env.example": r"(?m)^#? ?EVALX_VERSION=(\S+)",
    "deploy/helm/evalx/Chart.yaml": r'(?m)^(?:appVersion|version): "?([^"\s]+)',
    "deploy/kubernetes/base/kustomization.yaml": r'(?m)^    newTag: "?([^"\s]+)',
}


def find(place):
    """The matches in that file; none where there is no such file."""
    path = TOP / place
    if not path.exists():
        return []
    found = list(re.finditer(PLACES[place], path.read_text()))
    if not found:
        sys.exit(f"version: {place} says none")
    return found


def version():
    return find(SOURCE)[0][1]


def differing():
    said = [(place, found[1]) for place in PLACES for found in find(place)]
    return [f"{place} says {other}, {SOURCE} {version()}" for place, other in said if other != version()]


def write(new):
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", new):
        sys.exit(f"version: {new} is no version such as 1.2.3")
    for place in PLACES:
        for found in reversed(find(place)):  # from the end, so that the others stay where they are
            text = (TOP / place).read_text()
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
