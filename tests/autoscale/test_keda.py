# SPDX-License-Identifier: Apache-2.0
"""What KEDA adds: from none to one and back. The rest is the autoscaler's."""

import hpa
import keda
import pytest
import spec

DOCUMENT = {"spec": {
    "minReplicaCount": 0, "maxReplicaCount": 5, "pollingInterval": 30, "cooldownPeriod": 100,
    "triggers": [{"type": "prometheus", "metadata": {"query": "sum(waiting)", "threshold": "10", "activationThreshold": "2"}}],
    "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
}}


def run(scaled, values, replicas=0, step=15):
    """One value of the trigger per sync; replicas after each."""
    one, seen = keda.Keda(scaled), []
    for i, value in enumerate(values):
        there = [hpa.Pod(f"p{n}") for n in range(replicas)]
        replicas = one.sync(i * step, replicas, there, lambda _, value=value: value).replicas
        seen.append(replicas)
    return seen


def with_spec(**more):
    return keda.scaled_object({"spec": {**DOCUMENT["spec"], **more}})


def test_a_scaled_object_becomes_an_autoscaler():
    scaled = with_spec()
    assert scaled.autoscaler.metrics == (hpa.Metric("External", "s0-prometheus", "AverageValue", 10_000),)
    assert (scaled.autoscaler.minimum, scaled.autoscaler.maximum, scaled.idle) == (1, 5, 0)
    assert scaled.autoscaler.down.window == 0
    with pytest.raises(spec.NotUnderstood):
        with_spec(triggers=[{"type": "cron", "metadata": {}}])


def test_nothing_starts_below_the_activation_threshold():
    assert run(with_spec(), [2000] * 4) == [0, 0, 0, 0]


def test_the_first_comes_with_the_next_poll_and_the_autoscaler_brings_the_rest():
    assert run(with_spec(), [0, 35_000, 35_000, 35_000, 35_000]) == [0, 0, 1, 4, 4]


def test_the_last_goes_when_nothing_was_active_for_the_cooldown():
    assert run(with_spec(), [5000] + [0] * 10)[-4:] == [1, 0, 0, 0]


def test_with_a_minimum_it_is_an_autoscaler_only():
    assert run(with_spec(minReplicaCount=2), [0] * 12, replicas=2) == [2] * 12


def test_idle_replicas_are_what_stays():
    assert run(with_spec(minReplicaCount=2, idleReplicaCount=1), [5000] + [0] * 10, replicas=1)[-1] == 1
    assert run(with_spec(minReplicaCount=2, idleReplicaCount=1), [5000], replicas=1) == [2]
