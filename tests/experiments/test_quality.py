import math

import numpy as np
import polars as pl
import pytest
from scipy.special import chdtrc

from homing.experiments import (
    before_start,
    from_arrays,
    from_sums,
    from_table,
    mean,
    outliers,
    same_in_all,
    sample_ratio,
    sample_ratio_at_all_looks,
)
from homing.schema import InputError

HALVES = {"control": 0.5, "x": 0.5}


def counts(**arms):
    n = np.array(list(arms.values()), np.float64)
    return from_sums(list(arms), ["y"], n, n[:, None], n[:, None, None])


def test_sample_ratio_by_hand():
    # 60 and 40 of 100: (10^2 + 10^2) / 50 = 4 with one degree of freedom: p = erfc(sqrt 2)
    found = sample_ratio(counts(control=60, x=40), HALVES, alpha=0.05)
    assert found.p_value == pytest.approx(math.erfc(math.sqrt(2)))
    assert not found.passed
    assert found.detail == "control 60 of 50, x 40 of 50"
    assert sample_ratio(counts(control=60, x=40), {"control": 0.6, "x": 0.4}).p_value == 1


def test_an_arm_that_is_off_has_no_degree_of_freedom():
    found = sample_ratio(counts(control=60, x=40), HALVES | {"old": 0.0})
    assert found.p_value == pytest.approx(math.erfc(math.sqrt(2)))
    assert "share of 0" in sample_ratio(counts(control=60, x=40, old=1), HALVES | {"old": 0.0}).detail


def test_arms_that_are_not_as_planned():
    stray = sample_ratio(counts(control=50, x=50, y=1), HALVES)
    assert not stray.passed
    assert "['y'] are not in the plan" in stray.detail
    assert not sample_ratio(counts(control=50), HALVES).passed
    assert not sample_ratio(counts(control=0, x=0), HALVES).passed  # nothing is known
    with pytest.raises(InputError, match="must be >= 0 and sum to 1"):
        sample_ratio(counts(control=50), {"control": 50})


def test_by_segment():
    table = pl.DataFrame(
        {
            "arm": ["control"] * 80 + ["x"] * 80,
            "country": ["DE"] * 50 + ["SE"] * 30 + ["DE"] * 20 + ["SE"] * 60,
            "y": 1.0,
        }
    )
    moments = from_table(table, ["y"], by=["country"])
    found = sample_ratio(moments, HALVES)
    # DE 50 : 20, (15^2 + 15^2) / 35 = 12.86, twice by Holm; together 80 : 80
    assert found.p_value == pytest.approx(2 * chdtrc(1, 450 / 35))
    assert found.detail.startswith("country DE: control 50 of 35")
    assert sample_ratio(moments.total("country"), HALVES).passed


def test_sequential_by_hand():
    # one unit in the first of two equal arms: prior Dirichlet(1, 1), marginal 1/2, null 1/2: no evidence
    # three in the first: marginal 3! / (2 * 3 * 4) = 1/4, null 1/8: evidence 2
    found = sample_ratio_at_all_looks([[1, 0], [3, 0], [3, 2]], [0.5, 0.5])
    assert found == pytest.approx([1, 0.5, 0.5])


def test_sequential_holds_at_all_looks():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        arrivals = rng.multinomial(20, [0.7, 0.2, 0.1], 300).cumsum(axis=0)
        alarms += sample_ratio_at_all_looks(arrivals, [0.7, 0.2, 0.1])[-1] < 0.05
    assert alarms <= 20 + 4 * math.sqrt(400 * 0.05 * 0.95)
    broken = rng.multinomial(20, [0.65, 0.22, 0.13], 300).cumsum(axis=0)
    assert sample_ratio_at_all_looks(broken, [0.7, 0.2, 0.1])[-1] < 0.001
    with pytest.raises(InputError, match="must be \\[looks, 2 arms\\]"):
        sample_ratio_at_all_looks([1, 2], [0.5, 0.5])


def test_before_start():
    rng = np.random.default_rng(1)
    arm = rng.choice(["control", "x", "z"], 3000)
    before, other = rng.normal(size=3000) + 0.3 * (arm == "z"), rng.normal(size=3000)
    moments = from_arrays(arm, {"before": before, "other": other})
    found = before_start(moments, [mean("other"), mean("before")])
    assert not found.passed
    assert found.detail == "before of z differs most"
    assert before_start(moments, [mean("other")]).passed
    with pytest.raises(InputError, match="needs a metric"):
        before_start(moments, [])


def test_an_effect_that_fades():
    rng = np.random.default_rng(2)
    day, arm = rng.integers(0, 5, 5000), rng.choice(["control", "x"], 5000)
    y = rng.normal(size=5000) + (arm == "x") * np.where(day == 0, 1.0, 0.1)
    moments = from_table(pl.DataFrame({"arm": arm, "day": day, "y": y}), ["y"], by=["day"])
    found = same_in_all(moments, mean("y"), "x", "day")
    assert not found.passed
    assert "at day 0" in found.detail
    flat = pl.DataFrame({"arm": arm, "day": day, "y": rng.normal(size=5000)})
    assert same_in_all(from_table(flat, ["y"], by=["day"]), mean("y"), "x", "day").passed
    with pytest.raises(InputError, match="must be by day only"):
        same_in_all(moments.total("day"), mean("y"), "x", "day")


def test_outliers_by_hand():
    # control 0, 2: scatter 2, each unit half of it; x nine 0 and a 10: scatter 90, the 10 has 81 / 90
    moments = from_arrays(["control"] * 2 + ["x"] * 10, {"y": [0, 2] + [0] * 9 + [10]})
    found = outliers(moments, "y", [[0, 2], [0, 10]])
    assert not found.passed
    assert found.detail == "one unit of x has 90% of what varies there"
    assert outliers(moments, "y", [[0, 2], [0, 10]], most=0.9).passed
    assert outliers(from_arrays(["control", "x", "x"], {"y": [1, 2, 2]}), "y", [[1, 1], [2, 2]]).passed
    with pytest.raises(InputError, match=r"must be \[2 arms, 2\]"):
        outliers(moments, "y", [0, 10])
