import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import (
    Shrinkage,
    bias_against,
    bias_bound,
    cluster,
    dr,
    ips,
    on_policy,
    select_by_mse,
    select_by_slope,
    shrink,
    shrinkage_grid,
    snips,
)
from homing.evaluation.estimate import Ratio, estimate_from
from homing.schema import InputError

Z95 = 1.959963984540054


def estimate(value, width):
    """An estimate with a value, and half an interval of `width`: two users at value -+ error."""
    error = width / Z95
    column = np.array([value - error, value + error])
    return estimate_from("made", [Ratio(column, np.ones(2))], cluster(None, 2))


def test_a_made_estimate_is_what_it_says():
    found = estimate(2.0, 0.5)
    assert (found.value, found.high - found.value) == pytest.approx((2.0, 0.5))


@pytest.mark.parametrize(
    ("values", "widths", "place"),
    [
        ([0.0, 1.0, 1.2], [1.0, 0.5, 0.1], 2),  # |1.2 - 1| <= .1 + 1.449 * .5, |1.2| <= .1 + 1.449
        ([0.0, 1.0, 1.8], [1.0, 0.5, 0.1], 1),  # |1.8| > .1 + 1.449
        ([0.0, 2.0, 0.0], [1.0, 0.5, 0.1], 0),  # |2| > .5 + 1.449, and what comes after is not asked
        ([1.2, 0.0, 1.0], [0.1, 1.0, 0.5], 0),  # the first case in another order
        ([math.nan, 0.0, 0.1], [1.0, 1.0, 0.5], 2),  # without a value, no candidate
    ],
)
def test_slope_by_hand(values, widths, place):
    candidates = [estimate(v, w) for v, w in zip(values, widths, strict=True)]
    found = select_by_slope(candidates)
    assert found.place == place
    assert found.estimate.value == candidates[place].value
    assert found.estimate.warnings[-1].startswith(f"selected from {len(values)} estimates by SLOPE")


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=1, max_size=8), st.randoms())
@settings(max_examples=50, deadline=None)
def test_slope_agrees_with_all_that_are_wider_in_any_order(numbers, random):
    numbers = list({width: value for value, width in numbers}.items())  # no equal widths
    found = select_by_slope([estimate(value, width) for width, value in numbers])
    chosen = numbers[found.place]
    for width, value in numbers:
        if width > chosen[0]:
            assert abs(value - chosen[1]) <= chosen[0] + (math.sqrt(6) - 1) * width + 1e-9
    random.shuffle(numbers)
    again = select_by_slope([estimate(value, width) for width, value in numbers])
    assert numbers[again.place] == chosen


def test_least_error_by_hand():
    # 3^2 + 4^2 = 5^2, 4^2 + 2^2 = 20, 0 + 6^2
    candidates = [estimate(0.0, 3 * Z95), estimate(1.0, 4 * Z95), estimate(2.0, 0.0)]
    found = select_by_mse(candidates, [4.0, 2.0, 6.0])
    assert found.place == 1
    assert found.scores == pytest.approx([5.0, math.sqrt(20), 6.0])
    assert select_by_mse([estimate(math.nan, 1.0), estimate(0.0, 9.0)], [0.0, 0.0]).place == 1


def test_bias_bound_by_hand():
    # (w - v) e = 0 * 1, 2 * 3, mean 3; mean w^2 = (1 + 16) / 2; log(2 / .05)
    rare = math.log(40)
    noise = math.sqrt(2 * 8.5 * rare / 2) + 2 * 4 * rare / 6
    arguments = ([1.0, 3.0], [1.0, 4.0], [1.0, 2.0])
    assert bias_bound(*arguments, largest=1.0) == pytest.approx(3 + noise)
    assert bias_bound(*arguments) == pytest.approx(3 + 3 * noise)


def test_bias_against_by_hand():
    # ips of 1, 4 and of 1, 3: gap -1/2; influence (-+) (3/2 - 1) / 2 = 1/4, error sqrt(2 * 2 / 16) = 1/2
    candidate, reference = ips([1.0, 1.0], [1.0, 3.0]), ips([1.0, 1.0], [1.0, 4.0])
    assert bias_against(candidate, reference) == pytest.approx(0.5)
    assert bias_against(candidate, reference, confidence=0.95) == pytest.approx(0.5 + Z95 * 0.5)


def heavy_log(seed, rows=400):
    """Outcomes of a target that the log seldom follows: w is 0.1 mostly, 1 in 100 times 90.1."""
    rng = np.random.default_rng(seed)
    rare = rng.random(rows) < 0.01
    return rng.normal(1.0, 1.0, rows), np.where(rare, 90.1, 0.1)


def test_selection_is_better_than_no_shrinkage_where_weights_are_heavy():
    squares = {"plain": 0.0, "slope": 0.0, "mse": 0.0}
    for seed in range(60):
        reward, weight = heavy_log(seed)
        reward = reward - 1.0  # the truth is 0, so that shrinkage costs no bias
        grid = shrinkage_grid(weight, "clip", 8)
        plain = ips(reward, weight)
        candidates = [ips(reward, weight, shrinkage=shrinkage) for shrinkage in grid]
        bias = [bias_against(each, plain) for each in candidates]
        squares["plain"] += plain.value**2
        squares["slope"] += select_by_slope(candidates).estimate.value ** 2
        squares["mse"] += select_by_mse(candidates, bias).estimate.value ** 2
    assert squares["slope"] < 0.7 * squares["plain"]
    assert squares["mse"] < 0.98 * squares["plain"]


def test_selection_keeps_the_weights_where_bias_would_be_large():
    rng = np.random.default_rng(5)
    weight = np.where(rng.random(20_000) < 0.25, 4.0, 0.0)
    reward = np.where(weight > 0, 10.0, 0.0) + rng.normal(size=20_000)  # shrinking loses all of the value
    candidates = [ips(reward, weight, shrinkage=Shrinkage("clip", c)) for c in (4.0, 2.0, 1.0)]
    assert select_by_slope(candidates).place == 0
    assert select_by_mse(candidates, [bias_against(each, candidates[0]) for each in candidates]).place == 0
    bounds = [bias_bound(reward, weight, shrink(weight, Shrinkage("clip", c))) for c in (4.0, 2.0, 1.0)]
    assert select_by_mse(candidates, bounds).place == 0


def test_estimators_are_selected_like_parameters():
    reward, weight = heavy_log(3)
    ones, predictions = np.ones(len(reward)), np.full(len(reward), 1.0)
    offsets = np.arange(len(reward) + 1)
    candidates = [
        ips(reward, weight),
        snips(reward, weight),
        dr(reward, weight, ones, predictions, predictions, offsets),
    ]
    found = select_by_slope(candidates)
    assert found.place == int(np.argmin(found.scores)) != 0


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
@settings(max_examples=30, deadline=None)
def test_the_choice_does_not_depend_on_the_unit_of_the_outcome(seed, unit):
    reward, weight = heavy_log(seed, 50)
    reward += np.where(weight > 1, 1.0, 0.0)
    places = []
    for scaled in (reward, reward * unit):
        candidates = [ips(scaled, weight, shrinkage=Shrinkage("clip", c)) for c in (90.1, 10.0, 1.0)]
        bounds = [bias_bound(scaled, weight, np.minimum(weight, c)) for c in (90.1, 10.0, 1.0)]
        places.append((select_by_slope(candidates).place, select_by_mse(candidates, bounds).place))
    assert places[0] == places[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: select_by_slope([]), "none of the 0 candidates"),
        (lambda: select_by_slope([estimate(math.nan, 1.0)]), "none of the 1 candidates"),
        (lambda: select_by_mse([estimate(0.0, 1.0)], [1.0, 2.0]), "bias has 2 rows, must have 1"),
        (lambda: select_by_mse([estimate(math.nan, 1.0)], [1.0]), "none of the 1 candidates"),
        (lambda: bias_bound([1.0], [1.0], [1.0], confidence=1.0), "confidence == 1.0"),
        (
            lambda: bias_against(on_policy([1.0, 2.0]), on_policy([1.0, 2.0]), confidence=1.0),
            "confidence == 1",
        ),
        (lambda: bias_against(on_policy([1.0, 2.0]), ips([1.0, 2.0], [0.0, 0.0])), "is not known"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
