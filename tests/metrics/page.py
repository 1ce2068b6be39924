# SPDX-License-Identifier: Apache-2.0
"""A page of /metrics, read by the rules of the text format and not by evalX's.

    page = scrape(server)
    page["evalx_queue_depth", {"priority": "low"}]      # a number, KeyError when it is not there
    page.families["evalx_up"].type                      # "gauge"
    page.sum("evalx_submissions_total", language="c")   # of all that match
"""

import re
import subprocess

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def labels_of(text):
    found, at = {}, 0
    while at < len(text or ""):
        match = LABEL.match(text, at)
        assert match, text
        found[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()
    return found


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.lines = []  # (name with suffix, labels, value as text)


class Page:
    def __init__(self, text):
        self.text = text
        self.families = {}
        self.values = {}
        family = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name, words = line[7:].split(" ", 1)
                assert name not in self.families, f"twice: {name}"
                family = self.families[name] = Family(name, words)
            elif line.startswith("# TYPE "):
                name, family.type = line[7:].split(" ")
                assert name == family.name
            else:
                match = LINE.match(line)
                assert match and family and family.type, line
                labels = labels_of(match[2])
                family.lines.append((match[1], labels, match[3]))
                key = match[1], frozenset(labels.items())
                assert key not in self.values, f"twice: {line}"
                self.values[key] = float(match[3])
        assert text == "" or text.endswith("\n")

    def __getitem__(self, key):
        name, labels = (key, {}) if isinstance(key, str) else key
        return self.values[name, frozenset(labels.items())]

    def __contains__(self, key):
        name, labels = (key, {}) if isinstance(key, str) else key
        return (name, frozenset(labels.items())) in self.values

    def sum(self, metric, **labels):
        return sum(value for (name, has), value in self.values.items() if name == metric and has >= set(labels.items()))


def scrape(server):
    status, text = server.get("/metrics")
    assert status == 200, text
    return Page(text)


def check(text):
    """What promtool has against it; "" when nothing."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode or done.stderr or done.stdout else ""
