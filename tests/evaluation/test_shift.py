import math

import numpy as np
import pytest

from homing.evaluation import covariate_shift
from homing.schema import InputError

RNG = np.random.default_rng(3)


def test_a_difference_of_means_by_hand():
    # log 0, 2 and today 2, 4: means 1 and 3, both of standard deviation 1: two of them apart
    found = covariate_shift([[0.0], [2.0]], [[2.0], [4.0]], ["age"])
    (mean,) = (f for f in found.features if f.aspect == "mean")
    assert (mean.log, mean.today, mean.difference) == (1.0, 3.0, 2.0)
    (spread,) = (f for f in found.features if f.aspect == "spread")
    assert (spread.log, spread.today, spread.difference) == (1.0, 1.0, 0.0)


def test_equal_samples_are_rarely_accused():
    accused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        old, new = rng.normal(size=(400, 8)), rng.normal(size=(300, 8))
        accused += not covariate_shift(old, new, list("abcdefgh"), negligible=0.0).passed
    assert accused <= 4


def test_mean_spread_and_gaps_are_each_found_and_named():
    old = RNG.normal(size=(3000, 4))
    new = RNG.normal(size=(2000, 4))
    new[:, 1] += 0.5
    new[:, 2] *= 1.6
    new[RNG.random(2000) < 0.2, 3] = np.nan
    found = covariate_shift(old, new, ["same", "later", "wider", "gone"])
    assert {(f.name, f.aspect) for f in found.moved} == {
        ("later", "mean"),
        ("wider", "spread"),
        ("gone", "missing"),
    }
    assert found.warnings[0].startswith("today's users differ from the log's by more than 0.1 standard dev")
    assert "later (mean " in found.warnings[0]
    assert "gone (missing 0 in the log, 0." in found.warnings[0]


def test_what_is_significant_but_negligible_is_not_reported():
    old, new = RNG.normal(size=(200_000, 1)), RNG.normal(size=(200_000, 1)) + 0.03
    found = covariate_shift(old, new, ["x"])
    assert min(f.p_value for f in found.features) < 0.01
    assert found.passed
    assert not covariate_shift(old, new, ["x"], negligible=0.01).passed


def test_users_of_many_rows_do_not_make_false_alarms():
    accused = {"rows": 0, "users": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        user = np.repeat(np.arange(40), 25)
        old, new = (rng.normal(size=40)[user][:, None] for _ in range(2))
        accused["rows"] += not covariate_shift(old, new, ["x"]).passed
        accused["users"] += not covariate_shift(old, new, ["x"], user, user).passed
    assert accused["users"] <= 6
    assert accused["rows"] >= 30


def test_constants_and_empty_columns():
    found = covariate_shift([[1.0, np.nan]] * 5, [[2.0, 1.0]] * 5, ["constant", "empty"])
    by_name = {(f.name, f.aspect): f.difference for f in found.features}
    assert by_name["constant", "mean"] == math.inf
    assert by_name["empty", "missing"] == -math.inf
    assert ("empty", "mean") not in by_name
    assert not found.passed


def test_bad_input():
    with pytest.raises(InputError, match="must have the 2 features named"):
        covariate_shift([[1.0]], [[1.0]], ["a", "b"])
    with pytest.raises(InputError, match="both must have at least 2"):
        covariate_shift([[1.0]], [[1.0]], ["a"])
