import math

import numpy as np
import pytest

from homing.evaluation import bootstrap, difference, ips, on_policy, snips
from homing.schema import InputError

RNG = np.random.default_rng(5)
USER = np.sort(RNG.integers(0, 400, 2000))
REWARD = RNG.random(2000) + RNG.random(400)[USER]
WEIGHT = RNG.exponential(size=2000)


@pytest.mark.parametrize("estimator", [ips, snips])
def test_agrees_with_the_cluster_robust_error(estimator):
    found = estimator(REWARD, WEIGHT, USER)
    again = bootstrap(found, 2000, seed=1)
    assert again.interval == "bootstrap"
    assert again.value == found.value
    assert again.std_error == pytest.approx(found.std_error, rel=0.08)
    assert again.low == pytest.approx(found.low, abs=0.25 * found.std_error)
    assert again.high == pytest.approx(found.high, abs=0.25 * found.std_error)


def test_dealing_users_into_groups_keeps_the_error():
    found = snips(REWARD, WEIGHT)
    assert bootstrap(found, 1000, groups=500).std_error == pytest.approx(found.std_error, rel=0.15)


def test_same_seed_same_interval():
    found = snips(REWARD, WEIGHT, USER)
    assert bootstrap(found, 50, seed=9) == bootstrap(found, 50, seed=9)
    assert bootstrap(found, 50, seed=9).low != bootstrap(found, 50, seed=8).low


def test_two_users_by_enumeration():
    # resamples of users (0, 1): means 0, 1/2, 1/2, 1 with equal chances: variance 1/8
    found = bootstrap(on_policy([0.0, 1.0]), 20_000)
    assert found.std_error == pytest.approx(math.sqrt(1 / 8), rel=0.03)
    assert (found.low, found.high) == (0.0, 1.0)


def test_denominators_are_taken_anew():
    # every outcome is 3, so the value is 3 in every resample; a frozen denominator would make it vary
    found = bootstrap(snips(np.full(50, 3.0), RNG.exponential(size=50)), 100)
    assert found.std_error == pytest.approx(0, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((3.0, 3.0))


def test_pairs_of_a_difference_are_drawn_together():
    found = difference(snips(REWARD, WEIGHT, USER), on_policy(REWARD, USER))
    assert bootstrap(found, 2000).std_error == pytest.approx(found.std_error, rel=0.08)
    same = bootstrap(difference(on_policy(REWARD), on_policy(REWARD)), 20)
    assert (same.low, same.high) == (0, 0)


def test_resamples_without_overlap_are_counted():
    weight = np.zeros(5)
    weight[2] = 1.0
    found = bootstrap(snips(np.arange(5.0), weight), 200)
    assert any("of 200 resamples had no overlap at all" in note for note in found.warnings)


def test_what_is_not_known_stays_so():
    found = bootstrap(snips(REWARD, np.zeros(2000)))
    assert math.isnan(found.low)
    assert found.warnings[0].startswith("no overlap")


def test_bad_settings():
    with pytest.raises(InputError, match="replications == 1"):
        bootstrap(on_policy(REWARD), 1)
    with pytest.raises(InputError, match="groups == 1"):
        bootstrap(on_policy(REWARD), 10, groups=1)
