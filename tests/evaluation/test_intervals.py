import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import (
    confidence_sequence,
    difference,
    dr,
    empirical_bernstein,
    ips,
    on_policy,
    sndr,
    snips,
)
from homing.schema import InputError


def test_empirical_bernstein_by_hand():
    # a mean of four users: n = 1/2, V = 1/3, log(4 / 0.05) = 4.382
    # reach = sqrt(2 * 4.382 / 3 / 4) + 7 * 4.382 / (3 * 3)
    log_term = math.log(80)
    reach = math.sqrt(2 * log_term / 3 / 4) + 7 * log_term / 9
    found = empirical_bernstein(on_policy([0.0, 1.0, 1.0, 0.0]), 1.0)
    assert found.interval == "empirical Bernstein"
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert found.std_error == on_policy([0.0, 1.0, 1.0, 0.0]).std_error


def test_both_ends_solve_the_bound_with_a_random_denominator():
    rng = np.random.default_rng(1)
    user = rng.integers(0, 3000, 9000)
    found = empirical_bernstein(snips(rng.random(9000), rng.random(9000), user), 20.0)
    (ratio,), users = found.ratios, found.users
    log_term = math.log(80)
    for end in (found.low, found.high):
        z = ratio.numerator - end * ratio.denominator
        bound = math.sqrt(2 * z.var(ddof=1) * log_term / users) + 7 * 20 * log_term / (3 * (users - 1))
        assert abs(z.mean()) == pytest.approx(bound)
    assert found.low < found.value < found.high


def test_a_denominator_that_may_be_zero_bounds_nothing():
    weight = np.zeros(40)
    weight[0] = 1.0
    found = empirical_bernstein(snips(np.ones(40), weight), 1.0)
    assert (found.low, found.high) == (-math.inf, math.inf)


@given(st.floats(1.0, 50.0), st.floats(1.0, 3.0))
@settings(max_examples=30, deadline=None)
def test_a_larger_width_never_shortens_the_interval(width, factor):
    weight = np.linspace(0, 1, 50)
    found = ips(np.tile([0.0, 1.0], 25), weight)
    small, large = empirical_bernstein(found, width), empirical_bernstein(found, width * factor)
    assert large.low <= small.low <= found.value <= small.high <= large.high


def test_differences_over_decisions_have_one_denominator():
    reward, weight = np.tile([0.0, 1.0], 50), np.tile([0.5, 1.5], 50)
    gap = empirical_bernstein(difference(ips(reward, weight), on_policy(reward)), 3.0)
    assert gap.low < gap.value < gap.high
    offsets, ones = np.arange(101), np.ones(100)
    doubly = dr(reward, weight, ones, reward, reward, offsets)
    assert empirical_bernstein(doubly, 3.0).value == doubly.value
    with pytest.raises(InputError, match="different denominators"):
        empirical_bernstein(sndr(reward, weight, ones, reward, reward, offsets), 3.0)


def test_a_bound_that_the_data_pass_is_refused():
    with pytest.raises(InputError, match="at least the 10 that totals of users range over"):
        empirical_bernstein(ips([0.0, 1.0, 1.0], [1.0, 10.0, 1.0]), 5.0)
    with pytest.raises(InputError, match="width == 0"):
        empirical_bernstein(on_policy([0.0, 1.0]), 0.0)


def test_a_sequence_is_tightest_where_it_was_asked_to_be():
    found = on_policy(np.tile([0.0, 1.0], 500))
    reach = {
        at: (s.high - s.low) / 2 / found.std_error
        for at in (10, 500, 900, 1000, 1100, 2000, 100_000)
        for s in [confidence_sequence(found, at)]
    }
    assert min(reach, key=reach.__getitem__) == 1000
    assert reach[1000] == pytest.approx(3.03, abs=0.01)  # sqrt((1 + 1/7.94) log(8.94 / 0.05^2)), 1.96 normal
    assert confidence_sequence(found, 10).interval == "confidence sequence"
    with pytest.raises(InputError, match="tightest_at == 0"):
        confidence_sequence(found, 0)


def test_looking_often_misleads_a_normal_interval_and_not_a_sequence():
    rng = np.random.default_rng(2)
    missed = {"normal": 0, "sequence": 0}
    for _ in range(100):
        weight = rng.choice([0.4, 3.4], 2000, p=[0.8, 0.2])
        reward = (rng.random(2000) < 0.3).astype(float)
        looks = [snips(reward[:n], weight[:n]) for n in range(100, 2001, 100)]
        sequence = [confidence_sequence(found, 1000) for found in looks]
        missed["normal"] += any(not found.low <= 0.3 <= found.high for found in looks)
        missed["sequence"] += any(not found.low <= 0.3 <= found.high for found in sequence)
    assert missed["normal"] >= 15
    assert missed["sequence"] <= 8  # 5 are allowed in the long run


def test_what_is_not_known_stays_so():
    unknown = snips([1.0, 0.0], [0.0, 0.0])
    assert math.isnan(empirical_bernstein(unknown, 1.0).low)
    assert math.isnan(confidence_sequence(unknown, 10).high)
