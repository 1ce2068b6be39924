# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in (".", "cluster", "webhook")]

from redis_servers import Redis, is_here  # noqa: E402


@pytest.fixture(scope="module")
def redis():
    if not is_here():
        pytest.skip("needs redis-server")
    with Redis() as server:
        yield server
