"""From moments to effects: one curve over time an objective, coefficients shrunk by empirical Bayes.

    E[outcome in window j | choice] - E[outcome in window j | hold] = basis . (first        for j = 0,
                                                                             c_j(half-life) later  else)

with c_j the sum over the window's days d of 2^(-d / half-life). Both parts have normal priors around none,
one variance a group of columns, which maximises the marginal likelihood of the scores: squares of a group's
effects over how many of them the scores tell (MacKay 1992, "Bayesian interpolation", gamma). Half-lives, from
half a day to a little over half of the horizon, are averaged by their marginal likelihoods: a log seldom says
which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.models.advantage.moments import EffectMoments

Floats = NDArray[np.float64]

_SHORTEST: Final = 0.5  # days, of half-lives
_LONGEST: Final = 4 / 7  # of the horizon
_HALF_LIVES: Final = 6
_WINDOWS: Final = 5
_STEPS: Final = 500
_CLOSE: Final = 1e-4  # relative change of the variances at which they stand
_LEAST: Final = 1e-12  # a variance in units of the least squares estimate's
_NOTHING: Final = 1e-30  # a variance of what the log says nothing of


@dataclass(frozen=True)
class EffectCurve:
    """Effects of one unit of each column on one outcome."""

    half_life: float  # days, geometric mean
    first: Floats  # [columns] in the first window
    later: Floats  # [columns] in the windows after it, in total
    covariance: Floats  # [columns, columns] posterior, of first + later
    log_evidence: float  # over that of no effects

    @property
    def total(self) -> Floats:
        """[columns] over the horizon."""
        return self.first + self.later


def window_edges(horizon: int) -> tuple[int, ...]:
    """Return the days at which windows begin and end: from 0 by growing steps to the horizon (days, >= 2)."""
    inner = np.unique(np.rint(horizon ** (np.arange(_WINDOWS) / (_WINDOWS - 1))).astype(int))
    return (0, *inner.tolist())


def fit_curve(moments: EffectMoments, edges: tuple[int, ...], groups: NDArray[np.int64]) -> EffectCurve:
    """Return the effects that moments say.

    Args:
        moments: of one outcome in the windows between `edges`.
        edges: days, from 0 to the horizon.
        groups: int64 [columns] which columns share a prior variance.
    """
    columns, windows = moments.score.shape[1], len(edges) - 1
    scale = np.sqrt(np.maximum(np.einsum("jii->ji", moments.gram).max(axis=0), 0.0))
    used = np.flatnonzero(scale > 0)
    if not len(used):
        return EffectCurve(nan, np.zeros(columns), np.zeros(columns), np.zeros((columns, columns)), 0.0)
    per = 1 / scale[used]
    gram = moments.gram[:, used][:, :, used] * per[:, None] * per
    score = moments.score[:, used] * per
    every = (np.arange(windows)[:, None] * columns + used).ravel()
    spread = (
        moments.covariance()[np.ix_(every, every)] * np.tile(per, windows)[:, None] * np.tile(per, windows)
    )
    precision = np.asarray(np.linalg.pinv(spread, hermitian=True), np.float64)
    both = np.concatenate([groups[used], groups.max() + 1 + groups[used]])
    k, half_lives = len(used), np.geomspace(_SHORTEST, _LONGEST * edges[-1], _HALF_LIVES)
    evidence, parts, covariances = [], [], []
    for half_life in half_lives:
        shape = _shape(edges, half_life)
        found, mean, covariance = _posterior(gram, score.ravel(), precision, shape, both)
        rest = shape[1:].sum()
        evidence.append(found)
        parts.append(np.stack([mean[:k], rest * mean[k:]]))
        total = np.hstack([np.eye(k), rest * np.eye(k)])
        covariances.append(total @ covariance @ total.T)
    weight = np.exp(np.array(evidence) - max(evidence))
    average = float(max(evidence) + log(weight.mean()))
    weight /= weight.sum()
    first, later = np.tensordot(weight, np.array(parts), 1)
    apart = np.array([part.sum(axis=0) - first - later for part in parts])
    covariance = np.tensordot(weight, np.array(covariances) + apart[:, :, None] * apart[:, None, :], 1)
    result = np.zeros(columns), np.zeros(columns), np.zeros((columns, columns))
    result[0][used] = first * per
    result[1][used] = later * per
    result[2][np.ix_(used, used)] = covariance * per[:, None] * per
    return EffectCurve(float(np.exp(weight @ np.log(half_lives))), *result, average)


def _shape(edges: tuple[int, ...], half_life: float) -> Floats:
    """Return float64 [windows]: days of full effect in each."""
    days = np.exp(-log(2) / half_life * np.arange(edges[-1]))
    return np.add.reduceat(days, edges[:-1])


def _posterior(
    gram: Floats, score: Floats, precision: Floats, shape: Floats, groups: NDArray[np.int64]
) -> tuple[float, Floats, Floats]:
    """Return log evidence, mean and covariance [2 * columns] of first and later effects, a day each."""
    windows, columns = gram.shape[:2]
    design = np.zeros((windows * columns, 2 * columns))
    design[:columns, :columns] = gram[0]
    for window in range(1, windows):
        rows = slice(window * columns, (window + 1) * columns)
        design[rows, columns:] = gram[window] * shape[window]
    information = design.T @ precision @ design
    pull = design.T @ precision @ score
    _, place = np.unique(groups, return_inverse=True)
    size = np.bincount(place)
    known = np.bincount(place, np.diag(information))
    variance = np.where(known > 0, size / np.where(known > 0, known, 1.0), _NOTHING)[place]
    least, most = variance * _LEAST, variance / _LEAST
    for _ in range(_STEPS):
        inside = np.linalg.inv(information + np.diag(1 / variance))
        told = size - np.bincount(place, np.diag(inside) / variance)  # MacKay's gamma
        after = np.bincount(place, (inside @ pull) ** 2) / np.maximum(told, _LEAST)
        after = np.clip(after[place], least, most)
        done = np.all(np.abs(after - variance) <= _CLOSE * variance)
        variance = after
        if done:
            break
    covariance = np.asarray(np.linalg.inv(information + np.diag(1 / variance)), np.float64)
    mean: Floats = covariance @ pull
    _, size_of = np.linalg.slogdet(np.eye(len(variance)) + information * variance)
    return float(0.5 * pull @ mean - 0.5 * size_of), mean, covariance
