#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py JSON C - write a JSON file, without its white space, as the initialiser of a char array."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as source:
    text = json.dumps(json.load(source), separators=(",", ":"), ensure_ascii=False)
data = text.encode()
rows = (data[at : at + 24] for at in range(0, len(data), 24))
with open(sys.argv[2], "w", encoding="ascii") as out:
    for row in rows:
        out.write("".join(f"{byte}," for byte in row) + "\n")
