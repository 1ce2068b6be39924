# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "cluster"), str(HERE.parent / "webhook")]

from live import Server  # noqa: E402
from redis_servers import Redis  # noqa: E402


@pytest.fixture
def server():
    """One of the test's own: it begins to count at 0."""
    with Server({"EVALX_LANES": "2", "EVALX_STORE": "memory"}) as one:
        yield one


@pytest.fixture
def redis():
    with Redis() as one:
        yield one
