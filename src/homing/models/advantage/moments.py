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


@dataclass(frozen=True)
class EffectMoments:
    """Sums over decisions, of one outcome in several windows; they add up.

    A decision that knows an outcome in a window knows it in all earlier ones.
    """

    decisions: int
    gram: Floats  # [windows, columns, columns] sum of w x x'
    score: Floats  # [windows, columns] sum of w x residual
    square: Floats  # [windows, columns, columns] sum of w^2 x x'
    weight: Floats  # [windows] sum of w^2
    noise: Floats  # [windows, windows] sum of w^2 residual residual', where both are known

    def __add__(self, other: EffectMoments) -> EffectMoments:
        return EffectMoments(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(EffectMoments))
        )

    def covariance(self) -> Floats:
        """Return the covariance of the scores: float64 [windows * columns, windows * columns].

        Choices are drawn anew each time, so scores of one user are uncorrelated, however much that user's
        outcomes have to do with each other. The residuals' covariance is taken to be the same everywhere:
        a covariance of the scores themselves knows rare outcomes by heart, and shrinks their effects away.
        """
        windows, columns = self.score.shape
        last = np.maximum.outer(np.arange(windows), np.arange(windows))
        per = np.divide(
            self.noise, self.weight[last], out=np.zeros_like(self.noise), where=self.weight[last] > 0
        )
        blocks = per[:, :, None, None] * self.square[last]
        return np.asarray(blocks.transpose(0, 2, 1, 3).reshape(windows * columns, windows * columns))


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
    borders = np.quantile(predicted, np.arange(1, _LEVELS) / _LEVELS)
    level = np.searchsorted(borders, predicted)
    variance = np.bincount(level, share, _LEVELS) / np.maximum(np.bincount(level, minlength=_LEVELS), 1)
    here = np.maximum(variance, variance[level].mean() / _MOST_WEIGHT)[level]
    mean = here.mean()
    return np.asarray(np.sqrt(here / mean)) if mean > 0 else np.ones(len(here))


def effect_moments(centred: NDArray[np.float32], residuals: Floats, weight: Floats) -> EffectMoments:
    """Return the moments of decisions.

    Args:
        centred: float32 [rows, columns] the choice's basis minus its mean under the reference.
        residuals: float64 [rows, windows] outcome minus prediction; NaN where not known yet.
        weight: float64 [rows] of `reference_weights`.
    """
    windows, columns = residuals.shape[1], centred.shape[1]
    gram, square = np.zeros((2, windows, columns, columns))
    score, total = np.zeros((windows, columns)), np.zeros(windows)
    for window in range(windows):
        known = np.isfinite(residuals[:, window])
        x, w = centred[known].astype(np.float64), weight[known]
        gram[window] = x.T @ (x * w[:, None])
        square[window] = x.T @ (x * (w * w)[:, None])
        score[window] = x.T @ (w * residuals[known, window])
        total[window] = w @ w
    pushed = np.nan_to_num(residuals) * weight[:, None]
    return EffectMoments(len(residuals), gram, score, square, total, pushed.T @ pushed)
