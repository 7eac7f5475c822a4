import numpy as np
import pytest

from homing.experiments import (
    adjust,
    difference,
    from_arrays,
    holdout_moments,
    holdout_readout,
    mean,
    ratio,
    variance_reduction,
)
from homing.schema import InputError

HELD = np.array([1, 1, 0, 0, 0], bool)
ENTERED = np.array([0, 1, 0, 0, 1])
OUTCOME = np.array([[1.0, 2], [np.nan, 4], [3, 3], [5, 7], [9, 2]])  # the 9 is before the entry


def test_by_hand():
    """Period 1: 1 against (3 + 5) / 2; then 7 / 3 user-periods against 20 / 5."""
    found = holdout_readout(OUTCOME, HELD, ENTERED, periods=["Q1", "Q2"])
    assert found.periods == ("Q1", "Q2")
    assert found.by_period.control_level == pytest.approx([1, 3])
    assert found.by_period.level == pytest.approx([4, 4])
    assert found.by_period.count.tolist() == [2, 3]
    assert found.cumulative.value == pytest.approx([3, 20 / 5 - 7 / 3])


def test_last_period_is_a_ratio_of_sums_by_user():
    found = holdout_readout(OUTCOME, HELD, ENTERED, name="visits")
    sums = {"y": np.array([3.0, 4, 6, 12, 2]), "n": np.array([2.0, 1, 2, 2, 1])}
    moments = from_arrays(np.where(HELD, "holdout", "rest"), sums)
    want = difference(moments, ratio("y", "n"), "rest", "holdout")
    assert found.cumulative.std_error[1] == pytest.approx(want.std_error)
    assert found.cumulative.metric == "visits"


def test_without_late_users_the_cumulative_is_the_mean_of_sums():
    rng = np.random.default_rng(0)
    y, held = rng.poisson(2, (400, 4)).astype(float), rng.random(400) < 0.2
    found = holdout_readout(y, held, np.zeros(400, int))
    moments = from_arrays(np.where(held, "holdout", "rest"), {"y": y.mean(axis=1)})
    want = difference(moments, mean("y"), "rest", "holdout")
    assert found.cumulative.value[-1] == pytest.approx(float(want.value))
    assert found.cumulative.low[-1] == pytest.approx(float(want.low))


def test_critical_widens_the_cumulative_only():
    plain = holdout_readout(OUTCOME, HELD, ENTERED)
    wide = holdout_readout(OUTCOME, HELD, ENTERED, critical=[100.0, 100.0])
    assert wide.cumulative.high[1] == pytest.approx(
        plain.cumulative.value[1] + 100 * plain.cumulative.std_error[1]
    )
    assert wide.by_period.high[1] == plain.by_period.high[1]


def test_coverage_where_users_join_and_effects_grow():
    """The truth: 0.1 in a user's first period, 0.2 in the second, ..., over periods since entry."""
    rng, held_true, runs, users = np.random.default_rng(1), np.zeros(4), 200, 500
    for _ in range(runs):
        entry, held = rng.integers(0, 4, users), rng.random(users) < 0.2
        age = np.arange(4) - entry[:, None] + 1
        y = rng.exponential(1, (users, 1)) + rng.normal(size=age.shape) + 0.1 * age * ~held[:, None]
        found = holdout_readout(y, held, entry).cumulative
        ages = [np.concatenate([np.arange(1, k - e + 2) for e in range(k + 1)]) for k in range(4)]
        truth = np.array([0.1 * a.mean() for a in ages])
        held_true += (found.low < truth) & (truth < found.high)
    assert held_true / runs == pytest.approx(np.full(4, 0.95), abs=0.04)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"outcome": OUTCOME[0]}, "must be \\[users, periods\\]"),
        ({"held_out": HELD * 2}, "held_out must be"),
        ({"entered": ENTERED - 1}, "0 or more"),
        ({"entered": np.zeros(5, int)}, "1 missing or infinite"),
        ({"periods": ["Q1", "Q1"]}, "2 different labels"),
        ({"scale": "percent"}, "scale == 'percent'"),
        ({"before": {"visits": [1.0, 2]}}, "visits has shape"),
        ({"before": {"periods": np.ones(5)}}, "names of the read-out"),
        ({"before": {f"b{k}": np.arange(5.0) ** k for k in range(1, 4)}}, "too small for 3 covariates"),
    ],
)
def test_bad_input(change, rule):
    given = {"outcome": OUTCOME, "held_out": HELD, "entered": ENTERED} | change
    with pytest.raises(InputError, match=rule):
        holdout_readout(**given)


def test_a_part_of_a_period_counts_as_a_part():
    """Held out 1 + 2 + 4 over 1.5 + 0.5 periods, the second a half; others 20 over 1.5 + 1.5 + 0.5."""
    found = holdout_readout(OUTCOME, HELD, ENTERED, lengths=[1.0, 0.5])
    assert found.cumulative.control_level[1] == pytest.approx(7 / 2)
    assert found.cumulative.level[1] == pytest.approx(20 / 3.5)
    assert found.by_period.level == pytest.approx([4, 4])
    with pytest.raises(InputError, match="must be 2 finite numbers over 0"):
        holdout_readout(OUTCOME, HELD, ENTERED, lengths=[1.0, 0.0])


def test_users_in_parts_are_users_together():
    whole = holdout_moments(OUTCOME, HELD, ENTERED).readout(critical=[3.0, 3.0])
    parts = [holdout_moments(OUTCOME[rows], HELD[rows], ENTERED[rows]) for rows in (slice(0, 3), slice(3, 5))]
    again = (parts[0] + parts[1]).readout(critical=[3.0, 3.0])
    for name in ("value", "low", "high"):
        for one, two in ((whole.by_period, again.by_period), (whole.cumulative, again.cumulative)):
            assert getattr(one, name) == pytest.approx(getattr(two, name), nan_ok=True)


def test_less_what_users_did_before():
    """As `adjust` of one table of users who were all there, whose periods are one sum."""
    rng = np.random.default_rng(4)
    past, held = rng.poisson(3, 300).astype(float), rng.random(300) < 0.3
    y = rng.poisson(1 + past[:, None], (300, 2)).astype(float)
    new = (rng.random(300) < 0.2).astype(float)
    known = {"before": past * (1 - new), "is new": new}
    found = holdout_readout(y, held, np.zeros(300, int), before=known)
    table = from_arrays(np.where(held, "holdout", "rest"), {"y": y.mean(axis=1), **known})
    adjusted = adjust(table, {"y": list(known)}, slopes="within")
    want = difference(adjusted, mean("y"), "rest", "holdout")
    assert found.cumulative.value[-1] == pytest.approx(float(want.value))
    assert found.cumulative.std_error[-1] == pytest.approx(float(want.std_error))
    assert found.noise_taken[-1] == pytest.approx(float(variance_reduction(table, adjusted, "y")))
    assert found.noise_taken[-1] > 0.2
    plain = holdout_readout(y, held, np.zeros(300, int))
    assert (found.by_period.std_error < plain.by_period.std_error).all()
    assert (plain.noise_taken == 0).all()


def test_adjusted_coverage_where_users_join():
    rng, held_true, runs, users = np.random.default_rng(5), np.zeros(3), 200, 400
    for _ in range(runs):
        entry, held = rng.integers(0, 3, users), rng.random(users) < 0.15
        level = rng.exponential(1, users)
        age = np.arange(3) - entry[:, None] + 1
        y = level[:, None] + rng.normal(size=age.shape) + 0.1 * age * ~held[:, None]
        known = {"before": np.where(entry == 0, level, 0.0), "is new": (entry > 0).astype(float)}
        found = holdout_readout(y, held, entry, before=known).cumulative
        ages = [np.concatenate([np.arange(1, k - e + 2) for e in range(k + 1)]) for k in range(3)]
        truth = np.array([0.1 * a.mean() for a in ages])
        held_true += (found.low < truth) & (truth < found.high)
    assert held_true / runs == pytest.approx(np.full(3, 0.95), abs=0.04)
