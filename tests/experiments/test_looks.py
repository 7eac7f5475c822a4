import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from homing.experiments import group_sequential, plan_looks
from homing.schema import InputError

FIVE = np.arange(1, 6) / 5


def test_a_single_look_costs_nothing():
    found = plan_looks([ndtri(0.975)], [1.0])
    assert found.inflation == pytest.approx(1, abs=1e-3)  # crossings on the wrong side count as power
    one_sided = plan_looks([ndtri(0.95)], [1.0], alternative="greater")
    assert [one_sided.inflation, one_sided.expected] == pytest.approx([1, 1])
    assert ndtr(one_sided.drift - ndtri(0.95)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("critical", "power", "published"),
    [
        (np.full(5, 2.413), 0.8, 1.228),
        (np.full(5, 2.413), 0.9, 1.206),
        (2.040 / np.sqrt(FIVE), 0.8, 1.028),
        (2.040 / np.sqrt(FIVE), 0.9, 1.026),
    ],
)
def test_published_factors(critical, power, published):
    """Jennison & Turnbull (2000), tables 2.2 and 2.4: Pocock and O'Brien-Fleming, five looks, alpha .05."""
    assert plan_looks(critical, FIVE, power=power).inflation == pytest.approx(published, abs=2e-3)


def test_golden_numbers():
    """Numbers that the tests of R's rpact expect: looks at 0.2, 0.4, 1, alpha spent in proportion."""
    bounds = group_sequential([0.2, 0.4, 1.0], 0.03, "hwang_shih_decani", gamma=0.0, alternative="greater")
    assert bounds.critical == pytest.approx([2.5121443, 2.4228747, 2.0280392], abs=1e-7)
    found = plan_looks(bounds.critical, bounds.fraction, 0.03, 0.86, "greater")
    assert found.inflation == pytest.approx(1.0788327, abs=1e-7)
    assert found.drift**2 == pytest.approx(9.4594101, abs=1e-6)
    assert found.expected == pytest.approx(0.83081135, abs=1e-7)
    assert found.expected_without_effect == pytest.approx(1.0697705, abs=1e-7)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("fraction", [[0.3, 1.0], [0.25, 0.7, 1.0]])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_by_the_normal_distribution(spending, fraction, alternative):
    """Statistics at looks are jointly normal: the chance to pass none is that of a box."""
    bounds = group_sequential(fraction, 0.05, spending, alternative=alternative)
    found = plan_looks(bounds.critical, fraction, 0.05, 0.8, alternative)
    share = np.array(fraction)
    correlation = np.sqrt(np.minimum.outer(share, share) / np.maximum.outer(share, share))
    sides = 2 if alternative == "two-sided" else 1

    def going_on(looks, drift):
        low = -bounds.critical[:looks] if sides == 2 else np.full(looks, -np.inf)
        return multivariate_normal.cdf(
            bounds.critical[:looks],
            drift * np.sqrt(share[:looks]),
            correlation[:looks, :looks],
            lower_limit=low,
            abseps=1e-6,
            rng=np.random.default_rng(0),
        )

    assert going_on(len(share), 0.0) == pytest.approx(0.95, abs=1e-5)
    assert going_on(len(share), found.drift) == pytest.approx(0.2, abs=1e-5)
    single = ndtri(1 - 0.05 / sides) + ndtri(0.8)
    assert found.inflation == pytest.approx((found.drift / single) ** 2)
    for drift, expected in ((found.drift, found.expected), (0.0, found.expected_without_effect)):
        gone_on = [1.0, *(going_on(looks, drift) for looks in range(1, len(share)))]
        assert expected == pytest.approx(found.inflation * np.diff(share, prepend=0) @ gone_on, abs=1e-5)


def test_by_simulation():
    bounds = group_sequential([0.4, 1.0], 0.05, "pocock", alternative="greater")
    found = plan_looks(bounds.critical, bounds.fraction, 0.05, 0.8, "greater")
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(200_000, 2)) * np.sqrt([0.4, 0.6]) + found.drift * np.array([0.4, 0.6])
    z = steps.cumsum(axis=1) / np.sqrt([0.4, 1.0])
    early = z[:, 0] > bounds.critical[0]
    assert (early | (z[:, 1] > bounds.critical[1])).mean() == pytest.approx(0.8, abs=4e-3)
    size = found.inflation * np.where(early, 0.4, 1.0).mean()
    assert found.expected == pytest.approx(size, abs=4e-3)
    assert found.expected < 1 < found.expected_without_effect < found.inflation


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"power": 0.01}, "alpha < power"),
        ({"fraction": [0.5, 0.9]}, "its last must be 1"),
        ({"fraction": [1.0]}, "critical has shape"),
        ({"critical": [0.0, 0.0]}, "without an effect"),
    ],
)
def test_bad_input(change, rule):
    with pytest.raises(InputError, match=rule):
        plan_looks(**({"critical": [2.5, 2.0], "fraction": [0.5, 1.0]} | change))
