import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import top_k
from homing.schema import InputError

TRUE = np.array([1.0, 4.0, 2.0, 3.0])
ESTIMATED = np.array([5.0, 4.0, 3.0, 9.0])  # picks 3, 0, 1, 2


def test_two_policies_by_hand():
    # worth 3 and 1: spread 1; (3 - 2) / 1; 1 of 2 is under 2
    found = top_k(ESTIMATED, TRUE, 2, baseline=2.0)
    assert (found.mean, found.best, found.worst, found.spread) == (2.0, 3.0, 1.0, 1.0)
    assert (found.sharpe, found.violations) == (1.0, 0.5)
    assert top_k(ESTIMATED, TRUE, 2, baseline=2.0, safety=0.5).violations == 0.0


def test_one_policy_has_no_spread():
    found = top_k(ESTIMATED, TRUE, 1, baseline=2.0)
    assert (found.mean, found.best, found.worst, found.spread) == (3.0, 3.0, 3.0, 0.0)
    assert math.isnan(found.sharpe)
    assert math.isnan(top_k(ESTIMATED, np.full(4, 0.1), 3, baseline=0.0).sharpe)


def test_no_other_picks_are_better_than_those_of_the_truth():
    for k in range(1, 5):
        right = top_k(TRUE, TRUE, k, baseline=2.0)
        for order in itertools.permutations(range(4)):
            other = top_k(np.array(order, float), TRUE, k, baseline=2.0)
            assert right.mean >= other.mean and right.best >= other.best and right.worst >= other.worst
            assert right.violations <= other.violations


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=40, deadline=None)
def test_sharpe_does_not_depend_on_unit_or_origin(seed, unit, origin):
    rng = np.random.default_rng(seed)
    estimated, true, baseline = rng.normal(size=6), rng.normal(size=6), float(rng.normal())
    found = top_k(estimated, true, 4, baseline)
    moved = top_k(estimated, true * unit + origin, 4, baseline * unit + origin)
    assert moved.sharpe == pytest.approx(found.sharpe)
    assert moved.violations == found.violations
    assert found.worst <= found.mean <= found.best


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_k(ESTIMATED, TRUE, 5, 0.0), "k == 5, must be from 1 to the 4"),
        (lambda: top_k(ESTIMATED, TRUE, 0, 0.0), "k == 0"),
        (lambda: top_k([math.nan, 1.0], [1.0, 1.0], 1, 0.0), "estimated has 1 NaN"),
        (lambda: top_k(ESTIMATED, TRUE, 2, math.nan), "baseline == nan"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
