# SPDX-License-Identifier: Apache-2.0
"""A short run of the real thing: Redis, Prometheus, an API, and workers that come and go.

The long one is `make autoscale-sim`; docs/autoscaling.md shows what it finds.
"""

import os
import shutil
import xml.etree.ElementTree as ElementTree

import hpa
import pytest
import report
import shipped
import sim
from redis_servers import until


@pytest.fixture(scope="module", autouse=True)
def what_it_needs():
    missing = [name for name in ("redis-server", "prometheus", "gcc") if not shutil.which(name)]
    if os.geteuid() != 0:
        pytest.skip("workers that start themselves need root")
    if missing and os.environ.get("EVALX_TEST_ALLOW_SKIP"):
        pytest.skip(f"not here: {', '.join(missing)}")
    assert not missing, f"tools/deps.sh test installs {', '.join(missing)}"


def plan(**more):
    what = shipped.load(4)
    return sim.Plan("short", "A short run", hpa.Autoscaler(what.queue), what.queries, what.template,
                    **{"factor": 30, "bursts": ((60, 300),), "trickle": (1, 200), "most_seconds": 120, **more})


def test_a_burst_scales_the_workers_up_and_down_and_loses_nothing():
    record = sim.Run(plan()).go()
    assert not record.wrong
    figures = record.figures
    assert figures["submissions"] >= 300 and figures["run_again"] == 0
    assert figures["most_workers"] == 4 and record.ready[-1][1] == 1
    assert figures["pods_killed"] == 0 and figures["restarts"] == 0
    assert figures["turns"] == 1, [s["why"] for s in record.syncs]
    # Prometheus saw it as well: the queue, and workers it was told of.
    assert figures["waiting_peak"] > 50 and max(v for _, v in record.series["slots"]) >= 4
    # What the autoscaler wanted came true, and down was slower than up.
    down = [s["at"] for s in record.syncs if s["desired"] < s["replicas"]]
    up = [s["at"] for s in record.syncs if s["desired"] > s["replicas"]]
    assert min(down) >= max(up) + 300
    ElementTree.fromstring(report.draw("A short run", [record], ("queue", "workers", "waited"), 4))


def test_workers_that_must_go_in_the_middle_of_the_work_lose_none_of_it():
    with sim.World(plan(factor=10)) as world:
        world.deployment.scale(3)
        until(lambda: world.deployment.ready() == 3, "three workers are ready")
        world.book.burst(12, 1)  # builds the program: jobs that wait for a build are leased beyond the lanes
        until(lambda: world.left() == 0, "all have it")
        world.book.burst(80, 200)
        until(lambda: world.left() < 70, "all are at work")
        world.deployment.scale(1)
        until(lambda: len(world.deployment.pods()) == 1, "two have gone")
        assert world.left() > 0
        until(lambda: world.left() == 0, "the last one does the rest", 60)
        assert world.book.look() == []
        gone = [worker for worker in world.deployment.history if worker.leaving.is_set()]
        assert len(gone) == 2 and all(w.was_busy and not w.was_killed for w in gone)
        assert all(end[3] == 1 for end in world.book.ends.values())


def test_a_worker_that_dies_by_itself_is_started_again_and_its_work_is_done():
    with sim.World(plan(factor=10)) as world:
        world.deployment.scale(1)
        until(lambda: world.deployment.ready() == 1, "a worker is ready")
        world.deployment.workers[0].server.process.kill()
        until(lambda: world.deployment.workers[0].restarts == 1 and world.deployment.ready() == 1, "it is there again")
        world.book.burst(5, 1)
        until(lambda: world.left() == 0, "it works")
        assert world.book.look() == []
