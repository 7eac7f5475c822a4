import numpy as np
import pytest

from homing.evaluation import check_chosen, check_days
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


def test_correct_logs_are_rarely_accused():
    accused = sum(not check_days(*log(np.random.default_rng(seed))).passed for seed in range(100))
    assert accused <= 4


def test_one_wrong_day_is_found_where_the_whole_log_hides_it():
    found, hidden = 0, 0
    for seed in range(20):
        propensity, candidates, day, user = log(np.random.default_rng(seed))
        wrong = np.where(day == 7, propensity * 1.35, propensity).clip(max=1.0)
        check = check_days(wrong, candidates, day, user)
        if not check.passed:
            found += 1
            assert "propensities of 7 do not match" in check.warnings[0]
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
