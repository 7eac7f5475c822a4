"""From moments to effects: one curve over time an objective, coefficients shrunk by empirical Bayes.

    E[outcome in window j | choice] - E[outcome in window j | hold] = basis . (first        for j = 0,
                                                                             c_j(half-life) later  else)

with c_j the sum over the window's days d of 2^(-d / half-life). Both parts have normal priors around none,
one variance a group of columns. Variances maximise the marginal likelihood of the scores (EM; Morris 1983,
MacKay 1992), and so does the half-life, on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.models.advantage.moments import EffectMoments

Floats = NDArray[np.float64]

_HALF_LIVES: Final = (0.5, 1.0, 2.0, 4.0, inf)  # in parts of a quarter of the horizon
_WINDOWS: Final = 5
_STEPS: Final = 500
_CLOSE: Final = 1e-4  # relative change of a variance at which EM ends
_LEAST: Final = 1e-12  # a variance in units of the least squares estimate's


@dataclass(frozen=True)
class EffectCurve:
    """Effects of one unit of each column on one outcome."""

    half_life: float  # days
    first: Floats  # [columns] in the first window
    later: Floats  # [columns] in the windows after it, in total
    covariance: Floats  # [columns, columns] posterior, of first + later
    log_evidence: float  # of the half-life, over that of no effect at all

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
    if not len(used) or moments.users < 2:
        nothing = np.zeros(columns)
        return EffectCurve(inf, nothing, nothing, np.zeros((columns, columns)), 0.0)
    per = 1 / scale[used]
    gram = moments.gram[:, used][:, :, used] * per[:, None] * per
    score = (moments.score[:, used] * per).ravel()
    every = (np.arange(windows)[:, None] * columns + used).ravel()
    spread = moments.spread[np.ix_(every, every)] * np.tile(per, windows)[:, None] * np.tile(per, windows)
    precision = np.asarray(np.linalg.inv(_steadied(spread, moments.users)), np.float64)
    both = np.concatenate([groups[used], groups.max() + 1 + groups[used]])
    found = []
    for part in _HALF_LIVES:
        half_life = part * edges[-1] / 4
        shape = _shape(edges, half_life)
        found.append((*_posterior(gram, score, precision, shape, both), half_life, shape))
    evidence, mean, covariance, half_life, shape = max(found, key=lambda one: one[0])
    k, rest = len(used), shape[1:].sum()
    total = np.hstack([np.eye(k), rest * np.eye(k)])
    first, later = np.zeros(columns), np.zeros(columns)
    first[used], later[used] = mean[:k] * per, rest * mean[k:] * per
    whole = np.zeros((columns, columns))
    whole[np.ix_(used, used)] = (total @ covariance @ total.T) * per[:, None] * per
    return EffectCurve(half_life, first, later, whole, evidence)


def _shape(edges: tuple[int, ...], half_life: float) -> Floats:
    """Return float64 [windows]: days of full effect in each."""
    days = np.exp(-log(2) / half_life * np.arange(edges[-1]))
    return np.add.reduceat(days, edges[:-1])


def _steadied(spread: Floats, users: int) -> Floats:
    """Return the scores' covariance with less of what few users cannot say: drawn to its diagonal."""
    share = min(1.0, len(spread) / users)
    least = 1e-9 * np.trace(spread) / len(spread)
    steadied: Floats = (1 - share) * spread + np.diag(share * np.diag(spread) + least)
    return steadied


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
    variance = (size / np.maximum(np.bincount(place, np.diag(information)), 1e-300))[place]
    least = variance * _LEAST
    for _ in range(_STEPS):
        inside = np.linalg.inv(information + np.diag(1 / variance))
        after = (np.bincount(place, (inside @ pull) ** 2 + np.diag(inside)) / size)[place]
        after = np.maximum(after, least)
        done = np.all(np.abs(after - variance) <= _CLOSE * variance)
        variance = after
        if done:
            break
    covariance = np.asarray(np.linalg.inv(information + np.diag(1 / variance)), np.float64)
    mean: Floats = covariance @ pull
    _, size_of = np.linalg.slogdet(np.eye(len(variance)) + information * variance)
    return float(0.5 * pull @ mean - 0.5 * size_of), mean, covariance
