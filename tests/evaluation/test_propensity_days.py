import math
from statistics import NormalDist

import numpy as np
import pytest

from homing.evaluation import check_chosen, check_days
from homing.evaluation.diagnostics.propensity_days import _scores
from homing.schema import InputError

DAYS, USERS = 20, 200


def log(rng):
    """Four candidates drawn with known chances, one decision a user and day."""
    day = np.repeat(np.arange(DAYS), USERS)
    chance = rng.dirichlet(np.ones(4), len(day)) * 0.8 + 0.05
    choice = (rng.random((len(day), 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    logged = chance[np.arange(len(day)), choice]
    return logged, np.full(len(day), 4), day, np.tile(np.arange(USERS), DAYS)


def test_two_days_by_hand():
    # day 1: 1 / p sums to 2 + 2 for 2 + 2 candidates; day 2: 4 + 4 for 4
    found = check_days([0.5, 0.5, 0.25, 0.25], [2, 2, 2, 2], [1, 1, 2, 2], [0, 1, 0, 1])
    assert [(g.name, g.expected, g.observed) for g in found.groups] == [("1", 4.0, 4.0), ("2", 4.0, 8.0)]
    assert found.groups[0].z == 0
    assert not found.passed


@pytest.mark.parametrize(("users", "spread", "floor"), [(200, 1, 0.2), (60, 2, 0.05), (200, 3, 0.01)])
def test_correct_logs_are_rarely_accused(users, spread, floor):
    accused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        chance = np.exp(spread * rng.normal(size=(20 * users, 4)))
        chance = (1 - floor) * chance / chance.sum(axis=1, keepdims=True) + floor / 4
        choice = (rng.random((len(chance), 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
        logged = chance[np.arange(len(chance)), choice]
        day, user = np.repeat(np.arange(20), users), np.tile(np.arange(users), 20)
        accused += not check_days(logged, np.full(len(day), 4), day, user).passed
    assert accused <= 5  # 1 in the long run


def test_a_day_of_few_decisions_is_not_judged():
    propensity = np.full(1000, 0.5)
    propensity[::50] = 0.01
    propensity[-1] = 0.25
    day = np.repeat([1, 2], [998, 2])
    found = check_days(propensity, np.full(1000, 2), day, np.arange(1000))
    assert math.isnan(found.groups[1].z)
    assert not math.isnan(found.groups[0].z)


def test_z_is_that_of_a_gamma_variable_with_the_same_three_moments():
    # exponential gaps less their mean have skewness 2; sums of 25 are gamma exactly
    rng = np.random.default_rng(0)
    gap = rng.exponential(size=500_000) - 1
    total = gap.reshape(-1, 25).sum(axis=1)
    z = _scores(total, np.full(len(total), 25), gap)
    normal = NormalDist()
    for level in (0.001, 0.01, 0.5, 0.99, 0.999):
        assert (z < normal.inv_cdf(level)).mean() == pytest.approx(level, abs=3 * (level / 20_000) ** 0.5)
    np.testing.assert_allclose(_scores(-total, np.full(len(total), 25), -gap), -z)


def test_one_wrong_day_is_found_where_the_whole_log_hides_it():
    found, hidden = 0, 0
    for seed in range(20):
        propensity, candidates, day, user = log(np.random.default_rng(seed))
        wrong = np.where(day == 7, propensity * 1.35, propensity).clip(max=1.0)
        check = check_days(wrong, candidates, day, user)
        found += "propensities of 7 do not match" in " ".join(check.warnings)
        hidden += check_chosen(wrong, candidates, user).passed
    assert found >= 18
    assert hidden >= 15


def test_days_may_be_dates():
    day = np.array(["2026-11-01", "2026-11-02", "2026-11-01", "2026-11-02"], "datetime64[D]")
    found = check_days([0.5, 0.5, 0.5, 0.5], [2, 2, 2, 2], day, [0, 0, 1, 1])
    assert [group.name for group in found.groups] == ["2026-11-01", "2026-11-02"]


def test_bad_input():
    with pytest.raises(InputError, match="day has 1 rows"):
        check_days([0.5, 0.5], [2, 2], [1], [0, 1])
