# SPDX-License-Identifier: Apache-2.0
"""The page itself: its form, who may read it, what it says in each role, and when something is away."""

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from live import Server
from page import check, scrape
from redis_servers import until
from world import Deployment

TOP = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|([^|]*)\|", re.M)
SETTINGS = {"EVALX_REDIS_PREFIX": "m", "EVALX_HINTS_LLM_URL": "http://127.0.0.1:9/v1", "EVALX_HINTS_LLM_MODEL": "m"}


class Told:
    """A row of docs/metrics.md."""

    def __init__(self, match):
        self.type, self.labels = match[2], set(re.findall(r"`(\w+)`", match[3]))
        self.roles = set(match[4].split())
        self.cluster = match[5].strip() == "yes"


@pytest.fixture(scope="module")
def told():
    rows = {m[1]: Told(m) for m in ROW.finditer((TOP / "docs/metrics.md").read_text())}
    assert len(rows) > 50
    return rows


@pytest.fixture(scope="module")
def crew():
    """An API with two workers over a Redis, after some work."""
    from redis_servers import Redis

    with Redis() as redis, Deployment(redis, 1, 2, SETTINGS) as d:
        for _ in range(4):
            d.wait(d.submit("int main(void) { return 0; }", language="c"))
        until(lambda: scrape(d.api())["evalx_workers"] == 2, "both workers are known")
        yield d


def families_of(page):
    return {name: f for name, f in page.families.items()}


def compare(page, told, roles):
    """What page and documentation do not agree about."""
    wanted = {name for name, row in told.items() if row.roles & roles}
    here = families_of(page)
    wrong = [f"not on the page: {name}" for name in wanted - set(here)]
    wrong += [f"not in the documentation: {name}" for name in set(here) - wanted]
    for name in wanted & set(here):
        if here[name].type != told[name].type:
            wrong.append(f"{name}: {here[name].type} is no {told[name].type}")
        for _, labels, _ in here[name].lines:
            if set(labels) - {"le"} != told[name].labels:
                wrong.append(f"{name}: labels {set(labels)}")
                break
    return wrong


def test_the_documentation_and_each_roles_page_name_the_same_families(told, crew):
    assert compare(scrape(crew.api()), told, {"A"}) == []
    assert compare(scrape(crew.workers[0]), told, {"W"}) == []


def test_a_server_alone_has_all_but_what_redis_and_a_model_bring(told, server):
    rows = {name: row for name, row in told.items() if name not in ("evalx_redis_persistent", "evalx_llm_requests_total")}
    assert compare(scrape(server), rows, {"A", "W"}) == []


def test_promtool_has_nothing_against_any_page(crew, server):
    for one in (server, *crew.all):
        assert check(scrape(one).text) == ""


def test_every_family_is_there_from_the_start_and_says_what_it_is(server):
    page = scrape(server)
    for name, family in page.families.items():
        assert family.help.endswith((".", "]")), name
        assert name.endswith("_total") == (family.type == "counter"), name
    assert page["evalx_build_info", {"version": server.get("/health")[1]["version"], "role": "all"}] == 1
    empty = {name for name, f in page.families.items() if not f.lines}
    assert empty <= {"evalx_job_phase_seconds", "evalx_http_request_duration_seconds"}, "known only once they happen"


def test_bounds_ascend_and_are_written_as_other_exporters_do(crew):
    for server in crew.all:
        for name, family in scrape(server).families.items():
            if family.type != "histogram" or not family.lines:
                continue
            first = {k: v for k, v in family.lines[0][1].items() if k != "le"}
            bounds = [has["le"] for n, has, _ in family.lines if n.endswith("_bucket") and first.items() <= has.items()]
            assert bounds[-1] == "+Inf" and [float(b) for b in bounds] == sorted({float(b) for b in bounds}), name
            for bound in bounds[:-1]:
                value = float(bound)
                assert bound == (repr(value) if value != int(value) else str(int(value))), (name, bound)


def test_each_process_says_what_the_others_say_of_the_shared_queue(told, crew):
    def agree():
        pages = [scrape(server) for server in crew.all]
        shared = [name for name, row in told.items() if row.cluster and row.type in ("gauge", "counter")]
        lines = [[page.families[n].lines for n in shared if n in page.families] for page in pages]
        return all(one == lines[0] for one in lines)

    until(agree, "pages agree about the cluster")
    page = scrape(crew.api())
    assert page["evalx_workers"] == 2 and page["evalx_queue_slots"] == 4
    assert page["evalx_redis_persistent"] == 1
    assert page["evalx_up", {"dependency": "redis"}] == page["evalx_up", {"dependency": "workers"}] == 1


def test_each_process_counts_what_it_did_itself(crew):
    api, *workers = [scrape(server) for server in crew.all]
    assert api["evalx_submissions_accepted_total", {"face": "native"}] == 4
    assert sum(page.sum("evalx_submissions_total") for page in workers) == 4
    assert "evalx_submissions_total" not in api.families and "evalx_lanes" not in api.families
    shared = [page.sum("evalx_cache_requests_total", cache="shared") for page in workers]
    assert sum(shared) >= 1, "the first build was looked for in Redis"
    assert api["evalx_build_info", {"version": crew.api().get("/health")[1]["version"], "role": "api"}] == 1


def test_the_autoscaler_sees_a_queue_that_no_worker_is_there_for(redis):
    with Deployment(redis, 1, 0, {"EVALX_REDIS_PREFIX": "lonely"}) as d:
        for _ in range(3):
            d.submit("echo hi")
        until(lambda: scrape(d.api())["evalx_queue_saturation"] == 3, "three wait for no lane")
        page = scrape(d.api())
        assert page["evalx_workers"] == page["evalx_queue_slots"] == 0
        assert page["evalx_up", {"dependency": "workers"}] == 0


def test_a_worker_that_dies_shows_as_expired_leases_and_a_worker_less(redis):
    settings = {"EVALX_REDIS_PREFIX": "dies", "EVALX_LEASE": "3s"}
    with Deployment(redis, 1, 2, settings) as d:
        until(lambda: scrape(d.api())["evalx_workers"] == 2, "both are there")
        token = d.submit("sleep 4")
        until(lambda: any(scrape(w)["evalx_jobs_running"] for w in d.workers), "one runs it")
        dead = next(w for w in d.workers if scrape(w)["evalx_jobs_running"])
        dead.kill()
        assert d.wait(token)["verdict"] == "accepted"
        until(lambda: scrape(d.api())["evalx_lease_expiries_total"] == 1, "its lease expired")
        until(lambda: scrape(d.api())["evalx_workers"] == 1, "it is missed", 30)


def test_without_redis_a_page_comes_fast_says_so_and_leaves_out_what_nobody_knows(redis):
    with Deployment(redis, 1, 1, {"EVALX_REDIS_PREFIX": "away"}) as d:
        until(lambda: scrape(d.api())["evalx_workers"] == 1, "all well")
        redis.kill()
        slowest = 0

        def down(server):
            nonlocal slowest
            began = time.monotonic()
            page = scrape(server)
            slowest = max(slowest, time.monotonic() - began)
            key = "evalx_up", {"dependency": "redis"}
            return page if key in page and page[key] == 0 else None

        for server in d.all:
            page = until(lambda server=server: down(server), "evalx_up of redis is 0", 10)
            assert page["evalx_ready"] == 0
            page = until(lambda server=server: (p := scrape(server)) and "evalx_queue_saturation" not in p and p, "old numbers go", 20)
            assert "evalx_workers" not in page and ("evalx_queue_depth", {"priority": "low"}) not in page
            assert page["process_threads"] > 1 and page["evalx_queue_limit"] == 1000000
            until(lambda server=server: scrape(server).sum("evalx_log_lines_total") > 0, "it was logged")
        assert slowest < 2, "a scraper waits 10 s at most"
        redis.start()
        for server in d.all:
            until(lambda server=server: scrape(server)["evalx_up", {"dependency": "redis"}] == 1, "it is back", 30)
            until(lambda server=server: "evalx_queue_saturation" in scrape(server), "and so are the numbers")


def test_a_redis_that_hangs_is_down_after_a_second_and_holds_no_page_up(redis):
    with Deployment(redis, 1, 0, {"EVALX_REDIS_PREFIX": "hangs"}) as d:
        until(lambda: scrape(d.api())["evalx_up", {"dependency": "redis"}] == 1, "all well")
        redis.send(signal.SIGSTOP)
        try:
            slowest, end, down_after, began = 0, time.monotonic() + 4, None, time.monotonic()
            while time.monotonic() < end:
                at = time.monotonic()
                page = scrape(d.api())
                slowest = max(slowest, time.monotonic() - at)
                # The store in it is asked first; its own row follows once that question is given up.
                if down_after is None and page["evalx_up", {"dependency": "store"}] == 0:
                    down_after = time.monotonic() - began
            assert slowest < 1.5, slowest
            assert down_after is not None and page["evalx_ready"] == 0
            redis_row = "evalx_up", {"dependency": "redis"}
            until(lambda: redis_row in (page := scrape(d.api())) and page[redis_row] == 0, "its own row follows", 30)
        finally:
            redis.send(signal.SIGCONT)
        until(lambda: scrape(d.api())["evalx_ready"] == 1, "it is back")


def test_ten_scrapers_ask_redis_as_often_as_one(redis):
    with Deployment(redis, 1, 0, {"EVALX_REDIS_PREFIX": "many"}) as d:

        def commands(scrapers, seconds=3):
            before, end = int(redis.info("stats", "total_commands_processed")), time.monotonic() + seconds

            def scrape_on(_):
                count = 0
                while time.monotonic() < end:
                    scrape(d.api())
                    count += 1
                    time.sleep(0.02)
                return count

            with ThreadPoolExecutor(scrapers) as pool:
                pages = sum(pool.map(scrape_on, range(scrapers)))
            return int(redis.info("stats", "total_commands_processed")) - before, pages

        one, pages_of_one = commands(1)
        ten, pages_of_ten = commands(10)
        assert pages_of_ten > 2 * pages_of_one
        assert ten < 1.5 * one, (one, ten)


def test_reading_needs_a_token_only_where_one_is_set(server):
    assert server.get("/metrics")[0] == 200
    with Server({"EVALX_METRICS_TOKENS": "one two", "EVALX_AUTH_TOKENS": "api", "EVALX_STORE": "memory"}) as closed:
        client = closed.client()

        def status(token):
            return client.request("GET", "/metrics", None, {"Authorization": f"Bearer {token}"} if token else {})[0]

        assert [status(t) for t in (None, "api", "on", "one", "two")] == [401, 401, 401, 200, 200]
    with Server({"EVALX_AUTH_TOKENS": "api", "EVALX_STORE": "memory"}) as open_:
        assert open_.get("/metrics")[0] == 200, "the API's tokens are others"


def test_a_page_has_its_content_type_and_head_has_no_body(server):
    import http.client

    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    for method in ("GET", "HEAD"):
        connection.request(method, "/metrics")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (len(body) > 5000) == (method == "GET")
    connection.request("POST", "/metrics")
    assert connection.getresponse().status == 405
    connection.close()


def test_a_server_that_drains_is_not_ready_and_still_tells_its_numbers():
    with Server({"EVALX_DRAIN_DELAY": "20s", "EVALX_STORE": "memory"}) as server:
        token = server.post("/v1/submissions", {"language": "bash", "source": "sleep 5"})[1]["token"]
        assert scrape(server)["evalx_ready"] == 1
        until(lambda: scrape(server)["evalx_jobs_running"] == 1, "it runs")
        server.process.terminate()
        until(lambda: scrape(server)["evalx_ready"] == 0, "draining", 4)
        server.post(f"/v1/submissions/{token}/cancel", None)
        server.process.terminate()  # twice: it does not wait for load balancers
