#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write into the documentation what the binary itself knows: settings and languages.

A region stands between "<!-- NAME: made by make docs -->" and "<!-- end of NAME -->".

    tools/docs.py [--build build] [--check]     --check: exit 1 when something is out of date
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
REGIONS = {"settings": "docs/operations.md", "languages": "README.md"}


def settings(evalx):
    done = subprocess.run([evalx, "config", "--markdown"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def value_of(line):
    return line.split(":", 1)[1].strip()


def language_row(path):
    """The few keys of the table; a line-wise reading of the file is enough for them."""
    text = path.read_text()
    one = {key: value_of(f"x:{value}") for key, value in re.findall(r"^(\w+):(.*)$", text, re.MULTILINE)}
    aliases = [word.strip() for word in one.get("aliases", "").strip("[]").split(",") if word.strip()]
    ids = [n for n, rest in re.findall(r"^  - \{id: (\d+)(.*)\}", text, re.MULTILINE) if "archived: true" not in rest]
    names = ", ".join(f"`{alias}`" for alias in aliases)
    return f"| {one['name']} | `{one['id']}` | {names} | {', '.join(ids)} | `{one['package']}` |"


def languages(_):
    head = "| language | id | other names | Judge0 ids | Debian package |\n|---|---|---|---|---|\n"
    return head + "\n".join(language_row(path) for path in sorted(TOP.glob("languages/*.yaml")))


def replace_region(text, name, content):
    pattern = rf"(<!-- {name}: made by make docs -->\n).*?(<!-- end of {name} -->)"
    if not re.search(pattern, text, re.DOTALL):
        raise SystemExit(f"docs: no region {name} in {REGIONS[name]}")
    return re.sub(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    stale = []
    for name, file in REGIONS.items():
        path = TOP / file
        old = path.read_text()
        new = replace_region(old, name, globals()[name](args.build / "evalx"))
        if new != old and args.check:
            stale.append(file)
        elif new != old:
            path.write_text(new)
    for file in stale:
        print(f"{file} is out of date; make docs brings it up to date")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
