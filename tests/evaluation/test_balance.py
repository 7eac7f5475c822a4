import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import balancing_weights, snips
from homing.schema import InputError


def test_two_kinds_of_rows_by_hand():
    # one in four is old; half of today's users are: old rows count 0.5 / 0.25 = 2, others 0.5 / 0.75
    found = balancing_weights([[1.0], [0.0], [0.0], [0.0]], [0.5])
    assert found == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3], rel=1e-2)


def test_a_goal_that_is_met_already_changes_nothing():
    assert balancing_weights([[1.0], [3.0]], [2.0]) == pytest.approx([1, 1])


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_weighted_means_are_the_goal_and_weights_average_one(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 3)) * [1, 10, 0.1]
    goal = x.mean(axis=0) + x.std(axis=0) * rng.uniform(-0.7, 0.7, 3)
    weight = balancing_weights(x, goal)
    assert weight.mean() == pytest.approx(1)
    assert np.abs((weight @ x / 400 - goal) / x.std(axis=0)).max() <= 1e-3


def test_it_carries_a_mean_over_to_a_shifted_population():
    # normal to normal with another mean: the log of the density ratio is linear, so the tilt is exact
    rng = np.random.default_rng(0)
    old, new = rng.normal(0, 1, 40_000), rng.normal(0.8, 1, 40_000)
    weight = balancing_weights(old[:, None], [new.mean()])
    carried = snips(old**3, weight)
    truth = 0.8**3 + 3 * 0.8  # E x^3 of a normal with mean 0.8 and variance 1
    assert abs(carried.value - truth) < 4 * carried.std_error
    assert abs((old**3).mean() - truth) > 20 * carried.std_error


@pytest.mark.parametrize("goal", [[2.0], [1.1]])
def test_what_the_log_does_not_reach_has_no_weights(goal):
    assert balancing_weights(np.linspace(0, 1, 50)[:, None], goal) is None


def test_a_column_that_never_varies_and_columns_that_go_together():
    assert balancing_weights([[1.0], [1.0]], [0.5]) is None
    twice = np.repeat(np.arange(10.0)[:, None], 2, axis=1)
    weight = balancing_weights(twice, [6.0, 6.0])
    assert weight @ twice[:, 0] / 10 == pytest.approx(6, abs=0.01)


def test_bad_input():
    with pytest.raises(InputError, match=r"must be \[n, columns\]"):
        balancing_weights([[1.0]], [1.0, 2.0])
    with pytest.raises(InputError, match="not finite"):
        balancing_weights([[math.nan]], [1.0])
