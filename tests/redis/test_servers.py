# SPDX-License-Identifier: Apache-2.0
"""The starters of tests/redis_servers.py themselves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from redis_servers import Redis, RedisCluster, Sentinel, is_here, until  # noqa: E402

pytestmark = pytest.mark.skipif(not is_here(), reason="redis-server is not installed")


def test_a_server_keeps_what_it_was_told():
    with Redis() as redis:
        assert redis.say("SET", "a", "1") == "OK"
        redis.stop()
        redis.start()
        assert redis.say("GET", "a") == "1"
        folder = redis.folder
    assert not folder.exists()


def test_sentinel_fails_over():
    with Sentinel() as group:
        old = group.primary
        assert old.say("SET", "a", "1") == "OK"
        until(lambda: group.replica.say("GET", "a") == "1", "the replica has it")
        group.fail_over()
        assert group.primary is not old
        assert group.primary.say("GET", "a") == "1"


def test_a_cluster_knows_who_has_a_key():
    with RedisCluster() as cluster:
        owner = cluster.owner("{evalx}:queue")
        assert owner.say("SET", "{evalx}:queue", "1") == "OK"


def test_servers_die_with_the_test():
    script = ("import time; from redis_servers import Redis; r = Redis().start();"
              "print(r.process.pid, r.folder, flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", script], cwd=TESTS, stdout=subprocess.PIPE, text=True) as test:
        pid, folder = test.stdout.readline().split()
        os.kill(test.pid, signal.SIGKILL)

    def is_gone():
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except OSError:
            return True

    until(is_gone, "the server is gone")
    until(lambda: not Path(folder).exists(), "its folder is gone")
