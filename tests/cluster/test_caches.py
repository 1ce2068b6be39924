# SPDX-License-Identifier: Apache-2.0
"""Builds and results that workers share, and results that are reused in one process."""

import time
from concurrent.futures import ThreadPoolExecutor

from world import Deployment, Redis

SLOW_TO_BUILD = """#include <regex>
#include <iostream>
int main() { std::cout << std::regex_match("%s", std::regex("[a-z0-9]+")); }
"""


def stats(server):
    return server.get("/v1/stats")[1]


def total(deployment, cache, key):
    return sum(stats(w)[cache][key] for w in deployment.workers)


def test_a_build_of_one_worker_is_there_for_another():
    with Redis() as redis, Deployment(redis, workers=1) as first:
        body = {"language": "cpp", "source": SLOW_TO_BUILD % "one"}
        answer = first.wait(first.submit(**body))
        assert answer["verdict"] == "accepted" and not answer["compile"]["cached"]
        made = answer["compile"]["usage"]
        with Deployment(redis, apis=1, workers=1) as second:
            first.workers[0].stop()
            answer = second.wait(second.submit(**body))
            assert answer["verdict"] == "accepted" and answer["stdout"] == "1"
            assert answer["compile"]["cached"], "compiled again on the second worker"
            assert answer["compile"]["usage"] == made
            assert total(second, "build_cache", "shared_hits") == 1


def test_what_does_not_compile_is_compiled_once_too():
    with Redis() as redis, Deployment(redis, workers=1) as first:
        body = {"language": "cpp", "source": "int main() { return x; }"}
        said = first.wait(first.submit(**body))
        assert said["verdict"] == "compile_error"
        with Deployment(redis, apis=1, workers=1) as second:
            first.workers[0].stop()
            again = second.wait(second.submit(**body))
            assert again["verdict"] == "compile_error" and again["compile"]["cached"]
            assert again["compile"]["output"] == said["compile"]["output"]
            assert again["message"] == said["message"]


def test_equal_builds_at_one_time_run_once_in_the_whole_deployment():
    with Redis() as redis, Deployment(redis, apis=1, workers=3) as d:
        body = {"language": "cpp", "source": SLOW_TO_BUILD % "many"}
        with ThreadPoolExecutor(12) as pool:
            tokens = list(pool.map(lambda _: d.submit(**body), range(12)))
            answers = list(pool.map(d.wait, tokens))
        assert [a["stdout"] for a in answers] == ["1"] * 12
        assert sum(not a["compile"]["cached"] for a in answers) == 1, "the compiler ran more than once"


def test_a_worker_that_dies_while_building_holds_up_nobody():
    with Redis() as redis, Deployment(redis, apis=1, workers=2, env={"EVALX_LEASE": "3s"}) as d:
        body = {"language": "cpp", "source": SLOW_TO_BUILD % "dies"}
        tokens = [d.submit(**body) for _ in range(4)]
        time.sleep(0.4)
        d.workers[0].kill()
        answers = [d.wait(t) for t in tokens]
        assert [a["verdict"] for a in answers] == ["accepted"] * 4


def test_builds_go_on_without_redis_answering_the_cache():
    """A cache of no bytes is as good as none."""
    with Redis() as redis, Deployment(redis, workers=1, env={"EVALX_SHARED_CACHE_BYTES": "0"}) as d:
        answer = d.wait(d.submit("int main() { return 0; }", language="c"))
        assert answer["verdict"] == "accepted"
        assert total(d, "build_cache", "shared_misses") == 0
        assert not [k for k in redis.say("KEYS", "*") if "blob" in str(k)]


def test_a_result_of_one_worker_is_reused_by_another_when_asked_for():
    clock = {"language": "python", "source": "import time; print(time.time_ns())"}
    with Redis() as redis, Deployment(redis, workers=1) as first:
        one = first.wait(first.submit(**clock, cache="result"))
        assert one["verdict"] == "accepted" and one["reused"] is False
        with Deployment(redis, apis=1, workers=1) as second:
            first.workers[0].stop()
            two = second.wait(second.submit(**clock, cache="result"))
            assert two["reused"] is True and two["stdout"] == one["stdout"]
            assert two["token"] != one["token"] and two["usage"] == one["usage"]
            three = second.wait(second.submit(**clock))
            assert three["reused"] is False and three["stdout"] != one["stdout"]
            other = second.wait(second.submit(**clock, cache="result", stdin="x"))
            assert other["reused"] is False, "another input is other work"
            assert total(second, "result_cache", "hits") == 1


def test_results_that_may_not_come_again_are_not_kept():
    spin = {"language": "python", "source": "while True: pass", "limits": {"cpu_time_ms": 200}}
    with Redis() as redis, Deployment(redis, workers=1) as d:
        for _ in range(2):
            answer = d.wait(d.submit(**spin, cache="result"))
            assert answer["verdict"] == "cpu_time_limit" and answer["reused"] is False


def test_the_server_may_reuse_results_by_default():
    clock = {"language": "python", "source": "import time; print(time.time_ns())"}
    with Redis() as redis, Deployment(redis, workers=1, env={"EVALX_CACHE": "result"}) as d:
        one = d.wait(d.submit(**clock))
        assert d.wait(d.submit(**clock))["stdout"] == one["stdout"]
        assert d.wait(d.submit(**clock, cache="build"))["stdout"] != one["stdout"]
