import numpy as np
import pytest

from homing.experiments import compare, quantile_levels
from homing.schema import InputError


def test_by_hand():
    # 1 .. 100 once each: the median is 50.5; half of the rows are below it, so the share varies as a coin,
    # and 1 on the scale of shares is 99 on that of the values
    found = quantile_levels(["a"] * 100, np.arange(1.0, 101), 0.5)
    assert found.value == pytest.approx([50.5])
    error = np.sqrt(100 / 99 * 100 / 4) / 100
    assert found.noise == pytest.approx([(99 * error) ** 2])


def test_rows_of_a_unit_are_no_new_units():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    once = quantile_levels(["a"] * 300, x, 0.8)
    many = quantile_levels(["a"] * 3000, np.repeat(x, 10), 0.8, np.repeat(np.arange(300), 10))
    assert many.value == pytest.approx(once.value, rel=0.02)
    assert many.noise == pytest.approx(once.noise, rel=0.1)
    assert many.count == [300]
    naive = quantile_levels(["a"] * 3000, np.repeat(x, 10), 0.8)
    assert naive.noise < 0.2 * once.noise


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_coverage_with_clusters(share):
    """Delays of 200 users an arm, a few each, that have much in common."""
    rng, covered, runs = np.random.default_rng(1), 0, 400
    truth = np.quantile(rng.normal(size=10**6) + rng.normal(size=10**6), share)  # scale of logs, both arms
    for _ in range(runs):
        unit = np.repeat(np.arange(400), rng.integers(1, 6, 400))
        x = np.exp(rng.normal(size=400)[unit] + rng.normal(size=len(unit)))
        arm = np.where(unit < 200, "control", "x")
        levels = quantile_levels(arm, np.where(unit < 200, x, 1.3 * x), share, unit)
        found = compare(levels, "x")
        covered += found.low < 0.3 * np.exp(truth) < found.high
    assert covered / runs == pytest.approx(0.95, abs=0.035)


def test_too_few_units():
    found = quantile_levels(["a"] * 20, np.arange(20.0), 0.99)
    assert np.isnan(found.noise[0])
    assert np.isnan(quantile_levels(["a"], [1.0], 0.5).noise[0])


def test_bad_input():
    with pytest.raises(InputError, match="share == 50"):
        quantile_levels(["a"], [1.0], 50)
    with pytest.raises(InputError, match="one length"):
        quantile_levels(["a"], [1.0, 2.0], 0.5)
    with pytest.raises(InputError, match="must be finite"):
        quantile_levels(["a"], [np.inf], 0.5)
