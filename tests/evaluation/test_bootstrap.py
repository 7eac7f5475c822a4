import math

import numpy as np
import pytest

from homing.evaluation import bootstrap, difference, ips, on_policy, resampled_values, snips
from homing.evaluation.intervals.bootstrap import resampled_totals
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
    # both are drawn Poisson(1) times: of n ~ Poisson(2) draws, given n > 0, the mean is Bin(n, 1/2) / n,
    # whose variance is E[1 / (4 n) | n > 0]
    chances = [math.exp(-2) * 2**n / math.factorial(n) for n in range(1, 30)]
    variance = sum(p / (4 * n) for n, p in enumerate(chances, 1)) / sum(chances)
    found = bootstrap(on_policy([0.0, 1.0]), 20_000)
    assert found.std_error == pytest.approx(math.sqrt(variance), rel=0.03)
    assert (found.low, found.high) == (0.0, 1.0)
    assert "resamples had no overlap at all" in found.warnings[-1]  # e^-2 of them drew nobody


def test_weights_are_a_poisson_variable_of_mean_and_variance_one():
    # the total of user u alone is its weight; a user's weights come from its id and not from its place
    unit = np.eye(3)[:, 1]
    weights = resampled_totals([unit], np.array([7, 8, 9], np.uint64), 40_000, 3, 10)[:, 0]
    again = resampled_totals([np.ones(1)], np.array([8], np.uint64), 40_000, 3, 10)[:, 0]
    np.testing.assert_array_equal(weights, again)
    assert weights.mean() == pytest.approx(1, abs=0.02)
    assert weights.var() == pytest.approx(1, abs=0.03)
    counts = np.bincount(weights.astype(int), minlength=4)[:4] / 40_000
    expected = [math.exp(-1) / math.factorial(k) for k in range(4)]
    np.testing.assert_allclose(counts, expected, atol=0.01)


def test_totals_of_disjoint_users_add_up_whatever_their_order():
    sums, keys = RNG.random(300), np.arange(300, dtype=np.uint64)
    whole = resampled_totals([sums], keys, 30, 5, 1000)
    order = RNG.permutation(300)
    parts = [resampled_totals([sums[part]], keys[part], 30, 5, 1000) for part in (order[:90], order[90:])]
    np.testing.assert_allclose(parts[0] + parts[1], whole)


def test_it_is_as_accurate_as_drawing_users_with_replacement():
    found = snips(REWARD, WEIGHT, USER)
    ratio, users = found.ratios[0], found.users
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(users, np.full(users, 1 / users), 3000)
    other = np.sort(drawn @ ratio.numerator / (drawn @ ratio.denominator))
    ours = np.sort(resampled_values([found], 3000, 1)[:, 0])
    assert ours.std() == pytest.approx(other.std(), rel=0.05)
    for level in (75, 750, 1500, 2250, 2925):
        assert ours[level] == pytest.approx(other[level], abs=0.25 * other.std())


def test_estimates_are_resampled_together():
    a, b = snips(REWARD, WEIGHT, USER), on_policy(REWARD, USER)
    values = resampled_values([a, b, difference(a, b)], 50, 4)
    np.testing.assert_allclose(values[:, 2], values[:, 0] - values[:, 1])
    with pytest.raises(InputError, match="different users"):
        resampled_values([a, on_policy(REWARD[:9])])


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
