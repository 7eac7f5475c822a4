from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from homing.models.advantage import effect_moments, fit_curve, window_edges
from homing.models.advantage.curve import _posterior, _shape
from homing.models.advantage.moments import EffectMoments

FADES = np.geomspace(0.5, 32 / 7, 6)[3]  # days, one of the half-lives that are tried for a horizon of 8


def test_edges() -> None:
    assert window_edges(28) == (0, 1, 2, 5, 12, 28)
    assert window_edges(7) == (0, 1, 2, 3, 4, 7)
    assert window_edges(2) == (0, 1, 2)


@pytest.mark.parametrize("horizon", range(2, 120))
def test_edges_rise_to_the_horizon(horizon: int) -> None:
    edges = window_edges(horizon)
    assert edges[0] == 0
    assert edges[1] == 1
    assert edges[-1] == horizon
    assert all(a < b for a, b in pairwise(edges))


def stock_log(
    users: int, effect: NDArray[np.float64], half_life: float, noise: float, seed: int, horizon: int = 8
) -> EffectMoments:
    """Each user is sent 0 or 1 of two kinds once; goodwill fades by halves, and its sum is exactly known."""
    draw = np.random.default_rng(seed)
    edges = window_edges(horizon)
    kind = draw.integers(0, 3, users)  # 2: hold
    basis = np.stack([kind == 0, kind == 1], axis=1).astype(np.float32)
    days = 2.0 ** (-np.arange(horizon) / half_life)
    daily = (basis @ effect)[:, None] * days + noise * draw.normal(size=(users, horizon))
    windows = np.add.reduceat(daily, edges[:-1], axis=1)
    return effect_moments(basis - np.float32(1 / 3), windows - windows.mean(axis=0), np.ones(users))


def test_recovers_effects_and_how_they_fade() -> None:
    effect, horizon = np.array([0.5, -1.0]), 8
    found = fit_curve(stock_log(200_000, effect, FADES, 1.0, seed=1), window_edges(horizon), np.array([0, 1]))
    assert found.half_life == pytest.approx(FADES, rel=0.01)
    whole = effect * (2.0 ** (-np.arange(horizon) / FADES)).sum()
    np.testing.assert_allclose(found.total, whole, atol=4 * np.sqrt(np.diag(found.covariance)).max())
    np.testing.assert_allclose(found.total, whole, rtol=0.05)
    np.testing.assert_allclose(found.first, effect, atol=0.05)


def test_without_an_effect_all_is_shrunk_to_none() -> None:
    totals, alone = [], []
    for seed in range(20):
        moments = stock_log(2_000, np.zeros(2), 2.0, 1.0, seed)
        found = fit_curve(moments, window_edges(8), np.array([0, 0]))
        totals.append(found.total)
        alone.append(moments.score.sum(axis=0) / np.diag(moments.gram[0]))
    assert np.square(totals).mean() < 0.3 * np.square(alone).mean()


def test_intervals_cover() -> None:
    effect, inside = np.array([0.2, -0.1]), []
    whole = effect * (2.0 ** (-np.arange(8) / 4.0)).sum()
    for seed in range(60):
        found = fit_curve(stock_log(3_000, effect, 4.0, 1.0, seed), window_edges(8), np.array([0, 1]))
        inside.append(np.abs(found.total - whole) < 2.576 * np.sqrt(np.diag(found.covariance)))
    assert np.mean(inside) > 0.9


def test_a_window_that_nobody_knows_is_foretold_by_the_others() -> None:
    effect = np.array([1.0, -1.0])
    moments = stock_log(100_000, effect, FADES, 0.5, seed=2)
    noise = moments.noise.copy()
    noise[:, -1], noise[:, :, -1] = 0, 0

    def without(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        last = np.take(array, [-1], axis)
        return np.concatenate([np.delete(array, -1, axis), np.zeros_like(last)], axis)

    seen = EffectMoments(
        moments.decisions,
        without(moments.gram, 0),
        without(moments.score, 0),
        without(moments.square, 1),
        without(moments.weight, 1),
        noise,
    )
    found = fit_curve(seen, window_edges(8), np.array([0, 1]))
    whole = effect * (2.0 ** (-np.arange(8) / FADES)).sum()
    np.testing.assert_allclose(found.total, whole, rtol=0.15)


def test_variances_maximise_the_evidence() -> None:
    """A prior variance that is told stands where the evidence of one column is largest, by hand."""
    moments, edges = stock_log(3_000, np.array([0.4, -0.4]), 4.0, 1.0, seed=3), window_edges(8)
    gram, score = moments.gram, moments.score.ravel()
    precision = np.linalg.pinv(moments.covariance(), hermitian=True)
    found, mean, covariance = _posterior(gram, score, precision, _shape(edges, 4.0), np.arange(4))
    variance = mean**2 + np.diag(covariance)  # where EM stands
    told = variance > 1e-3
    assert told.any()
    design = np.zeros((10, 4))
    for window in range(5):
        rows, part = slice(2 * window, 2 * window + 2), slice(0, 2) if window == 0 else slice(2, 4)
        design[rows, part] = gram[window] * (1.0 if window == 0 else _shape(edges, 4.0)[window])
    information, pull = design.T @ precision @ design, design.T @ precision @ score

    def evidence(by: NDArray[np.float64]) -> float:
        inside = np.linalg.inv(information + np.diag(1 / by))
        return float(pull @ inside @ pull - np.linalg.slogdet(np.eye(4) + information * by)[1]) / 2

    assert found == pytest.approx(evidence(np.where(told, variance, 1e-9)), abs=1e-3)
    for place in np.flatnonzero(told):
        for factor in (0.8, 1.25):
            other = np.where(told, variance, 1e-9)
            other[place] *= factor
            assert evidence(other) < found


def test_rare_outcomes_keep_their_effects() -> None:
    draw, users, columns = np.random.default_rng(4), 40_000, 3
    kind = draw.integers(0, columns + 1, users)
    basis = (kind[:, None] == np.arange(columns)).astype(np.float32)
    rate = np.where(kind < columns, 0.006, 0.001)  # some hundred events
    windows = np.zeros((users, 5))
    windows[:, 0] = draw.random(users) < rate
    moments = effect_moments(basis - basis.mean(axis=0), windows - windows.mean(axis=0), np.ones(users))
    found = fit_curve(moments, window_edges(28), np.zeros(columns, np.int64))
    assert 0.003 < found.first.mean() < 0.007


def test_nothing_to_learn_from() -> None:
    empty = effect_moments(np.zeros((0, 2), np.float32), np.zeros((0, 5)), np.zeros(0))
    found = fit_curve(empty, window_edges(28), np.array([0, 1]))
    assert np.isnan(found.half_life)
    np.testing.assert_array_equal(found.total, 0.0)
