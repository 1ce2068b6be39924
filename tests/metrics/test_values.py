# SPDX-License-Identifier: Apache-2.0
"""After known work the numbers are the known ones."""

import time
from concurrent.futures import ThreadPoolExecutor

from live import Server
from page import scrape
from receiver import SECRET, Receiver, answer
from redis_servers import until

NAP = "sleep 30"


def run(server, wait=30, **job):
    job = {"language": "bash", "source": "echo hi", **job}
    status, answer = server.post(f"/v1/submissions?wait={wait}" if wait else "/v1/submissions", job)
    assert status in (200, 201), answer
    return answer


def until_page(server, true, what, seconds=20):
    """The first page of which it is true."""

    def look():
        page = scrape(server)
        return page if true(page) else None

    return until(look, what, seconds)


def test_results_are_counted_by_language_and_verdict_and_runs_by_their_end(server):
    before = scrape(server)
    for _ in range(3):
        assert run(server)["verdict"] == "accepted"
    assert run(server, expected_output="ho")["verdict"] == "wrong_answer"
    assert run(server, source="exit 3")["verdict"] == "runtime_error"
    assert run(server, source="kill -SEGV $$")["verdict"] == "runtime_error"
    assert run(server, source="while :; do :; done", limits={"cpu_time_ms": 100})["verdict"] == "cpu_time_limit"
    assert run(server, language="c", source="int main(void) { return")["verdict"] == "compile_error"
    page = scrape(server)

    assert before.sum("evalx_submissions_total") == 0 and page.sum("evalx_submissions_total") == 8
    for language, verdict, count in (("bash", "accepted", 3), ("bash", "wrong_answer", 1), ("bash", "runtime_error", 2),
                                     ("bash", "cpu_time_limit", 1), ("c", "compile_error", 1)):  # fmt: skip
        assert page["evalx_submissions_total", {"language": language, "verdict": verdict}] == count
    for outcome, count in (("exit", 6), ("signal", 1), ("cpu_time", 1), ("trouble", 0)):
        assert page["evalx_box_runs_total", {"outcome": outcome}] == count, outcome
    assert page["evalx_box_overhead_seconds_count"] == 8
    assert page["evalx_submissions_accepted_total", {"face": "native"}] == 8
    for family in ("evalx_job_queue_seconds", "evalx_job_total_seconds"):
        assert page[f"{family}_count"] == page[f"{family}_bucket", {"le": "+Inf"}] == 8
        assert page[f"{family}_sum"] > 0
    assert page["evalx_job_phase_seconds_count", {"phase": "run", "language": "bash"}] == 7
    assert page["evalx_job_phase_seconds_count", {"phase": "compile", "language": "c"}] == 1
    assert ("evalx_job_phase_seconds_count", {"phase": "compile", "language": "bash"}) not in page
    assert page["evalx_lane_busy_seconds_total"] > 0.1, "of the loop alone"
    assert page.sum("evalx_hints_total") > 0


def test_a_histogram_holds_the_times_the_api_tells(server):
    told = 0
    for seconds in (0, 0.03, 0.3):
        answer = run(server, source=f"sleep {seconds}")
        told += answer["times"]["run_ms"] / 1000 if "times" in answer else seconds
    page = scrape(server)
    name, labels = "evalx_job_phase_seconds", {"phase": "run", "language": "bash"}
    assert page[f"{name}_sum", labels] >= 0.33
    assert page[f"{name}_bucket", {**labels, "le": "0.25"}] == 2
    assert page[f"{name}_bucket", {**labels, "le": "2.5"}] == 3


def test_caches_tell_hits_from_misses(server):
    program = "int main(void) { return 0; }"
    for _ in range(3):
        run(server, language="c", source=program)
    for _ in range(3):
        run(server, source="echo again", cache="result")
    page = scrape(server)
    for cache, result, count in (("build", "miss", 1), ("build", "hit", 2), ("result", "miss", 1), ("result", "hit", 2)):
        assert page["evalx_cache_requests_total", {"cache": cache, "result": result}] == count, (cache, result)
    assert page["evalx_cache_bytes", {"cache": "result"}] > 0
    assert page["evalx_job_phase_seconds_count", {"phase": "compile", "language": "c"}] == 1, "the others were no builds"


def test_the_queue_shows_its_depth_its_age_and_how_many_lanes_it_would_need(server):
    assert scrape(server)["evalx_queue_saturation"] == 0
    assert server.client().request("POST", "/v1/queue/pause")[0] in (200, 204)
    for priority, count in (("low", 1), ("normal", 2), ("high", 3)):
        for _ in range(count):
            run(server, wait=0, priority=priority)
    page = until_page(server, lambda p: p.sum("evalx_queue_depth") == 6 and p["evalx_queue_oldest_seconds"] > 1, "depth")
    for priority, count in (("low", 1), ("normal", 2), ("high", 3)):
        assert page["evalx_queue_depth", {"priority": priority}] == count
    assert page["evalx_queue_paused"] == 1 and page["evalx_queue_leased"] == 0
    assert page["evalx_queue_slots"] == 2 and page["evalx_workers"] == 1
    assert page["evalx_queue_saturation"] == 3
    assert 1 < page["evalx_queue_oldest_seconds"] < 20

    assert server.client().request("POST", "/v1/queue/resume")[0] in (200, 204)
    page = until_page(server, lambda p: p.sum("evalx_queue_depth") == 0 and p["evalx_queue_leased"] == 0, "drained")
    assert page["evalx_queue_saturation"] == page["evalx_queue_oldest_seconds"] == page["evalx_queue_paused"] == 0


def test_what_runs_counts_as_load_and_lanes_say_that_they_are_busy(server):
    tokens = [run(server, wait=0, source="while :; do :; done", limits={"cpu_time_ms": 20000})["token"] for _ in range(2)]
    page = until_page(server, lambda p: p["evalx_lanes_busy"] == 2 and p["evalx_queue_leased"] == 2, "two run")
    assert page["evalx_queue_saturation"] == 1 and page["evalx_lane_busy_ratio"] == 1
    assert page["evalx_jobs_running"] == 2 and page["evalx_box_memory_promised_bytes"] >= 2 * (256 << 20)
    first = page["evalx_lane_busy_seconds_total"]
    time.sleep(0.5)
    assert scrape(server)["evalx_lane_busy_seconds_total"] - first > 0.5, "seconds of runs that go on count too"
    for token in tokens:
        server.post(f"/v1/submissions/{token}/cancel", None)
    page = until_page(server, lambda p: p["evalx_jobs_running"] == 0, "ended")
    assert page["evalx_submissions_total", {"language": "bash", "verdict": "cancelled"}] == 2
    assert page["evalx_box_runs_total", {"outcome": "cancelled"}] == 2


def test_refusals_are_counted_by_their_reason_and_once_each():
    settings = {"EVALX_AUTH_TOKENS": "t", "EVALX_BODY_BYTES": "4KiB", "EVALX_QUEUE_MAX": "1", "EVALX_STORE": "memory",
                "EVALX_ADMIN_TOKENS": "root"}  # fmt: skip
    with Server(settings) as server:
        client = server.client()

        def post(body, path="/v1/submissions", token="t"):
            return client.request("POST", path, body, {"Authorization": f"Bearer {token}"})[0]

        good = {"language": "bash", "source": "echo"}
        assert client.request("POST", "/v1/queue/pause", None, {"Authorization": "Bearer root"})[0] in (200, 204)
        assert post(good, token="u") == 401
        assert post({**good, "source": "x" * 5000}) == 413
        assert post({"language": "klingon", "source": ""}) == 422
        assert post({"nonsense": 1}) == 422
        assert post({"source_code": "x"}, "/submissions") == 422
        assert post({"submissions": [{"source_code": ""}, {"language_id": 46, "source_code": "echo"}]}, "/submissions/batch") in (201, 503)
        while post(good) == 201:
            pass
        assert post(good) == 503
        page = scrape(server)
        reasons = {labels["reason"]: float(value) for _, labels, value in page.families["evalx_submissions_refused_total"].lines}
        assert reasons["unauthorized"] == 1 and reasons["too_large"] == 1 and reasons["unavailable"] == 0
        assert reasons["queue_full"] >= 2 and reasons["invalid"] >= 3
        accepted = page.sum("evalx_submissions_accepted_total")
        assert accepted == page.sum("evalx_queue_depth") == 1


def test_requests_are_counted_by_their_pattern_and_never_by_what_a_client_wrote(server):
    client = server.client()
    token = run(server)["token"]
    for path in (f"/v1/submissions/{token}", "/v1/submissions/nothing", "/nowhere/at/all", "/nowhere/else"):
        client.get(path)
    client.request("BREW", "/v1/submissions")
    client.request("HEAD", "/v1/languages")
    page = scrape(server)
    name = "evalx_http_request_duration_seconds_count"
    one = "/v1/submissions/:token"
    assert page[name, {"route": one, "method": "GET", "status": "200"}] == 1
    assert page[name, {"route": one, "method": "GET", "status": "404"}] == 1
    assert page[name, {"route": "other", "method": "GET", "status": "404"}] == 2
    assert page[name, {"route": "/v1/languages", "method": "HEAD", "status": "200"}] == 1
    assert page.sum(name, method="other") == 1 and token not in page.text and "nowhere" not in page.text
    until_page(server, lambda p: p["evalx_http_requests_in_flight"] == 1, "the page itself is left")


def test_clients_that_wait_and_follow_are_in_flight(server):
    token = run(server, wait=0, source=NAP)["token"]
    stream = server.client()
    stream.http = __import__("http.client").client.HTTPConnection(server.host, server.port, timeout=20)
    stream.http.request("GET", f"/v1/submissions/{token}/events")
    answer = stream.http.getresponse()
    assert answer.status == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.get, f"/v1/submissions/{token}?wait=30")
        page = until_page(server, lambda p: p["evalx_http_requests_in_flight"] == 3, "two besides the scrape")
        assert page["evalx_event_streams"] == 1
        server.post(f"/v1/submissions/{token}/cancel", None)
        assert waiting.result()[1]["state"] == "cancelled"
    answer.read()
    stream.close()
    until_page(server, lambda p: p["evalx_event_streams"] == 0 and p["evalx_http_requests_in_flight"] == 1, "gone")


def test_webhooks_are_counted_by_what_became_of_the_attempt():
    settings = {"EVALX_WEBHOOK_ALLOW": "127.0.0.0/8", "EVALX_WEBHOOK_SECRET": SECRET, "EVALX_WEBHOOK_SCHEDULE": "0,100ms",
                "EVALX_STORE": "memory"}  # fmt: skip
    with Receiver() as well, Receiver(answer(500)) as ill, Server(settings) as server:
        for url in (well.url("/a"), well.url("/b"), ill.url("/c")):
            run(server, webhook_url=url)
        name = "evalx_webhook_attempts_total"
        page = until_page(server, lambda p: p.sum(name) == 4 and p["evalx_webhook_pending"] == 0, "four attempts")
        assert page[name, {"result": "delivered"}] == 2 and page[name, {"result": "failed"}] == 2
        assert page["evalx_webhook_attempt_seconds_count"] == 4


def test_one_that_fails_every_attempt_is_a_dead_letter():
    with Server({"EVALX_ATTEMPTS": "1", "EVALX_LANES": "1"}) as server:
        token = run(server, wait=0, source=NAP, limits={"wall_time_ms": 60000})["token"]
        until_page(server, lambda p: p["evalx_queue_leased"] == 1, "it runs")
        server.kill()
        server.start()
        assert server.get(f"/v1/submissions/{token}?wait=30")[1]["verdict"] == "internal_error"
        page = until_page(server, lambda p: p["evalx_dead_letters"] == 1, "dead")
        assert page["evalx_submissions_total", {"language": "bash", "verdict": "internal_error"}] == 1
        assert page["evalx_log_lines_total", {"level": "error"}] >= 1


def test_counters_only_grow_while_load_runs_and_many_scrape(server):
    def load(n):
        for _ in range(n):
            run(server, source="echo $RANDOM")

    def watch(_):
        seen, rounds = {}, 0
        while not done.done() or rounds < 3:
            page = scrape(server)
            for family in page.families.values():
                for name, labels, value in family.lines:
                    if family.type != "gauge":
                        key = name, frozenset(labels.items())
                        assert float(value) >= seen.get(key, 0), key
                        seen[key] = float(value)
                    if name.endswith("_count"):
                        assert float(value) == page[name[:-5] + "bucket", {**labels, "le": "+Inf"}], name
            rounds += 1
        return rounds

    with ThreadPoolExecutor(5) as pool:
        done = pool.submit(lambda: [f.result() for f in [pool.submit(load, 60) for _ in range(2)]])
        assert all(rounds > 2 for rounds in pool.map(watch, range(2)))
        done.result()
    page = scrape(server)
    assert page["evalx_submissions_total", {"language": "bash", "verdict": "accepted"}] == 120
    assert page["evalx_metrics_scrape_seconds"] < 0.3
