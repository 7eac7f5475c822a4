import math

import numpy as np
import pytest

from homing.experiments import compare, hazard_ratio, kaplan_meier, survival_levels
from homing.schema import InputError

# five users: events at 2, 3, 3; one was seen until 3, one until 5
TIME = [3.0, 2, 3, 3, 5]
HAPPENED = np.array([True, True, True, False, False])


def test_curve_by_hand():
    # at 2: 5 at risk, 1 event: 4/5; at 3: 4 at risk, 2 events: 4/5 * 1/2
    found = kaplan_meier(TIME, HAPPENED)
    assert found.time.tolist() == [2, 3]
    assert found.at_risk.tolist() == [5, 4]
    assert found.survival == pytest.approx([0.8, 0.4])
    # Greenwood: 1 / (5 * 4); then plus 2 / (4 * 2)
    assert found.std_error == pytest.approx([0.8 * np.sqrt(0.05), 0.4 * np.sqrt(0.05 + 0.25)])


def test_without_censoring_it_is_a_proportion():
    rng = np.random.default_rng(0)
    arm, time = rng.choice(["control", "x"], 500), rng.integers(1, 30, 500)
    found = survival_levels(arm, time, np.ones(500, bool), 10)
    for place, each in enumerate(("control", "x")):
        share = (time[arm == each] > 10).mean()
        assert found.value[place] == pytest.approx(share)
        assert found.noise[place] == pytest.approx(share * (1 - share) / (arm == each).sum())


def test_before_the_first_event_and_after_the_last_user():
    arm = ["a"] * 5
    early = survival_levels(arm, TIME, HAPPENED, 1)
    assert (early.value[0], early.noise[0]) == (1, 0)
    assert np.isnan(survival_levels(arm, TIME, HAPPENED, 6).value[0])


def times(rng, n, rate, whole_days=False):
    at = rng.exponential(1 / rate, n)
    seen = rng.uniform(0, 20, n)
    if whole_days:
        at, seen = np.ceil(at), np.ceil(seen)
    return np.minimum(at, seen), at <= seen


def test_hazard_ratio_by_hand():
    # control events at 2 and 4, x at 1 and 3; with e the ratio 2 - 2 e / (e + 1) - e / (e + 2) = 0,
    # so e^2 - e - 4 = 0
    arm, at = ["control", "control", "x", "x"], [2.0, 4, 1, 3]
    found = hazard_ratio(arm, at, np.ones(4, bool), "x")
    assert found.ratio == pytest.approx((1 + math.sqrt(17)) / 2)
    # log-rank: expected 1/2 + 1/3 + 1/2, variance 1/4 + 2/9 + 1/4
    z = (2 - 4 / 3) / math.sqrt(1 / 2 + 2 / 9)
    assert found.p_value == pytest.approx(math.erfc(z / math.sqrt(2)))


@pytest.mark.parametrize("whole_days", [False, True])
def test_coverage(whole_days):
    """Also where many events share a day, which Efron's likelihood is nearly right for."""
    rng, runs = np.random.default_rng(1), 300
    ratio, retained = 0, 0
    arm = np.repeat(["control", "x"], 300)
    for _ in range(runs):
        parts = [times(rng, 300, rate, whole_days) for rate in (0.1, 0.15)]
        at, happened = (np.concatenate(column) for column in zip(*parts, strict=True))
        found = hazard_ratio(arm, at, happened, "x")
        ratio += found.low < 1.5 < found.high
        levels = survival_levels(arm, at, happened, 7.0)
        kept = compare(levels, "x", distribution="normal")
        retained += kept.low < np.exp(-1.05) - np.exp(-0.7) < kept.high
    assert ratio / runs == pytest.approx(0.95, abs=0.04)
    assert retained / runs == pytest.approx(0.95, abs=0.04)


def test_equal_arms():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(300):
        at, happened = times(rng, 200, 0.1)
        p.append(hazard_ratio(np.repeat(["control", "x"], 100), at, happened, "x").p_value)
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.055)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: kaplan_meier([1.0], [1]), "must be numbers and bool"),
        (lambda: kaplan_meier([-1.0], [True]), "must be >= 0"),
        (lambda: kaplan_meier([np.nan], [True]), "must be finite"),
        (lambda: hazard_ratio(["control", "x"], [1.0, 2], np.array([True, False]), "x"), "has no events"),
        (lambda: survival_levels(["a"], [1.0, 2], np.array([True, True]), 1), "arm has shape"),
    ],
)
def test_bad_input(call, rule):
    with pytest.raises(InputError, match=rule):
        call()
