from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from homing.experiments import adjusted_p_values, interval_confidence
from homing.schema import InputError

CORRECTIONS = ["bonferroni", "holm", "hommel", "benjamini_hochberg"]
P = [0.01, 0.02, 0.03, 0.5]


@pytest.mark.parametrize(
    ("correction", "by_hand"),
    [
        ("none", P),
        ("bonferroni", [0.04, 0.08, 0.12, 1.0]),
        ("holm", [0.04, 0.06, 0.06, 0.5]),
        # Simes of all four: min(.04, .04, .04, .5); of {.02, .03, .5} .045, of {.03, .5} .06
        ("hommel", [0.04, 0.045, 0.06, 0.5]),
        ("benjamini_hochberg", [0.04, 0.04, 0.04, 0.5]),
    ],
)
def test_by_hand(correction, by_hand):
    assert adjusted_p_values(P, correction) == pytest.approx(by_hand)
    assert adjusted_p_values(P[::-1], correction) == pytest.approx(by_hand[::-1])
    assert adjusted_p_values([P, P], correction) == pytest.approx(np.array([by_hand, by_hand]))


def closed(p, local):
    """Adjusted p-values by the closure principle: the largest local p of any subset with the test."""
    places = range(len(p))
    sets = [s for size in range(1, len(p) + 1) for s in combinations(places, size)]
    return [max(local([p[i] for i in s]) for s in sets if place in s) for place in places]


def simes(p):
    return min(len(p) * value / (rank + 1) for rank, value in enumerate(sorted(p)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_closure(p):
    assert adjusted_p_values(p, "hommel") == pytest.approx(closed(p, simes), abs=1e-12)
    bonferroni = closed(p, lambda part: min(len(part) * min(part), 1.0))
    assert adjusted_p_values(p, "holm") == pytest.approx(bonferroni, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_from_strict_to_lenient(p):
    found = [adjusted_p_values(p, correction) for correction in CORRECTIONS]
    for strict, lenient in zip(found, [*found[1:], np.array(p)], strict=True):
        assert (strict >= lenient - 1e-12).all()


def test_a_test_that_cannot_be_made_still_counts():
    found = adjusted_p_values([0.01, np.nan, 0.04], "holm")
    assert found[[0, 2]] == pytest.approx([0.03, 0.08])
    assert np.isnan(found[1])


def test_intervals():
    assert interval_confidence(P, 0.05, "none") == pytest.approx([0.95] * 4)
    assert interval_confidence(P, 0.05, "bonferroni") == pytest.approx([0.9875] * 4)
    found = interval_confidence(P, 0.05, "benjamini_hochberg")
    assert found == pytest.approx([1 - 0.05 * 3 / 4] * 3 + [1 - 0.05 / 4])
    with pytest.raises(InputError, match="has no intervals"):
        interval_confidence(P, 0.05, "hommel")


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_error_rates(correction):
    """Ten correlated tests, two of which have an effect."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20_000, 10)) * np.sqrt(0.6) + rng.normal(size=(20_000, 1)) * np.sqrt(0.4)
    z[:, :2] += 3
    p = np.array(1 - 0.5 * (1 + erf(z / np.sqrt(2))))
    rejected = adjusted_p_values(p, correction) <= 0.05
    false, every = rejected[:, 2:].sum(axis=1), rejected.sum(axis=1)
    rate = (false / np.maximum(every, 1)).mean() if "benjamini" in correction else (false > 0).mean()
    assert 0.01 < rate < 0.054


def test_bad_input():
    with pytest.raises(InputError, match="must be in \\[0, 1\\]"):
        adjusted_p_values([0.5, 1.1], "holm")
    with pytest.raises(InputError, match="must be one of"):
        adjusted_p_values([0.5], "sidak")
    with pytest.raises(InputError, match="at least a test"):
        adjusted_p_values([], "holm")
    with pytest.raises(InputError, match="alpha == 0"):
        interval_confidence([0.5], 0, "none")
