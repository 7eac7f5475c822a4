import numpy as np
import pytest
from scipy.special import ndtri

from homing.experiments import (
    Criterion,
    Rule,
    decide,
    from_arrays,
    from_sums,
    mean,
    plan,
    plan_utility,
    proportion,
)
from homing.schema import InputError

ONE = Rule((Criterion(mean("y"), "success"),), alpha=0.05, beta=0.211, scale="absolute")


def past(level=10.0, variance=4.0, n=1000):
    return from_sums(["past"], ["y"], [n], [[n * level]], [[[n * level**2 + (n - 1) * variance]]])


def test_by_hand():
    # (1.6449 + 0.8416)^2 = 6.1826; variance 4 / (1/2) + 4 / (1/2) = 16; effect 0.5: 395.7
    found = plan(past(), ONE, {"y": 0.5}, 50)
    assert ONE.beta_per_test == pytest.approx(0.2)
    assert found.units == 396
    assert found.days == 8
    assert found.power == pytest.approx(0.8, abs=0.012)
    assert found.warnings == ("8 days are no whole weeks; 14 would be",)
    # relative: +5 % of 10, variance (4 + 1.05^2 4) / 100 * 2 = 0.1682; / 0.05^2
    relative = plan(past(), Rule(ONE.criteria, beta=0.211), {"y": 0.05}, 50)
    assert relative.units == np.ceil((ndtri(0.95) + ndtri(0.8)) ** 2 * 0.1682 / 0.05**2)


def test_less_variance_needs_less():
    assert plan(past(variance=1), ONE, {"y": 0.5}, 50).units == 99


def test_unequal_shares_need_more():
    # 1 / 0.1 + 1 / 0.9 in place of 4
    found = plan(past(), ONE, {"y": 0.5}, 50, share=0.1).units
    assert found == np.ceil((ndtri(0.95) + ndtri(0.8)) ** 2 * 4 * (10 + 10 / 9) / 0.25)


def test_proportion():
    # p 0.1 to 0.12: (0.12 * 0.88 + 1.2^2 * 0.1 * 0.9) / 0.01 * 2, / 0.2^2
    rare = from_sums(["past"], ["bought"], [10**7], [[10**6]], [[[10**6]]])
    found = plan(rare, Rule((Criterion(proportion("bought"), "success"),), beta=0.211), {"bought": 0.2}, 1e4)
    want = (ndtri(0.95) + ndtri(0.8)) ** 2 * 2 * (0.1056 + 1.44 * 0.09) / 0.01 / 0.04
    assert found.units == pytest.approx(want, abs=2)
    assert found.warnings == ("1 days are less than a week, so days of the week do not even out",)


THREE = Rule(
    (
        Criterion(mean("a"), "success"),
        Criterion(mean("b"), "guardrail", margin=0.05),
        Criterion(mean("c"), "guardrail", margin=0.05, better="lower"),
    ),
    beta=0.2,
)


def table(rng, n, lift=0.0):
    common = rng.normal(size=(n, 1))
    y = 10 + 3 * common + rng.normal(size=(n, 3)) * 2
    y[:, 0] *= 1 + lift
    return y


def test_power_of_the_rule_as_in_whole_experiments():
    rng = np.random.default_rng(0)
    y = table(rng, 20_000)
    before = from_arrays(["past"] * len(y), dict(zip("abc", y.T, strict=True)))
    found = plan(before, THREE, {"a": 0.04}, 1000)
    assert found.power > 0.8  # by the union bound; more, as correlated metrics fail together
    assert min(found.power_of.values()) > 1 - THREE.beta_per_test - 0.02
    shipped, runs = 0, 300
    for _ in range(runs):
        both = np.vstack([table(rng, found.units // 2), table(rng, found.units // 2, 0.04)])
        arm = np.repeat(["control", "x"], found.units // 2)
        shipped += decide(from_arrays(arm, dict(zip("abc", both.T, strict=True))), THREE, "x").ship
    error = np.sqrt(found.power * (1 - found.power) / runs)
    assert shipped / runs == pytest.approx(found.power, abs=4 * error)


def test_a_weighted_sum_by_hand():
    """2 a - 3 b with variances 4 and 1 and covariance 1: 16 + 9 - 12 = 13 in each arm, 52 in both halves."""
    a = np.array([2, 2, -2, -2.0]) * np.sqrt(3) / 2
    b = np.array([1, 0, 0, -1.0]) * np.sqrt(3 / 2)
    moments = from_arrays(["past"] * 4, {"a": a, "b": b})
    variance = moments.covariance[0]
    assert variance[0, 0] == pytest.approx(4)
    assert variance[1, 1] == pytest.approx(1)
    spread = 4 * (4 * 4 + 9 - 12 * variance[0, 1])
    found = plan_utility(moments, [mean("a"), mean("b")], [2, -3], [0.5, 0.1], 1000, alpha=0.05, beta=0.2)
    assert found.value == pytest.approx(0.7)
    assert found.std_error == pytest.approx(np.sqrt(spread / 1000))
    assert found.units == np.ceil((ndtri(0.95) + ndtri(0.8)) ** 2 * spread / 0.49)
    again = plan_utility(
        moments, [mean("a"), mean("b")], [2, -3], [0.5, 0.1], found.units, alpha=0.05, beta=0.2
    )
    assert again.power == pytest.approx(0.8, abs=1e-3)
    never = plan_utility(moments, [mean("a"), mean("b")], [2, -3], [0.0, 0.1], 1000)
    assert never.units is None
    assert never.power < 0.025
    with pytest.raises(InputError, match="must be one of each metric"):
        plan_utility(moments, [mean("a")], [2, -3], [0.5], 1000)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: plan(past(), ONE, {}, 50), "not to be found"),
        (lambda: plan(past(), ONE, {"y": -0.5}, 50), "not to be found"),
        (lambda: plan(past(), ONE, {"z": 0.5}, 50), "must be of metrics of the rule"),
        (lambda: plan(past(), ONE, {"y": 0.5}, 0), "units_a_day == 0"),
        (lambda: plan(past(), ONE, {"y": 0.5}, 50, share=1.0), "share == 1.0"),
        (lambda: plan(past(level=-1), Rule(ONE.criteria), {"y": 0.5}, 50), "must be > 0 for relative"),
        (lambda: plan(from_arrays(["a", "b"], {"y": [1, 2]}), ONE, {"y": 1}, 50), "must be one arm"),
    ],
)
def test_bad_input(call, rule):
    with pytest.raises(InputError, match=rule):
        call()
