# SPDX-License-Identifier: Apache-2.0
"""What tests of the monitoring share: its files, queries taken apart, durations made short."""

import json
import re
import shutil
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
DEPLOY = TOP / "deploy"
RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))


def rules():
    """Every rule, recording ones too."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def panels():
    """Every query of every panel."""
    for file in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield target["expr"]


def bounds(query):
    """Of a query its parts without conditions: a > 5 and b == 0 gives a, b. Numbers are left out.

    Conditions hide values on purpose; what is behind them has to be there all the same.
    """
    depth, start, parts, i, quoted = 0, 0, [], 0, None
    cut = re.compile(r"(?:\b(?:and|unless|or)\b|==|!=|>=|<=|>|<)(?:\s*(?:on|ignoring)\s*\([^)]*\))?")
    while i < len(query):
        c = query[i]
        if quoted:
            quoted = None if c == quoted else quoted
        elif c in "\"'":
            quoted = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif depth == 0 and (found := cut.match(query, i)) and (i == 0 or not query[i - 1].isalnum() or not c.isalpha()):
            parts.append(query[start:i])
            start = i = found.end()
            continue
        i += 1
    parts = [part.strip() for part in (*parts, query[start:])]
    return [part for part in parts if part and not re.fullmatch(r"[0-9.]+", part)]


def names(query):
    """The metrics a query reads."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", query)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    return set(re.findall(r"(?<![\w:])(?:evalx[_:][\w:]+|process_\w+)", bare))


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def shorter(text, by):
    """A duration such as "10m" divided; a second is the least."""
    seconds = sum(int(n) * SECONDS[unit] for n, unit in re.findall(r"(\d+)([smhd])", text))
    return f"{max(1, round(seconds / by))}s"


def quick_rules(folder, by):
    """Copies of the rules in which only waiting is shorter: `for` and `keep_firing_for` are divided,
    and groups run every second. What is asked, and from which value on, stays what it is."""
    folder.mkdir()
    for file in RULES:
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                for key in {"for", "keep_firing_for"} & set(rule):
                    rule[key] = shorter(rule[key], by)
        (folder / file.name).write_text(yaml.safe_dump(content, sort_keys=False))


def has(*programs):
    return all(shutil.which(name) for name in programs)
