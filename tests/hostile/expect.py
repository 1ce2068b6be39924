# SPDX-License-Identifier: Apache-2.0
"""Whether a report is what a program's comment expects. Each mismatch is a sentence.

    end=cpu|wall            one of these
    exit_code=0 signal=9    as in the report
    cpu_ms=300..340         a range, either end may be missing; also wall_ms, memory_mb,
                            overhead_ms (the lane's own time: killing what is left, collecting)
    out="text"              exactly; out_has, out_lacks (any of "a|b"); out_bytes; the same for err
    collected="name:size:mode ..."          the results, in the order of their names
    collected_files, collected_bytes        their number and size together
    collected_lacks=text, clean_names=yes, files_cut=yes
    cpu_us=stdout           the program printed what it used: within 2 % or 5 ms. memory_bytes:
                            3 % or 1 MB. wall_us: 10 ms
"""

from cases import SLOW

MB = 1 << 20
START_US = 3000 * SLOW if SLOW > 1 else 0  # an emulated processor needs tens of ms to start a program


def mismatches(expect, report):
    found = []
    for key, want in expect:
        check = CHECKS.get(key)
        if check is None:
            found.append(f"the comment expects an unknown {key}")
        elif problem := check(key, want, report):
            found.append(problem)
    return found


def only_times(wrong):
    """Nothing is wrong but how long something took."""
    return bool(wrong) and all(w.startswith(("cpu_", "wall_", "overhead_")) for w in wrong)


def one_of(key, want, report):
    if str(report[key]) not in want.split("|"):
        return f"{key} is {report[key]}, not {want}"


def within(value, want):
    low, dots, high = want.partition("..")
    if not dots:
        return value == float(want)
    return (not low or value >= float(low)) and (not high or value <= float(high))


def measured(field, unit):
    """On a slow machine the upper end of a time is further away."""
    slower = SLOW if field.endswith("_us") else 1

    def check(key, want, report):
        low, dots, high = want.partition("..")
        if high:
            want = f"{low}{dots}{float(high) * slower}"
        if not within(report[field] / unit, want):
            return f"{key} is {report[field] / unit:.1f}, not {want}"

    return check


def stream(name):
    def exact(key, want, report):
        if report[name] != want.encode("latin-1"):
            return f"{name} is {report[name][:300]!r}, not {want!r}"

    def has(key, want, report):
        if not any(w.encode() in report[name] for w in want.split("|")):
            return f"{name} lacks {want!r}: {report[name][:300]!r}"

    def lacks(key, want, report):
        if any(w.encode() in report[name] for w in want.split("|")):
            return f"{name} has {want!r}: {report[name][:300]!r}"

    def size(key, want, report):
        if not within(len(report[name]), want):
            return f"{name} has {len(report[name])} bytes, not {want}"

    return {name: exact, f"{name}_has": has, f"{name}_lacks": lacks, f"{name}_bytes": size}


def collected(key, want, report):
    files = sorted(report["files"], key=lambda f: f["path"])
    is_now = " ".join(f"{f['path']}:{f['size']}:{f['mode']:o}" for f in files)
    if is_now != want:
        return f"collected {is_now[:300]!r}, not {want!r}"


def collected_lacks(key, want, report):
    for f in report["files"]:
        if want.encode() in f["content"]:
            return f"{f['path']} was collected with {want!r} in it"


def clean_names(key, want, report):
    for f in report["files"]:
        path = f["path"]
        if not path.isprintable() or "\ufffd" in path or any(0xDC80 <= ord(c) <= 0xDCFF for c in path):
            return f"collected the name {path!r}"
    if not any(f["path"] == "plain" for f in report["files"]):
        return "the file with a plain name was not collected"


def flag(key, want, report):
    if report[key] != (want == "yes"):
        return f"{key} is {report[key]}, not {want}"


def known(share, slack, overhead=0):
    """The figure of the report against what the program says it used; overhead is the program's own
    start, which it cannot see."""

    def check(key, want, report):
        if not report["out"].strip().isdigit():
            return f"{key}: the program did not say what it used"
        said = int(report["out"])
        tolerance = max(share * said, slack)
        over = report[key] - said
        if not -tolerance <= over <= tolerance + overhead:
            return f"{key} is {report[key]}, the program used {said}: {over:+}, allowed {tolerance:.0f}"

    return check


CHECKS = {
    "end": one_of,
    "exit_code": one_of,
    "signal": one_of,
    "cpu_ms": measured("cpu_us", 1000),
    "wall_ms": measured("wall_us", 1000),
    "overhead_ms": measured("overhead_us", 1000),
    "memory_mb": measured("memory_bytes", MB),
    **stream("out"),
    **stream("err"),
    "collected": collected,
    "collected_files": lambda key, want, r: (
        None if within(len(r["files"]), want) else f"{len(r['files'])} files, not {want}"
    ),
    "collected_bytes": lambda key, want, r: (
        None if within(sum(f["size"] for f in r["files"]), want) else "more bytes than " + want
    ),
    "collected_lacks": collected_lacks,
    "clean_names": clean_names,
    "files_cut": flag,
    "cpu_us": known(0.02, 5000, START_US),
    "memory_bytes": known(0.03, MB),
    "wall_us": known(0, 10000),
}
