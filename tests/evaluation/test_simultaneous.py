import numpy as np
import pytest

from homing.evaluation import cluster, difference, on_policy, simultaneous

USERS = 400


def means(outcomes: np.ndarray) -> list:
    users = cluster(np.arange(len(outcomes)), len(outcomes))
    return [on_policy(column, users) for column in outcomes.T]


def test_of_one_estimate_it_is_the_normal_interval() -> None:
    (alone,) = means(np.random.default_rng(0).normal(size=(USERS, 1)))
    (held,) = simultaneous([alone])
    assert held.value == alone.value
    assert held.interval == "simultaneous"
    assert held.high - held.value == pytest.approx(alone.high - alone.value, rel=0.15)
    assert held.high >= alone.high


def test_what_is_shared_costs_nothing_and_what_is_not_costs_up_to_bonferroni() -> None:
    rng = np.random.default_rng(1)
    own = rng.normal(size=(USERS, 20))
    same = means(np.repeat(own[:, :1], 20, axis=1))
    apart = means(own)

    def reach(estimates: list) -> float:
        held = simultaneous(estimates, replications=2000)[0]
        return (held.high - held.value) / held.std_error

    assert 1.9 < reach(same) < 2.15
    assert 2.8 < reach(apart) <= 3.03  # z(1 - 0.05 / 40) = 3.02


def test_one_that_warns_has_no_interval_and_costs_none() -> None:
    rng = np.random.default_rng(2)
    good = means(rng.normal(size=(USERS, 2)))
    (few,) = means(rng.normal(size=(5, 1)))  # too few users
    assert few.warnings
    held = simultaneous([few])
    assert np.isnan(held[0].low)
    assert held[0].value == few.value
    assert simultaneous(good)[0].high > good[0].high


def test_all_hold_at_once_in_as_many_logs_as_promised() -> None:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(100):
        common = rng.normal(size=(200, 1))
        estimates = means(common + 0.7 * rng.normal(size=(200, 6)))
        pairs = [*estimates, *(difference(one, estimates[0]) for one in estimates[1:])]
        hits += all(one.low <= 0 <= one.high for one in simultaneous(pairs, 0.9, replications=200))
    assert 0.82 <= hits / 100 <= 0.97
