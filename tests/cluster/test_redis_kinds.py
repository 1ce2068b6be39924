# SPDX-License-Identifier: Apache-2.0
"""The same deployment over a Redis that fails over, and over a Redis Cluster."""

import signal
import threading
import time

import pytest
from world import Deployment, RedisCluster, Sentinel, until


class Submitter(threading.Thread):
    """Submits all the time, as a client does that comes back after a 503; remembers every token it was given."""

    def __init__(self, deployment):
        super().__init__()
        self.deployment, self.tokens, self.refused, self.on = deployment, [], 0, True

    def run(self):
        while self.on:
            n = len(self.tokens)
            try:
                status, answer = self.deployment.api(n % 2).post(
                    "/v1/submissions", {"language": "bash", "source": f"echo {n}"})
            except OSError:
                continue
            if status == 201:
                self.tokens.append(answer["token"])
            else:
                self.refused += 1
            time.sleep(0.02)

    def end(self):
        self.on = False
        self.join()


def all_ended_right(deployment, tokens):
    for n, token in enumerate(tokens):
        done = deployment.wait(token, api=n % 2)
        assert (done["verdict"], done["stdout"]) == ("accepted", f"{n}\n"), (n, token, done)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_failover_by_sentinel_loses_nothing(how):
    """Every admission waits for the replica (EVALX_REDIS_REPLICAS), so that the replica has what a client was told."""
    env = {"EVALX_LEASE": "5s", "EVALX_ATTEMPTS": "10", "EVALX_REDIS_REPLICAS": "1"}
    with Sentinel() as group, Deployment(group, 2, 2, env) as d:
        client = Submitter(d)
        client.start()
        until(lambda: len(client.tokens) > 20, 30, "it works")
        before = len(client.tokens)
        group.fail_over(how)
        # The old primary does not come back: nobody confirms a replica's copy any more until it does.
        if how == signal.SIGSTOP:
            group.replica.send(signal.SIGCONT)
        else:
            group.replica.start()
        until(lambda: len(client.tokens) > before + 20, 60, "it works again")
        client.end()
        all_ended_right(d, client.tokens)


def test_a_deployment_over_a_redis_cluster_and_the_loss_of_its_node():
    env = {"EVALX_LEASE": "5s", "EVALX_ATTEMPTS": "10", "EVALX_REDIS_REPLICAS": "1"}
    with RedisCluster() as cluster, Deployment(cluster, 2, 2, env) as d:
        client = Submitter(d)
        client.start()
        until(lambda: len(client.tokens) > 20, 30, "it works")
        before = len(client.tokens)
        node = cluster.owner("{evalx}:queue")
        node.kill()
        until(lambda: cluster.owner("{evalx}:queue") not in (None, node), 60, "another node took over")
        node.start()
        until(lambda: len(client.tokens) > before + 20, 60, "it works again")
        client.end()
        all_ended_right(d, client.tokens)
