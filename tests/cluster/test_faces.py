# SPDX-License-Identifier: Apache-2.0
"""Both faces of an API over a worker answer as one server alone does: a part of tests/http, run again.

The modules are those of tests/http, with a fleet whose servers are an API and a worker each.
"""

import os
import subprocess
import sys
from pathlib import Path

from world import Redis

HTTP = Path(__file__).resolve().parents[1] / "http"
FILES = ["test_native.py", "test_judge0.py", "test_waiting.py", "test_openapi.py"]
# An API has no lanes, and ends no job itself.
NOT = ["test_health_shows_each_check_and_layer", "test_figures_of_the_service"]


def test_the_tests_of_the_faces_pass_over_a_worker():
    with Redis() as redis:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES,
             "-k", " and ".join(f"not {name}" for name in NOT)],
            cwd=HTTP, env={**os.environ, "EVALX_TEST_REDIS": redis.url}, capture_output=True, text=True, check=False,
            timeout=500,
        )
    assert done.returncode == 0, done.stdout[-6000:]
