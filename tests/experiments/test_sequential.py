import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from homing.experiments import always_valid, always_valid_p, crossing_probability, group_sequential, spend
from homing.schema import InputError

FIFTHS = np.arange(1, 6) / 5


@pytest.mark.parametrize(
    ("spending", "published"),
    [  # five equal looks, two-sided .05: Proschan, Lan & Wittes (2006), and the programs that print them
        ("obrien_fleming", [4.8769, 3.3570, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4102, 2.3966, 2.3860]),
    ],
)
def test_published_bounds(spending, published):
    assert group_sequential(FIFTHS, spending=spending).critical == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    [(2, 2.178, 1.977), (5, 2.413, 2.040), (10, 2.555, 2.087)],  # Jennison & Turnbull (2000), tables 2.1, 2.3
)
def test_published_constants_spend_alpha(looks, pocock, obrien_fleming):
    fraction = np.arange(1, looks + 1) / looks
    assert crossing_probability(np.full(looks, pocock), fraction).sum() == pytest.approx(0.05, abs=5e-5)
    bounds = obrien_fleming / np.sqrt(fraction)
    assert crossing_probability(bounds, fraction).sum() == pytest.approx(0.05, abs=1e-4)


def test_two_looks_by_the_bivariate_normal():
    # P(Z1 > 0, Z2 > 0) = 1/4 + arcsin(rho) / (2 pi), rho = sqrt(1/2) = sin(pi / 4)
    found = crossing_probability([0.0, 0.0], [0.5, 1.0], two_sided=False)
    assert found == pytest.approx([0.5, 0.5 - (0.25 + 1 / 8)])


def test_one_look_is_no_correction():
    for spending in ("obrien_fleming", "pocock", "hwang_shih_decani"):
        found = group_sequential([1.0], spending=spending)
        assert found.critical == pytest.approx([1.959963984540054])
    assert group_sequential([1.0], alternative="less").critical == pytest.approx([1.6448536269514722])


def test_spending():
    assert spend([0.5, 1, 1.2], 0.05, "pocock") == pytest.approx(
        [0.05 * np.log(1 + (np.e - 1) / 2), 0.05, 0.05]
    )
    assert spend(0.25, 0.02, "hwang_shih_decani", 0.0) == pytest.approx(0.005)
    assert spend(0.25, 0.05) == pytest.approx(math.erfc(2 * 1.959963984540054 / math.sqrt(2)))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(0.02, 1.0), min_size=1, max_size=8, unique=True),
    st.sampled_from(["obrien_fleming", "pocock", "hwang_shih_decani"]),
    st.sampled_from(["two-sided", "greater"]),
)
def test_unequal_looks_spend_what_they_may(times, spending, alternative):
    fraction = np.sort(times)
    fraction = fraction[np.diff(fraction, prepend=0) > 1e-3]
    found = group_sequential(fraction, 0.05, spending, alternative=alternative)
    stopped = crossing_probability(found.critical, fraction, two_sided=alternative == "two-sided")
    assert np.cumsum(stopped) == pytest.approx(found.spent, abs=1e-9)


def test_close_looks_are_integrated_finely():
    found = group_sequential([0.1, 0.1005, 0.3, 0.9, 1.0], spending="pocock")
    assert found.critical == pytest.approx([2.65511005, 2.76503553, 2.44923607, 2.17112253, 2.34920271])


def test_power_of_one_look():
    z = 1.959963984540054
    found = crossing_probability([z], [1.0], drift=z + ndtri(0.8))
    assert found.sum() == pytest.approx(0.8, abs=1e-4)


def walks(rng, runs, looks, drift=0.0):
    """Standardised statistics at equal looks."""
    steps = rng.normal(drift / looks, 1 / np.sqrt(looks), (runs, looks))
    return steps.cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1) / looks)


@pytest.mark.parametrize("drift", [0.0, 2.5])
def test_crossing_as_simulated(drift):
    bounds = group_sequential(np.arange(1, 11) / 10)
    z = walks(np.random.default_rng(0), 40_000, 10, drift)
    crossed = (np.abs(z) > bounds.critical).any(axis=1).mean()
    exact = crossing_probability(bounds.critical, bounds.fraction, drift).sum()
    assert crossed == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_always_valid_holds_at_every_look(alternative):
    looks = 300
    error = 1 / np.sqrt(np.arange(1, looks + 1))
    critical = always_valid(error, error[100], alternative=alternative)
    z = walks(np.random.default_rng(1), 8000, looks)
    beyond = np.abs(z) > critical if alternative == "two-sided" else z > critical
    crossed = beyond.any(axis=1).mean()
    assert 0.015 < crossed < 0.05
    p = always_valid_p(z * error, error, error[100], alternative=alternative)
    assert (p[:, -1] < 0.05).mean() == pytest.approx(crossed)
    assert (np.diff(p, axis=1) <= 0).all()
    assert (p <= 1).all()


def test_always_valid_by_hand():
    # r = 1 where tau is the standard error: c^2 = 2 (log 2 + 2 log 20)
    tau = np.sqrt(2 * np.log(20) + np.log(1 + 2 * np.log(20)))
    assert always_valid(tau, 1.0) == pytest.approx(np.sqrt(2 * (np.log(2) + 2 * np.log(20))))
    # the evidence of z = 2 there: exp(4 / 2 / 2) / sqrt 2 = 1.922
    assert always_valid_p([2 * tau], [tau], 1.0) == pytest.approx([np.sqrt(2) / np.e])


def test_narrowest_where_asked():
    error = np.geomspace(0.1, 10, 201)
    width = error * always_valid(error, 1.0)
    near = np.abs(np.log(error)) < 0.05
    ratio = always_valid(error, 1.0) / always_valid(1.0, 1.0)
    assert ratio[near] == pytest.approx(np.ones(near.sum()), abs=0.005)
    assert always_valid(1.0, 1.0) < min(always_valid(1.0, 0.5), always_valid(1.0, 2.0))
    assert (np.diff(width) > 0).all()
    # it costs more than any plan of looks, and one side costs less than two
    assert group_sequential(FIFTHS).critical[-1] < always_valid(1.0, 1.0)
    assert always_valid(1.0, 1.0, alternative="greater") < always_valid(1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: group_sequential([0.5, 0.4]), "must rise"),
        (lambda: group_sequential([]), "must rise"),
        (lambda: group_sequential([0, 1]), "must rise"),
        (lambda: group_sequential([1.0], 1.5), "alpha == 1.5"),
        (lambda: group_sequential([1.0], spending="obf"), "must be one of"),
        (lambda: crossing_probability([1.0], [0.5, 1.0]), "critical has shape"),
        (lambda: always_valid(1.0, 0.0), "best_at == 0.0"),
        (lambda: always_valid([1.0, 0.0], 1.0), "std_error has a minimum of 0, must be > 0"),
        (lambda: always_valid(1.0, 1.0, 0.0), "alpha == 0"),
    ],
)
def test_bad_input(call, rule):
    with pytest.raises(InputError, match=rule):
        call()
