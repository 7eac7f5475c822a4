import math

import numpy as np
import pytest

from homing.evaluation import weight_sequence
from homing.evaluation.intervals.sequences import _bets, _lower
from homing.schema import InputError

LOGGING, TARGET, MEAN = np.array([0.05, 0.2, 0.75]), np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.1, 0.2])
TRUTH = float(TARGET @ MEAN)
LOOKS = np.unique(np.geomspace(10, 4000, 40).astype(int))


def log(rng, rows=4000):
    action = rng.choice(3, rows, p=LOGGING)
    reward = (rng.random(rows) < MEAN[action]).astype(np.float64)
    return reward, (TARGET / LOGGING)[action]


def test_one_decision_and_one_bet_by_hand():
    # guess 1/2; wealth exp(l s + (l + log(1 - l)) (phi - 1/2)^2) reaches 1 / alpha at
    # s = (log(1 / alpha) - (l + log(1 - l)) (phi - 1/2)^2) / l, and the bound is phi - s
    bet, alpha = 0.5, 0.1
    expected = 2.0 - (math.log(10) - (0.5 + math.log(0.5)) * 1.5**2) / bet
    found = _lower(np.array([2.0]), np.array([1]), np.array([bet]), alpha)
    assert found[0] == pytest.approx(expected)


def test_bets_are_inside_the_unit_interval():
    assert (np.diff(_bets(100.0, 0.025)) > 0).all()
    few = _bets(0.1, 0.025)
    assert few.min() > 0
    assert few.max() < 1


def test_it_holds_at_all_looks_in_95_of_100_logs():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(100):
        found = weight_sequence(*log(rng), LOOKS, tightest_at=2000, spread=1.3)
        missed += bool((found.low > TRUTH).any() or (found.high < TRUTH).any())
    assert missed <= 5


def test_it_narrows_and_is_within_twice_a_normal_interval():
    rng = np.random.default_rng(4)
    found = weight_sequence(*log(rng, 20_000), [1, 2000, 20_000], tightest_at=20_000, spread=1.3)
    width = found.high - found.low
    assert (np.diff(width) < 0).all()
    assert (found.low[0], found.high[0]) == (0.0, 1.0)
    deviation = math.sqrt((TARGET**2 / LOGGING) @ MEAN - TRUTH**2)
    assert width[2] < 2 * (2 * 1.96 * deviation / math.sqrt(20_000))


def test_outcomes_of_another_range_are_the_same_stretched():
    reward, weight = log(np.random.default_rng(5))
    plain = weight_sequence(reward, weight, LOOKS)
    moved = weight_sequence(4 * reward - 1, weight, LOOKS, outcomes=(-1.0, 3.0))
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(moved, name), 4 * getattr(plain, name) - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward": [0.0, 2.0]}, "must lie within outcomes"),
        ({"looks": [2, 1]}, "must rise within"),
        ({"looks": [1, 3]}, "must rise within"),
        ({"tightest_at": 0}, "tightest_at == 0"),
        ({"weight": [1.0, -1.0]}, "minimum of -1"),
    ],
)
def test_bad_input(arguments, message):
    given = {"reward": [0.0, 1.0], "weight": [1.0, 1.0], "looks": [1, 2]} | arguments
    with pytest.raises(InputError, match=message):
        weight_sequence(**given)
