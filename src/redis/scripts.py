#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scripts.py FILE... - Lua scripts as C.

A .c gets `struct redis_script script_NAME` for each NAME.lua, a .h declares them. A line
"-- include OTHER.lua" is replaced by that file (beside it). What the first line says to Redis
("#!lua flags=...") stays first. Files that are only included are passed too, for the build's sake;
they begin with a comment instead.

    scripts.py OUT.c OUT.h FILE.lua ...
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r"^-- include (\S+)$", re.M)


def text_of(path):
    """The whole script, without whole-line comments: a server keeps every script in memory."""
    text = INCLUDE.sub(lambda m: text_of(path.parent / m[1]), path.read_text())
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


def quoted(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'    "{line}\\n"' for line in escaped.splitlines())


def main(out_c, out_h, *files):
    scripts = [path for path in map(Path, files) if path.read_text().startswith("#!lua")]
    with open(out_h, "w", encoding="ascii") as out:
        out.write('#include "drivers/redis.h"\n')
        for path in scripts:
            out.write(f"extern struct redis_script script_{path.stem};\n")
    with open(out_c, "w", encoding="ascii") as out:
        out.write('#include "redis/scripts.h"\n')
        for path in scripts:
            out.write(f'struct redis_script script_{path.stem} = {{ "{path.stem}",\n')
            out.write(quoted(text_of(path)) + ',\n    "" };\n')


main(*sys.argv[1:])
