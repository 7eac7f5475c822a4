"""Choice minus its mean, times outcome minus its prediction: sums that say all the log says of effects.

Source: Robinson (1988), equation 2.2; Nie and Wager (2021), equation 4 (the R-learner).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError

Floats = NDArray[np.float64]

_MOST_WEIGHT: Final = 20.0  # of one decision, over the mean of all
_LEVELS: Final = 20  # of what the state foretells, alike in number of decisions
NOISE_LEVELS: Final = 20  # ten of what the state foretells, apart after hold and after a send


@dataclass(frozen=True)
class EffectMoments:
    """Sums over decisions, of one outcome in several windows; they add up.

    A decision that knows an outcome in a window knows it in all earlier ones.
    """

    decisions: int
    gram: Floats  # [windows, columns, columns] sum of w x x'
    score: Floats  # [windows, columns] sum of w x residual
    square: Floats  # [levels, windows, columns, columns] sum of w^2 x x'
    weight: Floats  # [levels, windows] sum of w^2
    noise: Floats  # [levels, windows, windows] sum of w^2 residual residual', where both are known

    def __add__(self, other: EffectMoments) -> EffectMoments:
        return EffectMoments(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(EffectMoments))
        )

    def covariance(self) -> Floats:
        """Return the covariance of the scores: float64 [windows * columns, windows * columns].

        Choices are drawn anew each time, so scores of one user are uncorrelated, however much that user's
        outcomes have to do with each other. The residuals' covariance is taken to be the same within a level:
        a covariance of the scores themselves knows rare outcomes by heart, and shrinks their effects away.
        """
        windows, columns = self.score.shape
        last = np.maximum.outer(np.arange(windows), np.arange(windows))
        weight = self.weight[:, last]
        per = np.divide(self.noise, weight, out=np.zeros_like(self.noise), where=weight > 0)
        blocks = np.einsum("lij,lijab->iajb", per, self.square[:, last])
        return np.asarray(blocks.reshape(windows * columns, windows * columns))


def reference_weights(
    propensity: Floats, is_hold: NDArray[np.bool_], candidates: NDArray[np.int64], hold: float
) -> Floats:
    """Return weights [rows] under which the log chose by a distribution that its candidate sets give.

    The reference holds with probability `hold` and else draws among the sends alike. Weighted by
    reference / propensity, the mean of any number of the choice is known exactly from the set, whatever
    policy wrote the log: no propensity of the other candidates is needed. Weights are cut at 20 times their
    mean; where the log is near the reference they are near 1.

    Args:
        propensity: [rows] of the logged choice, in (0, 1].
        is_hold: [rows] whether that is hold.
        candidates: [rows] in the set, at least 2.
        hold: the reference's probability of hold, in (0, 1).

    Raises:
        InputError: a propensity outside (0, 1], or a set of one.
    """
    bad = ~((propensity > 0) & (propensity <= 1))
    if bad.any():
        raise InputError(f"propensity == {propensity[bad][0]}, must be in (0, 1]")
    if (candidates < 2).any():
        raise InputError("candidates == 1 in a row, must be >= 2; leave out decisions without a choice")
    reference = np.where(is_hold, hold, (1 - hold) / (candidates - 1))
    weight = reference / propensity
    return np.asarray(np.minimum(weight, _MOST_WEIGHT * weight.mean()))


def noise_scale(predicted: Floats, residuals: Floats) -> Floats:
    """Return how noisy each decision's outcome is: float64 [rows], of mean square 1.

    The more minutes a state foretells, the further off they are, by tens of times. Choice and residual, both
    divided by this scale, tell an effect by weighted least squares (Aitken 1935). The scale is a function of
    the state, so it has nothing to do with the choice.

    Args:
        predicted: [rows] of the whole horizon's outcome, by a model that did not see the user.
        residuals: [rows, windows] outcome minus prediction; NaN where not known yet.
    """
    known = np.isfinite(residuals)
    square = np.where(known, residuals, 0.0) ** 2
    typical = square.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    share = (square / np.where(typical > 0, typical, 1.0)).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    level = _quantiles(predicted, _LEVELS)
    variance = np.bincount(level, share, _LEVELS) / np.maximum(np.bincount(level, minlength=_LEVELS), 1)
    here = np.maximum(variance, variance[level].mean() / _MOST_WEIGHT)[level]
    mean = here.mean()
    return np.asarray(np.sqrt(here / mean)) if mean > 0 else np.ones(len(here))


def noise_levels(predicted: Floats, is_hold: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return levels of decisions whose outcomes are about as noisy: int64 [rows] in [0, NOISE_LEVELS).

    Outcomes are noisier the more of them is foretold, and rare ones, such as opt-outs, hardly come but
    after a send.

    Args:
        predicted: [rows] of the whole horizon's outcome, by a model that did not see the user.
        is_hold: [rows] whether the logged choice is hold.
    """
    return 2 * _quantiles(predicted, NOISE_LEVELS // 2) + is_hold


def effect_moments(
    centred: NDArray[np.float32],
    residuals: Floats,
    weight: Floats,
    level: NDArray[np.int64] | None = None,
) -> EffectMoments:
    """Return the moments of decisions.

    Args:
        centred: float32 [rows, columns] the choice's basis minus its mean under the reference.
        residuals: float64 [rows, windows] outcome minus prediction; NaN where not known yet.
        weight: float64 [rows] of `reference_weights`.
        level: int64 [rows] of `noise_levels`; None: all alike.
    """
    levels = 1 if level is None else NOISE_LEVELS
    windows, columns = residuals.shape[1], centred.shape[1]
    gram, square = np.zeros((windows, columns, columns)), np.zeros((levels, windows, columns, columns))
    score, total = np.zeros((windows, columns)), np.zeros((levels, windows))
    noise = np.zeros((levels, windows, windows))
    for here in range(levels):
        rows = slice(None) if level is None else np.flatnonzero(level == here)
        x, outcome, w = centred[rows].astype(np.float64), residuals[rows], weight[rows]
        for window in range(windows):
            known = np.isfinite(outcome[:, window])
            seen, by = x[known], w[known]
            gram[window] += seen.T @ (seen * by[:, None])
            square[here, window] = seen.T @ (seen * (by * by)[:, None])
            score[window] += seen.T @ (by * outcome[known, window])
            total[here, window] = by @ by
        pushed = np.nan_to_num(outcome) * w[:, None]
        noise[here] = pushed.T @ pushed
    return EffectMoments(len(residuals), gram, score, square, total, noise)


def _quantiles(values: Floats, count: int) -> NDArray[np.int64]:
    """Return which of `count` parts, alike in number, each value is in: int64 [rows]."""
    return np.searchsorted(np.quantile(values, np.arange(1, count) / count), values)
