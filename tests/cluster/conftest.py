# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from world import Deployment, Redis  # noqa: E402


@pytest.fixture(scope="session")
def redis():
    """One for all tests that leave it as it is; prefixes keep deployments apart."""
    if not shutil.which("redis-server"):
        if os.environ.get("EVALX_TEST_ALLOW_SKIP"):
            pytest.skip("no redis-server")
        pytest.fail("no redis-server: apt-get install redis-server", pytrace=False)
    with Redis() as server:
        yield server


@pytest.fixture(scope="module")
def pair(redis):
    """Two APIs, two workers, whose leases run out soon."""
    with Deployment(redis, 2, 2, {"EVALX_REDIS_PREFIX": "pair", "EVALX_LEASE": "3s"}) as deployment:
        yield deployment
