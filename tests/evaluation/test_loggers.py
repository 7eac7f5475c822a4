import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import dm, importance_weights, ips, mixture_propensity, precision_weighted, snips
from homing.schema import InputError

from .solvable import LOGGING, POLICY, TRUTH, logs

#: A second logging policy of the solvable world.
OTHER = (np.array([0.1, 0.1, 0.8]), np.array([0.3, 0.7]))


def test_mixture_by_hand():
    # loggers 0, 0, 1: 2/3 and 1/3
    found = mixture_propensity([[0.3, 0.6], [0.9, 0.0], [0.0, 0.3]], [0, 0, 1])
    assert found == pytest.approx([0.4, 0.6, 0.1])


def pairs():
    """Every log of one decision by each of two policies, and its probability."""
    for (p, first), (q, second) in itertools.product(logs(1), logs(1, OTHER)):
        yield p * q, first, second


def balanced(first, second):
    both = [
        np.concatenate([first.of_choice(table), second.of_choice(table)])
        for table in (POLICY, LOGGING, OTHER)
    ]
    propensity = mixture_propensity(np.column_stack(both[1:]), [0, 1])
    return ips(np.concatenate([first.reward, second.reward]), importance_weights(both[0], propensity)).value


def naive(first, second):
    values = [first.reward * first.weight, second.reward * second.of_choice(POLICY) / second.of_choice(OTHER)]
    return float(np.concatenate(values).mean())


def test_balanced_is_unbiased_over_all_logs_with_less_variance_than_naive():
    moments = {}
    for estimator in (balanced, naive):
        values = [(p, estimator(first, second)) for p, first, second in pairs()]
        mean = sum(p * v for p, v in values)
        assert mean == pytest.approx(TRUTH, abs=1e-12)
        moments[estimator] = sum(p * v**2 for p, v in values) - mean**2
    assert moments[balanced] < moments[naive]


def test_precision_weighted_by_hand():
    # values 1 +- 1 and 4 +- 2: ips of (0, 2) has value 1, error 1; of (2, 6): 4 and 2
    # shares 4/5 and 1/5: 1.6; error sqrt(.64 * 1 + .04 * 4) = sqrt(.8), times sqrt((4/3) / 2): the factor
    # G / (G - 1) is 2 in each and 4/3 in both together
    a, b = ips([0.0, 2.0], [1.0, 1.0]), ips([2.0, 6.0], [1.0, 1.0])
    assert (a.std_error, b.std_error) == pytest.approx((1.0, 2.0))
    found = precision_weighted([a, b])
    assert found.value == pytest.approx(1.6)
    assert found.std_error == pytest.approx(math.sqrt(0.8 * 2 / 3))
    assert (found.decisions, found.users) == (4, 4)
    # each counts for 2: 1 / (.64 / 2 + .04 / 2)
    assert found.effective_size == pytest.approx(1 / 0.34)


def test_a_user_of_both_policies_is_one_user():
    # the same outcomes for the same users: no more is known than from one of them
    reward, weight = np.array([0.0, 1.0, 5.0]), np.ones(3)
    once = ips(reward, weight, [3, 5, 9])
    twice = precision_weighted([once, once])
    assert (twice.value, twice.std_error) == pytest.approx((once.value, once.std_error))
    assert (twice.users, twice.decisions) == (3, 6)
    apart = precision_weighted([once, ips(reward, weight, [4, 6, 7])])
    assert apart.users == 6
    assert apart.std_error < once.std_error


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_the_mean_lies_between_and_the_error_is_that_of_independent_estimates(seed, loggers):
    rng = np.random.default_rng(seed)
    estimates = []
    for logger in range(loggers):
        rows = int(rng.integers(30, 60))
        user = rng.integers(0, 20, rows) + 100 * logger
        estimates.append(snips(rng.normal(size=rows), rng.exponential(size=rows) + 0.01, user))
    found = precision_weighted(estimates)
    values = [each.value for each in estimates]
    assert min(values) - 1e-12 <= found.value <= max(values) + 1e-12
    independent = 1 / math.sqrt(sum(1 / each.std_error**2 for each in estimates))
    # each sum of squares has its own factor G / (G - 1), between 1 and 1.1
    assert found.std_error == pytest.approx(independent, rel=0.06)
    assert found.std_error < min(each.std_error for each in estimates)


def test_estimates_without_weights_have_no_effective_size():
    estimates = [dm([1.0, 1.0], [0, 1, 2], values) for values in ([0.0, 1.0], [1.0, 3.0])]
    assert math.isnan(precision_weighted(estimates).effective_size)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mixture_propensity([0.5], [0]), "propensity has shape"),
        (lambda: mixture_propensity([[0.5, 0.5]], [2]), "logger must be integers from 0 to 1"),
        (lambda: mixture_propensity([[0.0, 0.5]], [0]), "propensity is 0 for a choice under the policy"),
        (lambda: mixture_propensity([[0.5, 1.5]], [0]), "propensity ranges from 0.5 to 1.5"),
        (lambda: precision_weighted([]), "estimates is empty"),
        (lambda: precision_weighted([ips([1.0, 1.0], [1.0, 1.0])]), r"std_error == \[0.0\]"),
        (lambda: precision_weighted([ips([1.0], [1.0])]), r"std_error == \[nan\]"),
        (
            lambda: precision_weighted([ips([0.0, 1.0], [1, 1]), ips([0.0, 1.0], [1, 1], [1, 2])]),
            "some estimates have users",
        ),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
