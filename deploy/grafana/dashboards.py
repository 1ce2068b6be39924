#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboards, told once; Grafana's JSON is made from this.

    deploy/grafana/dashboards.py            write dashboards/*.json
    deploy/grafana/dashboards.py --check    only say whether they are up to date

A dashboard is a list of rows, a row a title and its panels, a panel a title, a unit and its queries.
Queries read the recording rules of ../prometheus where there is one. Values of the queue are those
of a whole deployment: their greatest counts, never their sum.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8

# What a query may say for short. `here`: the processes chosen above the dashboard.
SHORT = {"$here": 'job=~"$job", instance=~"$instance"', "$rate": "[$__rate_interval]"}


def long(query):
    for short, text in SHORT.items():
        query = query.replace(short, text)
    return query


# ---- panels ----


def target(query, legend, letter, instant):
    """Grafana's "target". instant: only the value of now."""
    return {"datasource": SOURCE, "expr": long(query), "legendFormat": legend, "refId": letter,
            "instant": instant, "range": not instant}


def panel(kind, title, unit, queries, about, options, custom, **defaults):
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": [target(q, legend, chr(65 + i), kind in ("stat", "bargauge", "table"))
                    for i, (legend, q) in enumerate(queries.items())],
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom, **defaults}, "overrides": []},
        "options": options,
    }


def lines(title, unit, queries, about="", stack=False, most=None):
    """Values over time. queries: legend -> PromQL."""
    custom = {"lineWidth": 1, "fillOpacity": 30 if stack else 8, "showPoints": "never", "spanNulls": False,
              "stacking": {"mode": "normal" if stack else "none"}}
    more = {} if most is None else {"max": most}
    return panel("timeseries", title, unit, queries, about,
                 {"legend": {"displayMode": "list", "placement": "bottom"},
                  "tooltip": {"mode": "multi", "sort": "desc"}}, custom, **more)


def value(title, unit, query, about="", bad=None, low_is_bad=False, legend=""):
    """One number; red from `bad` on, or up to it."""
    steps = [{"color": "green", "value": None}]
    if bad is not None:
        steps = ([{"color": "red", "value": None}, {"color": "green", "value": bad}] if low_is_bad
                 else [*steps, {"color": "red", "value": bad}])
    return panel("stat", title, unit, {legend: query}, about,
                 {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}, {},
                 thresholds={"mode": "absolute", "steps": steps})


def bars(title, unit, queries, about=""):
    """The values of now, beside each other."""
    return panel("bargauge", title, unit, queries, about,
                 {"orientation": "horizontal", "displayMode": "basic", "reduceOptions": {"calcs": ["lastNotNull"]}}, {})


def quantiles(title, histogram, labels="", by="", about=""):
    """p50, p95 and p99 of a histogram, per label `by` when there is one."""
    legend, more = (f" {{{{{by}}}}}", f", {by}") if by else ("", "")
    return lines(title, "s", {
        f"p{p}{legend}": f"histogram_quantile({p / 100}, sum by (le{more}) (rate({histogram}_bucket{{$here{labels}}}$rate)))"
        for p in (50, 95, 99)
    }, about)


def rate(name, by, labels=""):
    return f"sum by ({by}) (rate({name}{{$here{labels}}}$rate))"


# ---- the dashboards: file name -> title, rows ----

HTTP = "evalx_http_request_duration_seconds"
USERS = ', route!~"/health.*|/metrics"'

DASHBOARDS = {
    "overview": ("evalX overview", {
        "Now": [
            value("Waiting", "short", "sum(evalx:queue_waiting:sum)", "Submissions in the queue."),
            value("Oldest", "s", "max(evalx:queue_oldest_seconds:max)", "How long the oldest has waited.", bad=120),
            value("Workers", "short", "sum(evalx:workers:max)", "Live workers.", bad=1, low_is_bad=True),
            value("Finished a second", "ops", "sum(evalx:submissions:rate5m)"),
            value("Failed requests", "percentunit", "max(evalx:http_errors:ratio5m)", "Answers with 5xx.", bad=0.02),
            value("Alerts", "short", 'sum(ALERTS{alertstate="firing", alertname=~"Evalx.*"}) or vector(0)',
                  "Alerts that fire; none is 0.", bad=1),
        ],
        "Work": [
            lines("Accepted and finished", "ops", {
                "accepted": 'sum(rate(evalx_submissions_accepted_total{$here}$rate))',
                "finished": 'sum(rate(evalx_submissions_total{$here}$rate))'},
                "Where the lines part the queue grows."),
            lines("Verdicts", "ops", {"{{verdict}}": rate("evalx_submissions_total", "verdict")}, stack=True),
            quantiles("From accepted to result", "evalx_job_total_seconds"),
            lines("Queue", "short", {"waiting {{deployment}}": "evalx:queue_waiting:sum",
                                     "running {{deployment}}": "evalx:queue_leased:max",
                                     "lanes {{deployment}}": "evalx:queue_slots:max"}),
        ],
        "Machines": [
            lines("Lanes in use", "percentunit", {"{{instance}}": "evalx_lane_busy_ratio{$here}"}, most=1),
            lines("Is it well", "short", {"{{instance}} ready": "evalx_ready{$here}"}, most=1),
        ],
    }),
    "latency": ("evalX throughput and latency", {
        "Requests": [
            lines("Requests by route", "reqps", {"{{method}} {{route}}": rate(HTTP + "_count", "method, route", USERS)}, stack=True),
            lines("Requests by status", "reqps", {"{{status}}": rate(HTTP + "_count", "status", USERS)}, stack=True),
            quantiles("Requests", HTTP, USERS, about="Waiting for a verdict included, where a client asked to wait."),
            lines("Requests p99 by route", "s", {"{{method}} {{route}}": f"histogram_quantile(0.99, {rate(HTTP + '_bucket', 'le, method, route', USERS)})"}),
            quantiles("Accepting a submission", HTTP, ', method="POST", route="/v1/submissions", status="201"',
                      about="Without waiting for it: what the server itself needs."),
            lines("In flight", "short", {"requests": "sum(evalx_http_requests_in_flight{$here})",
                                         "event streams": "sum(evalx_event_streams{$here})"}),
        ],
        "Submissions": [
            lines("Accepted by face", "ops", {"{{face}}": rate("evalx_submissions_accepted_total", "face")}, stack=True),
            lines("Refused", "ops", {"{{reason}}": rate("evalx_submissions_refused_total", "reason")}, stack=True),
            quantiles("Waiting for a lane", "evalx_job_queue_seconds"),
            quantiles("Compiling and running", "evalx_job_phase_seconds", by="phase"),
            quantiles("From accepted to result", "evalx_job_total_seconds"),
            lines("p99 as alerts see it", "s", {
                "wait for a lane {{deployment}}": "evalx:job_queue_seconds:p99_5m",
                "in all {{deployment}}": "evalx:job_total_seconds:p99_5m",
                "accepting {{deployment}}": "evalx:http_accept_seconds:p99_5m"}),
        ],
    }),
    "queue": ("evalX queue and workers", {
        "Queue": [
            lines("Depth by priority", "short", {"{{priority}} {{deployment}}": "evalx:queue_waiting:max"}, stack=True),
            lines("Age of the oldest", "s", {"{{deployment}}": "evalx:queue_oldest_seconds:max"}),
            lines("Saturation", "none", {"{{deployment}}": "evalx:queue_saturation:max"},
                  "(waiting + running) / lanes: what the autoscaler looks at. Above 1 something waits."),
            lines("How full", "percentunit", {"{{deployment}}": "evalx:queue_fill:ratio"}, "At 100% submissions are refused.", most=1),
            lines("Paused", "short", {"{{deployment}}": "evalx:queue_paused:max"}, most=1),
        ],
        "Workers": [
            lines("Workers", "short", {"{{deployment}}": "evalx:workers:max"}),
            lines("Lanes and what runs", "short", {"lanes {{deployment}}": "evalx:queue_slots:max",
                                                    "leased {{deployment}}": "evalx:queue_leased:max"}),
            lines("Running by process", "short", {"{{instance}}": "evalx_jobs_running{$here}"}, stack=True),
            lines("Lanes in use by process", "percentunit", {
                "{{instance}}": "rate(evalx_lane_busy_seconds_total{$here}$rate) / evalx_lanes{$here}"}, most=1),
        ],
        "Trouble": [
            lines("Dead letters", "short", {"{{deployment}}": "evalx:dead_letters:max"}),
            lines("Leases that ran out in 15 min", "short", {"{{deployment}}": "evalx:lease_expiries:increase15m"}),
            lines("Given back to the queue", "ops", {"{{reason}}": rate("evalx_job_retries_total", "reason")}, stack=True),
        ],
    }),
    "cache": ("evalX cache efficiency", {
        "Hits": [
            bars("Hit rate now", "percentunit", {"{{cache}}": "avg by (cache) (evalx:cache_hits:ratio30m)"}, "Over the last half hour."),
            lines("Hit rate", "percentunit", {"{{cache}} {{deployment}}": "evalx:cache_hits:ratio30m"}, most=1),
            lines("Questions", "ops", {"{{cache}} {{result}}": rate("evalx_cache_requests_total", "cache, result")}, stack=True),
            lines("Builds that nothing saved", "ops", {
                "{{language}}": rate("evalx_job_phase_seconds_count", "language", ', phase="compile"')}, stack=True),
        ],
        "Size": [lines("Held", "bytes", {"{{cache}} {{instance}}": "evalx_cache_bytes{$here}"})],
    }),
    "sandbox": ("evalX sandbox use and errors", {
        "Use": [
            lines("Runs by how they ended", "ops", {"{{outcome}}": rate("evalx_box_runs_total", "outcome")}, stack=True),
            lines("Lanes", "short", {"may compute": "sum(evalx_lanes{$here})", "compute": "sum(evalx_lanes_busy{$here})",
                                     "open": "sum(evalx_lanes_open{$here})", "wait": "sum(evalx_lanes_waiting{$here})"}),
            quantiles("What a box adds to a run", "evalx_box_overhead_seconds"),
            lines("Memory promised", "percentunit", {
                "{{instance}}": "evalx_box_memory_promised_bytes{$here} / evalx_box_memory_limit_bytes{$here}"}, most=1),
        ],
        "Errors": [
            lines("Runs that failed through evalX", "percentunit", {"{{deployment}}": "evalx:box_trouble:ratio15m"}),
            lines("Verdict internal_error", "percentunit", {"{{deployment}}": "evalx:internal_errors:ratio5m"}),
            lines("Boxes built anew", "ops", {"{{instance}}": rate("evalx_box_rebuilds_total", "instance")}),
            lines("Layers", "short", {"{{layer}}": "min by (layer) (evalx_sandbox_layer_up{$here})"}, "0: nothing runs there.", most=1),
        ],
    }),
    "languages": ("evalX languages", {
        "Use": [
            lines("Finished by language", "ops", {"{{language}}": rate("evalx_submissions_total", "language")}, stack=True),
            bars("In the time shown", "short", {"{{language}}": "sort_desc(sum by (language) (increase(evalx_submissions_total{$here}[$__range])))"}),
            lines("Accepted of all", "percentunit", {
                "{{language}}": f"""({rate("evalx_submissions_total", "language", ', verdict="accepted"')} or 0 * {rate("evalx_submissions_total", "language")}) / {rate("evalx_submissions_total", "language")}"""}, most=1),
            lines("Hints given", "ops", {"{{language}}": rate("evalx_hints_total", "language")}, stack=True),
        ],
        "Time": [
            lines("Compiling, p95", "s", {"{{language}}": f"""histogram_quantile(0.95, {rate("evalx_job_phase_seconds_bucket", "le, language", ', phase="compile"')})"""}),
            lines("Running, p95", "s", {"{{language}}": f"""histogram_quantile(0.95, {rate("evalx_job_phase_seconds_bucket", "le, language", ', phase="run"')})"""}),
            quantiles("Looking for hints", "evalx_hint_seconds"),
            lines("Language model", "ops", {"{{result}}": rate("evalx_llm_requests_total", "result") + " or vector(0)"},
                  "Questions by how they ended; 0 where no model is set up."),
        ],
    }),
    "webhooks": ("evalX webhooks", {
        "Deliveries": [
            lines("Attempts", "ops", {"{{result}}": rate("evalx_webhook_attempts_total", "result")}, stack=True),
            lines("Failed", "percentunit", {"{{deployment}}": "evalx:webhook_failures:ratio15m"}, most=1),
            lines("Pending", "short", {"{{deployment}}": "evalx:webhook_pending:max"}, "To be sent, or to be sent again."),
            quantiles("Time of an attempt", "evalx_webhook_attempt_seconds"),
        ],
    }),
    "health": ("evalX dependencies and health", {
        "Dependencies": [
            lines("Is it well", "short", {"{{dependency}} {{instance}}": "evalx_up{$here}"}, "0: GET /health there says why.", most=1),
            lines("Ready", "short", {"{{instance}}": "evalx_ready{$here}"}, most=1),
            lines("Store errors", "ops", {"{{operation}}": rate("evalx_store_errors_total", "operation")}, stack=True),
            value("Redis keeps an append-only file", "short", "min(evalx_redis_persistent{$here} or vector(1))",
                  "1: it does, or there is no Redis.", bad=1, low_is_bad=True),
            lines("Disk free", "percentunit", {"{{instance}} {{folder}}": "evalx_disk_free_bytes{$here} / evalx_disk_size_bytes{$here}"}, most=1),
            lines("Disk free in 24 h", "bytes", {"{{instance}} {{folder}}": "clamp_min(predict_linear(evalx_disk_free_bytes{$here}[6h], 86400), 0)"},
                  "If it goes on as in the last six hours."),
        ],
        "Processes": [
            lines("CPU", "short", {"{{instance}}": "rate(process_cpu_seconds_total{$here}$rate)"}, "Cores that evalx itself uses."),
            lines("Memory", "bytes", {"{{instance}} resident": "process_resident_memory_bytes{$here}"}),
            lines("Open files", "percentunit", {"{{instance}}": "process_open_fds{$here} / process_max_fds{$here}"}, most=1),
            lines("Threads", "short", {"{{instance}}": "process_threads{$here}"}),
            lines("Log lines", "ops", {"{{level}}": rate("evalx_log_lines_total", "level")}, stack=True),
            lines("Up since", "dateTimeFromNow", {"{{instance}}": "1000 * process_start_time_seconds{$here}"}),
            lines("Time to make /metrics", "s", {"{{instance}}": "evalx_metrics_scrape_seconds{$here}"}),
            bars("Versions", "short", {"{{version}} {{role}}": "count by (version, role) (evalx_build_info{$here})"}),
        ],
    }),
}


# ---- around them ----


def choice(name, query):
    """A variable with all values of a label, of which several may be chosen."""
    return {"type": "query", "name": name, "label": name, "datasource": SOURCE, "definition": query,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".*", "current": {"selected": True, "text": "All", "value": "$__all"}}


VARIABLES = [
    {"type": "datasource", "name": "datasource", "label": "data source", "query": "prometheus", "current": {}},
    choice("job", "label_values(evalx_build_info, job)"),
    choice("instance", 'label_values(evalx_build_info{job=~"$job"}, instance)'),
]


def placed(rows):
    """Panels with ids and places: numbers six in a row, the rest two."""
    out, y = [], 0
    for title, panels in rows.items():
        out.append({"type": "row", "title": title, "collapsed": False, "panels": [],
                    "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        y, x, tall = y + 1, 0, 0
        for p in panels:
            small = p["type"] == "stat"
            w, h = (WIDTH // 6, HEIGHT // 2) if small else (WIDTH // 2, HEIGHT)
            if x + w > WIDTH:
                x, y, tall = 0, y + tall, 0
            out.append({**p, "gridPos": {"x": x, "y": y, "w": w, "h": h}})
            x, tall = x + w, max(tall, h)
        y += tall
    return [{"id": i, **p} for i, p in enumerate(out, 1)]


def dashboard(name):
    title, rows = DASHBOARDS[name]
    return {
        "uid": f"evalx-{name}",
        "title": title,
        "tags": ["evalx"],
        "schemaVersion": 38,  # Grafana 10; newer ones bring it up to date by themselves
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "title": "evalX", "tags": ["evalx"], "asDropdown": True, "includeVars": True,
                   "keepTime": True}],
        "templating": {"list": VARIABLES},
        "annotations": {"list": [{
            "name": "alerts", "enable": True, "iconColor": "red", "datasource": SOURCE,
            "expr": 'ALERTS{alertstate="firing", alertname=~"Evalx.*"}', "titleFormat": "{{alertname}}"}]},
        "panels": placed(rows),
    }


def text(name):
    return json.dumps(dashboard(name), indent=2, ensure_ascii=False) + "\n"


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for name in DASHBOARDS:
        file = HERE / f"{name}.json"
        if not file.exists() or file.read_text() != text(name):
            stale.append(file.name)
            if not check:
                HERE.mkdir(exist_ok=True)
                file.write_text(text(name))
    if stale:
        print(f"{'out of date' if check else 'written'}: {' '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
