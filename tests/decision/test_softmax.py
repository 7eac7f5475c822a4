import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.decision import best_share, resolve_temperature, softmax, utility
from homing.schema import InputError

from .worlds import offsets_of

numbers = st.floats(-1e6, 1e6, allow_nan=False)
ragged = st.lists(st.lists(numbers, min_size=1, max_size=8), min_size=1, max_size=8)


def flat(rows):
    return np.array([x for row in rows for x in row]), offsets_of(np.array([len(row) for row in rows]))


def test_utility_by_hand():
    values = np.array([[1, 2], [0, 4]], np.float32)
    assert utility(values, np.array([0.5, -1.0])).tolist() == [-1.5, -4.0]


def test_the_best_share_by_hand():
    # odds of 3 to 1 and of 1 to 1; a set of one is no choice
    values, offsets = np.array([0.0, 2 * np.log(3), 5.0, 1.0, 1.0]), np.array([0, 2, 3, 5])
    assert best_share(values, offsets, 2.0) == pytest.approx((0.75 + 0.5) / 2)


def test_a_charge_is_taken_off():
    values, weights = np.array([[1, 2], [0, 4]], np.float32), np.array([0.5, -1.0])
    assert utility(values, weights, np.array([10.5, 3.25])).tolist() == [-1.5 - 10.5, -4.0 - 3.25]


def test_values_that_are_not_finite_are_errors():
    with pytest.raises(InputError, match="candidate 1 == nan"):
        utility(np.array([[1.0], [np.nan]]), np.ones(1))


def test_weights_and_values_must_be_as_many():
    with pytest.raises(InputError, match="3 columns meet 2 weights"):
        utility(np.ones((4, 3)), np.ones(2))


def test_softmax_by_hand():
    u = np.array([0.0, np.log(3.0), 5.0, 0.0, np.log(4.0) * 2])
    offsets = np.array([0, 2, 3, 5])
    assert softmax(u[:3], offsets[:3], 1.0, 0.0) == pytest.approx([0.25, 0.75, 1.0])
    # temperature 2 halves the log-odds: 1 to 4; the floor mixes in one half of each
    assert softmax(u, offsets, 2.0, 0.1)[3:] == pytest.approx([0.9 * 0.2 + 0.05, 0.9 * 0.8 + 0.05])


@settings(deadline=None, max_examples=100)
@given(ragged, st.floats(1e-9, 1e9), st.floats(0, 1))
def test_every_row_sums_to_one_and_the_floor_holds(rows, temperature, floor):
    u, offsets = flat(rows)
    p = softmax(u, offsets, temperature, floor)
    assert np.abs(np.add.reduceat(p, offsets[:-1]) - 1).max() < 1e-12
    assert (p >= np.repeat(floor / np.diff(offsets), np.diff(offsets)) - 1e-15).all()


@settings(deadline=None, max_examples=50)
@given(ragged, numbers)
def test_a_constant_within_a_row_changes_nothing(rows, shift):
    u, offsets = flat(rows)
    assert softmax(u + shift, offsets, 1e3, 0.1) == pytest.approx(softmax(u, offsets, 1e3, 0.1), abs=1e-9)


def test_a_tiny_temperature_takes_the_best_and_splits_ties():
    p = softmax(np.array([1.0, 2.0, 2.0, -1e300]), np.array([0, 4]), 1e-300, 0.0)
    assert p.tolist() == [0.0, 0.5, 0.5, 0.0]


def test_no_rows():
    assert len(softmax(np.zeros(0), np.zeros(1, np.int64), 1.0, 0.1)) == 0


@pytest.mark.parametrize(
    ("temperature", "floor"), [(0.0, 0.1), (-1.0, 0.1), (np.nan, 0.1), (1.0, 1.1), (1.0, -0.1)]
)
def test_temperature_and_floor_have_ranges(temperature, floor):
    with pytest.raises(InputError, match=r"temperature ==|floor =="):
        softmax(np.zeros(1), np.array([0, 1]), temperature, floor)


def test_temperature_of_one_pair_is_closed_form():
    # two candidates a gap g apart: best = 1 / (1 + exp(-g / t)), so t = g / log(s / (1 - s))
    assert resolve_temperature(np.array([0.0, 2.0]), np.array([0, 2]), 0.8) == pytest.approx(2 / np.log(4))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0.5, 0.95), st.floats(1e-6, 1e6))
def test_the_best_candidate_gets_the_share_that_was_asked_for(seed, share, scale):
    rng = np.random.default_rng(seed)
    offsets = offsets_of(rng.integers(1, 9, 50))
    u = rng.normal(scale=scale, size=offsets[-1])
    t = resolve_temperature(u, offsets, share)
    p = softmax(u, offsets, t, 0.0)
    best = np.maximum.reduceat(p, offsets[:-1])[np.diff(offsets) > 1]
    assert best.mean() == pytest.approx(share, abs=1e-6)
    # rows of one candidate have no say
    alone = np.concatenate([u, [7.0]])
    assert resolve_temperature(alone, np.append(offsets, len(alone)), share) == pytest.approx(t)


def test_a_share_that_ties_or_sizes_do_not_allow_is_met_as_nearly_as_can_be():
    tied = resolve_temperature(np.array([0.0, 1.0, 1.0]), np.array([0, 3]), 0.9)
    assert softmax(np.array([0.0, 1.0, 1.0]), np.array([0, 3]), tied, 0.0)[1] == pytest.approx(0.5)
    pair = resolve_temperature(np.array([0.0, 1.0]), np.array([0, 2]), 0.2)
    assert softmax(np.array([0.0, 1.0]), np.array([0, 2]), pair, 0.0)[1] == pytest.approx(0.5, abs=1e-5)
    assert resolve_temperature(np.ones(4), np.array([0, 2, 4]), 0.7) == 1.0


def test_nothing_to_choose_between_is_an_error():
    with pytest.raises(InputError, match="more than one candidate"):
        resolve_temperature(np.ones(2), np.array([0, 1, 2]), 0.7)
