"""The regressions against closed forms, against brute force, and against the parameters of a simulation."""

import numpy as np
import pytest

from homing.decision.baselines.regression import logistic, maximise, weibull
from homing.schema import InputError


def test_the_logistic_regression_of_one_column_is_the_logit_of_the_mean():
    y, weight = np.array([1.0, 0.0, 0.5]), np.array([2.0, 1.0, 2.0])
    found = logistic(np.ones((3, 1)), y, weight, ridge=0.0)
    assert found[0] == pytest.approx(np.log(0.6 / 0.4), abs=1e-6)  # (2 + 0 + 1) / 5


def test_the_logistic_regression_recovers_what_was_drawn():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 2))])
    true = np.array([-1.0, 0.5, -2.0])
    y = (rng.random(20_000) < 1 / (1 + np.exp(-x @ true))).astype(float)
    found = logistic(x, y, np.ones(20_000))
    p = 1 / (1 + np.exp(-x @ true))
    error = np.sqrt(np.diag(np.linalg.inv((x.T * (p * (1 - p))) @ x)))
    assert (np.abs(found - true) < 4 * error).all()
    assert (error < 0.05).all()


def test_what_separates_the_data_stays_finite():
    x = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
    found = logistic(x, np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4))
    assert np.isfinite(found).all()
    assert found[1] > 5


def test_without_covariates_the_weibull_is_the_best_of_a_grid():
    rng = np.random.default_rng(2)
    time, end = 5 * rng.weibull(0.7, 400), 8.0
    seen, hours = (time < end).astype(float), np.minimum(time, end)
    b, scale = weibull(np.ones((400, 1)), hours, seen, np.ones(400), ridge=0.0)

    def likelihood(b, scale):
        z = (np.log(hours) - b) / scale
        return (seen * (z - np.log(scale) - np.log(hours)) - np.exp(z)).sum()

    steps = np.linspace(-0.2, 0.2, 21)
    around = [likelihood(b[0] + db, scale + ds) for db in steps for ds in steps]
    assert max(around) <= likelihood(b[0], scale) + 1e-9


def test_the_exponential_has_its_closed_form():
    """With shape 1 the rate is events over time; here it is found together with the shape."""
    rng = np.random.default_rng(3)
    time = rng.exponential(4.0, 200_000)
    seen, hours = (time < 6).astype(float), np.minimum(time, 6)
    b, scale = weibull(np.ones((len(time), 1)), hours, seen, np.ones(len(time)))
    assert np.exp(b[0]) == pytest.approx(hours.sum() / seen.sum(), rel=0.02)
    assert scale == pytest.approx(1.0, abs=0.02)


def test_the_weibull_recovers_what_was_drawn_under_censoring():
    rng, n = np.random.default_rng(4), 20_000
    x = np.column_stack([np.ones(n), rng.normal(size=n), rng.random(n) < 0.5])
    true, scale = np.array([2.0, 0.4, -0.8]), 1.5
    time = np.exp(x @ true + scale * np.log(rng.exponential(size=n)))
    end = rng.exponential(20.0, n)
    seen, hours = (time < end).astype(float), np.minimum(time, end)
    found, found_scale = weibull(x, hours, seen, np.ones(n))
    # expected information of (b, log s) given who was seen: d x x' / s^2 for b
    error = scale * np.sqrt(np.diag(np.linalg.inv((x.T * seen) @ x)))
    assert (np.abs(found - true) < 5 * error).all()
    assert abs(found_scale - scale) < 4 * scale / np.sqrt(seen.sum())
    assert 0.3 < seen.mean() < 0.9


def test_what_has_no_maximum_is_an_error():
    with pytest.raises(InputError, match="no maximum within 100 steps"):
        maximise(lambda x: (float(x[0]), np.ones(1), -np.eye(1)), np.zeros(1))
