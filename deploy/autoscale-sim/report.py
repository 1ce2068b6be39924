# SPDX-License-Identifier: Apache-2.0
"""report.py - the results of some runs as JSON, as plots and as the figures of docs/autoscaling.md."""

import bisect
import os
import re
import time

import plot

MINUTE = 60


def as_json(results, args, load_before, by_workers):
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "factor": args.factor,
        "wait_ms": args.wait_ms,
        "load_average_before": [round(one, 2) for one in load_before],
        "per_second_by_workers": by_workers,
        "runs": {name: one_as_json(record) for name, record in results.items()},
    }


def one_as_json(record):
    return {"title": record.plan.title, "figures": record.figures, "wrong": record.wrong, "syncs": record.syncs,
            "ready": [[round(at, 2), count] for at, count in record.ready],
            "series": {name: [[at, value] for at, value in points] for name, points in record.series.items()},
            "latency": [[round(at, 1), round(value, 3)] for at, value in percentile(record.latencies, 95)],
            "pods": [[round(at, 2), pod, what] for at, pod, what in record.pod_events]}


# ---- plots ----


def minutes(points):
    return [(at / MINUTE, value) for at, value in points]


def percentile(latencies, percent, bins=120):
    """[(middle of a bin, that percentile of what ended in it)]."""
    if not latencies:
        return []
    first, last = latencies[0][0], latencies[-1][0]
    width = (last - first) / bins or 1
    times, out = [at for at, _ in latencies], []
    for i in range(bins):
        a, b = bisect.bisect_left(times, first + i * width), bisect.bisect_left(times, first + (i + 1) * width)
        values = sorted(value for _, value in latencies[a:b])
        if values:
            out.append((first + (i + 0.5) * width, values[min(int(len(values) * percent / 100), len(values) - 1)]))
    return out


def workers_panel(record, top):
    proposed = [(s["at"], min(s["proposed"], top)) for s in record.syncs if s["proposed"] is not None]
    desired = [(s["at"], s["desired"]) for s in record.syncs]

    def steps(points):
        return minutes(points + [(end_of(record), points[-1][1])]) if points else []

    return plot.Panel("Workers", [
        plot.Line("asked for", steps(proposed), "two", steps=True),
        plot.Line("desired", steps(desired), "four", steps=True),
        plot.Line("ready", steps(record.ready), "one", steps=True, area=True)], whole=True, least_top=2)


def queue_panel(record):
    return plot.Panel("Submissions in the queue", [
        plot.Line("waiting", minutes(record.series["waiting"]), "one", area=True)], least_top=10)


def waited_panel(record):
    return plot.Panel("Seconds a submission took (real)", [
        plot.Line("oldest waiting", minutes(record.series["oldest"]), "two"),
        plot.Line("median", minutes(percentile(record.latencies, 50)), "three"),
        plot.Line("95 %", minutes(percentile(record.latencies, 95)), "one")])


def column(record, panels, end, top):
    made = {"queue": lambda: queue_panel(record), "workers": lambda: workers_panel(record, top),
            "waited": lambda: waited_panel(record)}
    marks = tuple(at / MINUTE for at, _ in record.plan.bursts)
    return plot.Column(f"{record.plan.title} (dotted: burst)", [made[name]() for name in panels], end / MINUTE,
                       "minutes of the cluster", marks)


def end_of(record):
    """A little later than the last sync, so that what it led to can be seen."""
    return max([s["at"] for s in record.syncs] + [1]) + MINUTE / 2


def draw(title, records, panels, top):
    end = max(end_of(record) for record in records)
    return plot.draw(title, [column(record, panels, end, top) for record in records])


PLOTS = (
    ("autoscaling.svg", "{} submissions at once: the queue, its workers, and who waited how long", ("queue",),
     ("queue", "workers", "waited")),
    ("autoscaling-signals.svg", "{} submissions that mostly wait: scaled on the queue, on CPU, and by KEDA from none",
     ("queue-small", "cpu", "keda"), ("queue", "workers")),
    ("autoscaling-waves.svg", "Five bursts: what tolerance and stabilisation are for", ("waves", "waves-bare"),
     ("queue", "workers")),
)


# ---- docs/autoscaling.md ----

ROWS = (
    ("submissions", "submissions", "{}"),
    ("handed in per second", "submitted_per_second", "{}/s"),
    ("lost, wrong or changed", "wrong", "{}"),
    ("run more than once", "run_again", "{}"),
    ("most workers", "most_workers", "{}"),
    ("burst to first new worker ready", "first_new_worker_ready_s", "{} s*"),
    ("burst to drained", "drained_real_s", "{} s"),
    ("oldest age, peak", "oldest_peak_real_s", "{} s"),
    ("accepted to finished, median, 95 %", ("p50", "p95"), "{}, {} s"),
    ("drained to as few workers as before", "scaled_down_s", "{} s*"),
    ("pods started", "pods", "{}"),
    ("scalings, turns", ("scalings", "turns"), "{}, {}"),
    ("worker-seconds", "worker_seconds", "{} s*"),
    ("pods that had work at SIGTERM, killed", ("pods_busy_at_sigterm", "pods_killed"), "{}, {}"),
)


def table(results):
    names = list(results)
    lines = ["| | " + " | ".join(f"`{name}`" for name in names) + " |", "|---|" + "---|" * len(names)]
    for label, keys, form in ROWS:
        keys = keys if isinstance(keys, tuple) else (keys,)
        cells = []
        for name in names:
            figures = {**results[name].figures, **results[name].figures["latency_real_s"]}
            values = [figures[key] for key in keys]
            cells.append("–" if None in values else form.format(*(f"{v:,}" for v in values)))
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def throughput(by_workers):
    if not by_workers:
        return ""
    first = next(iter(by_workers.values()))
    rows = [f"| {count} | {rate:.1f} | {rate / first:.1f}x |" for count, rate in by_workers.items()]
    return "\n\n| workers | submissions/s | against one |\n|---|---|---|\n" + "\n".join(rows)


def conditions(results, args):
    loads = ", ".join(f"{name} {record.figures['load_average'][0]}" for name, record in results.items())
    return (f"{time.strftime('%Y-%m-%d', time.gmtime())}, {len(os.sched_getaffinity(0))} cores, a second of ours is "
            f"{args.factor:g} of the cluster's (*: of the cluster's). Load average at the end of each run: {loads}.\n\n")


def write_docs(results, args, folder, by_workers):
    top = args.most
    for name, title, wanted, panels in PLOTS:
        if all(one in results for one in wanted):
            records = [results[one] for one in wanted]
            title = title.format(f"{records[0].plan.bursts[0][1]:,}")
            (folder / name).write_text(draw(title, records, panels, top))
    page = folder / "autoscaling.md"
    old = page.read_text()
    content = conditions(results, args) + table(results) + throughput(by_workers)
    pattern = r"(<!-- figures: made by make autoscale-sim -->\n).*?(<!-- end of figures -->)"
    if not re.search(pattern, old, re.DOTALL):
        raise SystemExit("docs/autoscaling.md has no region for the figures")
    page.write_text(re.sub(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", old, flags=re.DOTALL))
