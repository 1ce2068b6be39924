# SPDX-License-Identifier: Apache-2.0
"""What a HorizontalPodAutoscaler decides, held against the pages and the behaviour of Kubernetes.

Most numbers are those of the documentation's own examples ("Horizontal Pod Autoscaling", Algorithm
details and Configurable scaling behavior) and of the rules of its controller; the rest tries
properties on random loads.
"""

import random

import pytest
from hpa import (FAILED, PENDING, RUNNING, Autoscaler, Metric, Pod, Policy, Rules, Sample, Settings, Spec, Tolerance,
                 Unknown, leave_first, propose)

SETTINGS = Settings()
TOLERANCE = Tolerance(0.1, 0.1)
NOW = 10_000
SATURATION = Metric("External", "saturation", "Value", 1000)
CPU = Metric("Resource", "cpu", "Utilization", 50)


def pods(count, **more):
    more = {"requests": {"cpu": 1000}, **more}
    return [Pod(f"p{i}", **more) for i in range(count)]


def samples(*values):
    return {f"p{i}": Sample(value) for i, value in enumerate(values)}


def ask(metric, reading, there, replicas=None, now=NOW):
    return propose(metric, reading, there, len(there) if replicas is None else replicas, TOLERANCE, SETTINGS, now)[0]


# ---- one metric ----

PLAIN = [
    ("twice the target doubles", 3, 2000, 6),
    ("half of the target halves", 4, 500, 2),
    ("what is left is rounded up", 3, 1500, 5),
    ("at the target nothing changes", 3, 1000, 3),
    ("a tenth above is near enough", 10, 1100, 10),
    ("a tenth below is near enough", 10, 900, 10),
    ("more than a tenth above is not", 10, 1101, 12),
    ("more than a tenth below is not", 10, 899, 9),
    ("nothing to do wants none, the minimum comes later", 5, 0, 0),
]


@pytest.mark.parametrize("what, replicas, value, wanted", PLAIN, ids=[row[0] for row in PLAIN])
def test_a_value_is_shared_by_the_pods_that_are_ready(what, replicas, value, wanted):
    assert ask(SATURATION, value, pods(replicas)) == wanted


def test_pods_that_are_not_ready_do_not_count_for_a_value():
    there = pods(2) + [Pod("new", ready=False), Pod("newer", PENDING, False)]
    assert ask(SATURATION, 3000, there) == 6


def test_from_no_replicas_a_value_is_taken_as_it_is():
    assert ask(SATURATION, 2500, [], replicas=0) == 3


AVERAGE = Metric("External", "waiting", "AverageValue", 10_000)
AVERAGES = [
    ("total over target", 2, 55_000, 6),
    ("near enough is a tenth of what all should have", 5, 55_000, 5),
    ("just above near enough", 5, 55_001, 6),
    ("pods count although they are not ready", 4, 40_000, 4),
    ("fewer when there is less", 5, 20_000, 2),
]


@pytest.mark.parametrize("what, there, total, wanted", AVERAGES, ids=[row[0] for row in AVERAGES])
def test_an_average_value_divides_the_total(what, there, total, wanted):
    assert ask(AVERAGE, total, pods(there, ready=False)) == wanted


def test_pods_that_end_or_failed_are_left_out():
    there = pods(2) + [Pod("gone", FAILED, False), Pod("going", deleting=True)]
    assert ask(AVERAGE, 21_000, there) == 2  # 1.05 of what two should have, half of what four should
    assert ask(AVERAGE, 30_000, there) == 3


PER_POD = [
    ("utilization is usage over request", CPU, (800, 700, 600), 5),
    ("near enough", CPU, (550, 540, 550), 3),
    ("percents are cut off, so 55.9 is still near enough", CPU, (559, 559, 559), 3),
    ("down", CPU, (200, 200, 200), 2),
    ("a raw value", Metric("Resource", "cpu", "AverageValue", 500), (800, 700, 600), 5),
    ("a metric of the pods", Metric("Pods", "jobs", "AverageValue", 20_000), (30_000, 30_000), 3),
]


@pytest.mark.parametrize("what, metric, values, wanted", PER_POD, ids=[row[0] for row in PER_POD])
def test_metrics_of_pods_are_averaged(what, metric, values, wanted):
    assert ask(metric, samples(*values), pods(len(values))) == wanted


MISSING = [
    ("up: counts as idle", (1000, 1000, 1000), 4, 6),  # 3 of 4 at 100 %: 75 % of 50 for four, not 8
    ("up: so much less that it is near enough", (600,) * 10, 11, 11),  # 54 % of eleven; ten alone want 12
    ("down: counts as busy", (200, 200, 200), 4, 4),  # 40 % for four is 0.8: ceil(3.2)
    ("down: direction would turn, nothing is done", (450, 400), 4, 4),
]


@pytest.mark.parametrize("what, values, there, wanted", MISSING, ids=[row[0] for row in MISSING])
def test_a_pod_without_a_metric_makes_the_change_smaller(what, values, there, wanted):
    assert ask(CPU, samples(*values), pods(there)) == wanted


def test_a_pod_without_a_metric_counts_as_at_its_target_when_that_is_above_its_request():
    over = Metric("Resource", "cpu", "Utilization", 150)
    # (3 x 10 % + 150 %) / 4 = 45 % of the request, 0.3 of the target
    assert ask(over, samples(100, 100, 100), pods(4)) == 2


def test_pods_that_are_not_there_yet_never_turn_a_scale_up_into_a_scale_down():
    assert ask(CPU, samples(900, 900), pods(3), replicas=10) == 10  # 60 % of three: four would do


def test_a_pod_that_is_not_ready_yet_counts_as_idle_when_scaling_up():
    there = pods(2) + [Pod("p2", PENDING, False, requests={"cpu": 1000})]
    assert ask(CPU, samples(900, 900, 900), there) == 4  # 180 % over three: 60 % of 50
    many = pods(10) + [Pod("p10", PENDING, False, requests={"cpu": 1000})]
    assert ask(CPU, samples(*[600] * 10), many) == 11  # 54 %, near enough; ten alone want 12
    assert ask(CPU, samples(100, 100), there) == 1  # and does not matter when scaling down


STARTS = [
    ("ready, with a window of its own", True, 9_900, Sample(900, 9_990, 30), False),
    ("ready, its sample began before", True, 9_980, Sample(900, 9_990, 30), True),
    ("not ready in its first minutes", False, 9_900, Sample(900, 9_990, 30), True),
]


@pytest.mark.parametrize("what, ready, changed, sample, ignored", STARTS, ids=[row[0] for row in STARTS])
def test_cpu_time_of_a_start_is_not_load(what, ready, changed, sample, ignored):
    new = Pod("p0", RUNNING, ready, 9_900, changed, requests={"cpu": 1000})
    if ignored:
        with pytest.raises(Unknown):
            ask(CPU, {"p0": sample}, [new])
    else:
        assert ask(CPU, {"p0": sample}, [new]) == 2


def test_later_a_pod_that_was_ready_once_counts_although_it_is_not_now():
    was = Pod("p0", RUNNING, False, 0, 100, requests={"cpu": 1000})
    never = Pod("p0", RUNNING, False, 0, 5, requests={"cpu": 1000})
    assert ask(CPU, samples(900), [was]) == 2
    with pytest.raises(Unknown):
        ask(CPU, samples(900), [never])


def test_no_request_no_utilization():
    with pytest.raises(Unknown, match="request"):
        ask(CPU, samples(500), [Pod("p0")])


# ---- all metrics ----


def scaler(up=Rules(), down=Rules(), metrics=(SATURATION,), most=10, least=1, settings=SETTINGS):
    return Autoscaler(Spec(least, most, tuple(metrics), up, down), settings)


def constant(value):
    return lambda metric: value


def run(autoscaler, values, replicas=1, step=15, start=0):
    """Replicas after each sync, one per value."""
    seen = []
    for i, value in enumerate(values):
        replicas = autoscaler.sync(start + i * step, replicas, pods(replicas), constant(value)).replicas
        seen.append(replicas)
    return seen


def several(*readings):
    """A reading per metric, in order; None: it cannot be had."""
    values = dict(zip("abc", readings))

    def read(metric):
        if values[metric.name] is None:
            raise Unknown("away")
        return values[metric.name]

    return tuple(Metric("External", name, "Value", 1000) for name in values), read


SEVERAL = [
    ("the largest proposal", (2000, 500), 8),
    ("up although one is unknown", (None, 2000), 8),
    ("not down while one is unknown", (None, 100), 4),
    ("down when all say so", (100, 500), 2),
    ("nothing is known", (None, None), 4),
]


@pytest.mark.parametrize("what, readings, wanted", SEVERAL, ids=[row[0] for row in SEVERAL])
def test_several_metrics(what, readings, wanted):
    metrics, read = several(*readings)
    decision = scaler(down=Rules(window=0), metrics=metrics).sync(0, 4, pods(4), read)
    assert decision.replicas == wanted


def test_a_sync_without_any_metric_proposes_nothing():
    metrics, read = several(None)
    decision = scaler(metrics=metrics).sync(0, 5, pods(5), read)
    assert decision.proposed is None and decision.replicas == 5 and decision.why == "unknown: a: away"


def test_replicas_outside_of_the_bounds_are_brought_inside_at_once():
    assert scaler(most=10).sync(0, 12, pods(12), constant(5000)).replicas == 10
    assert scaler(least=3).sync(0, 1, pods(1), constant(0)).replicas == 3


def test_no_replicas_turn_the_autoscaler_off():
    assert scaler().sync(0, 0, [], constant(9000)).replicas == 0


# ---- how fast ----


def test_the_default_policies_double_or_add_four_every_fifteen_seconds():
    assert run(scaler(most=100), [10**6] * 6) == [5, 10, 20, 40, 80, 100]


def test_the_default_scale_down_goes_all_the_way_after_five_minutes():
    seen = run(scaler(), [0] * 22, replicas=10)
    assert seen[:20] == [10] * 20 and seen[20] == 1  # the first 300 s remember that there were ten


PERCENT_AND_PODS = (Policy("Pods", 4, 60), Policy("Percent", 10, 60))


def test_the_documented_example_80_replicas_down_to_10():
    """"8 replicas will be reduced ... 7.2 but the number is rounded up to 8 ... below 40 ... 4"."""
    seen = run(scaler(down=Rules(PERCENT_AND_PODS, window=0), most=100), [1] * 20, replicas=80, step=60)
    assert seen[:3] == [72, 64, 57]
    falls = [a - b for a, b in zip(seen, seen[1:])]
    assert all(fall == 4 for count, fall in zip(seen, falls) if 5 <= count <= 40)


def test_the_documented_example_with_the_smallest_change():
    rules = Rules((Policy("Percent", 10, 60), Policy("Pods", 5, 60)), "Min", 0)
    assert run(scaler(down=rules, most=100), [1] * 3, replicas=80, step=60) == [75, 70, 65]


def test_disabled_is_disabled():
    assert run(scaler(down=Rules(select="Disabled", window=0)), [0] * 5, replicas=7) == [7] * 5
    assert run(scaler(up=Rules(select="Disabled")), [9000] * 5, replicas=2) == [2] * 5


def test_a_policy_holds_over_its_whole_period():
    rules = Rules((Policy("Pods", 2, 60),))
    assert run(scaler(up=rules, most=9), [10**6] * 9) == [3, 3, 3, 3, 5, 5, 5, 5, 7]


def test_what_went_down_meanwhile_may_come_back():
    """Three went within the period: up to three and the policy's two may come."""
    one = scaler(up=Rules((Policy("Pods", 2, 60),)), down=Rules((Policy("Pods", 3, 60),), window=0), most=20)
    assert run(one, [0, 10**6], replicas=8) == [5, 10]


def test_a_small_percentage_of_few_still_moves():
    assert run(scaler(up=Rules((Policy("Percent", 10, 15),))), [10**6] * 2, replicas=3) == [4, 5]


def test_without_behavior_the_older_limit_holds():
    assert run(Autoscaler(Spec(1, 100, (SATURATION,))), [10**6] * 5) == [4, 8, 16, 32, 64]


def test_without_behavior_the_highest_of_the_window_is_still_aimed_at():
    """Ten were wanted and four allowed: a lull does not make it forget."""
    assert run(Autoscaler(Spec(1, 100, (SATURATION,))), [10_000, 500]) == [4, 8]


# ---- stabilisation ----


def test_a_dip_shorter_than_the_window_is_not_seen():
    load = [1000] + [0] * 6 + [1000] * 3
    assert run(scaler(down=Rules(window=120)), load, replicas=5) == [5] * 10


def test_down_goes_to_the_highest_of_the_window():
    load = [1000, 600, 400, 600] + [400] * 9
    seen = run(scaler(down=Rules(window=60)), load, replicas=10)
    assert seen[:4] == [10, 10, 10, 10] and seen[4] == 6 and min(seen) >= 1


def test_up_waits_until_all_of_its_window_agrees():
    load = [1000, 3000, 1000, 3000, 3000, 3000, 3000]
    assert run(scaler(up=Rules(window=45)), load, replicas=2) == [2, 2, 2, 2, 2, 6, 6]


def test_the_first_window_remembers_how_many_there_were():
    assert run(scaler(down=Rules(window=60)), [0] * 5, replicas=6) == [6, 6, 6, 6, 1]


def test_a_tolerance_of_its_own_for_each_direction():
    keen = scaler(up=Rules(tolerance=0.0), down=Rules(tolerance=0.5, window=0))
    assert run(keen, [1010], replicas=4) == [5]
    assert run(keen, [600], replicas=4, start=1000) == [4]


# ---- which pods go ----


def test_a_replica_set_gives_up_those_first_that_are_missed_least():
    there = [
        Pod("old", started=0, ready_changed=10),
        Pod("new", started=9_000, ready_changed=9_990),
        Pod("unready", ready=False, started=9_999),
        Pod("pending", PENDING, False, 0),
        Pod("cheap", started=0, ready_changed=10),
    ]
    order = [pod.name for pod in leave_first(there, NOW, cost=lambda pod: -1 if pod.name == "cheap" else 0)]
    assert order == ["pending", "unready", "cheap", "new", "old"]


# ---- properties ----


def loads(seed, count=300):
    """Random walks with jumps, silences and metrics that are away."""
    dice = random.Random(seed)
    value = 1000.0
    for _ in range(count):
        value = min(max(value * dice.choice((0.5, 0.8, 1, 1, 1.05, 1.3, 3)), 1), 10**7)
        yield None if dice.random() < 0.05 else 0 if dice.random() < 0.05 else int(value)


def random_rules(dice):
    policies = tuple(Policy(dice.choice(("Pods", "Percent")), dice.randint(1, 150), dice.choice((15, 60, 180)))
                     for _ in range(dice.randint(1, 3)))
    return Rules(policies, dice.choice(("Max", "Min", "Disabled")), dice.choice((0, 15, 60, 300)))


def walk(autoscaler, values, replicas, dice, step=15):
    """(time, replicas before, decision); pods become ready when the dice say so."""
    for i, value in enumerate(values):
        def read(_, value=value):
            if value is None:
                raise Unknown("away")
            return value

        there = [Pod(f"p{n}", ready=dice.random() < 0.9) for n in range(replicas)]
        decision = autoscaler.sync(i * step, replicas, there, read)
        yield i * step, replicas, decision
        replicas = decision.replicas


@pytest.mark.parametrize("seed", range(40))
def test_never_outside_of_minimum_and_maximum_nor_faster_than_allowed(seed):
    dice = random.Random(seed)
    least = dice.randint(1, 5)
    most = least + dice.randint(0, 40)
    one = scaler(random_rules(dice), random_rules(dice), least=least, most=most)
    for _, before, decision in walk(one, loads(seed), dice.randint(least, most), dice):
        assert least <= decision.replicas <= most
        assert not (decision.replicas > before and one.up.select == "Disabled")
        assert not (decision.replicas < before and one.down.select == "Disabled")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("metric", (SATURATION, AVERAGE), ids=("value", "average"))
def test_more_load_never_asks_for_fewer(metric, seed):
    dice = random.Random(seed)
    there = pods(dice.randint(1, 20))
    asked = [ask(metric, value, there) for value in sorted(dice.randint(0, 10**6) for _ in range(200))]
    assert asked == sorted(asked)


@pytest.mark.parametrize("seed", range(40))
def test_after_going_up_it_does_not_go_down_before_the_window_is_over(seed):
    """What stabilisation is for: no flapping, whatever the load does."""
    dice = random.Random(seed)
    window = dice.choice((60, 120, 300))
    one = scaler(Rules(window=0), Rules(window=window), most=30)
    last_up = -window
    for now, before, decision in walk(one, loads(seed), 3, dice):
        if decision.replicas > before:
            last_up = now
        assert not (decision.replicas < before and now < last_up + window)


@pytest.mark.parametrize("seed", range(20))
def test_without_a_window_the_same_loads_do_flap(seed):
    """The property above is not true by itself."""
    dice = random.Random(seed)
    one = scaler(Rules(window=0), Rules(window=0), most=30)
    turns, last = 0, 0
    for _, before, decision in walk(one, loads(seed), 3, dice):
        change = decision.replicas - before
        if change and last and (change > 0) != (last > 0):
            turns += 1
        last = change or last
    assert turns > 10


def test_a_value_within_tolerance_may_keep_more_than_a_larger_one_asks_for_while_pods_start():
    """Not monotone in Kubernetes: near the target all replicas count, beyond it only the ready ones."""
    there = pods(5) + [Pod(f"new{i}", ready=False) for i in range(5)]
    assert ask(SATURATION, 1050, there) == 10
    assert ask(SATURATION, 1200, there) == 6
