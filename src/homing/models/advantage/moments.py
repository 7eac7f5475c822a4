"""Choice minus its mean, times outcome minus its prediction: sums that say all the log says of effects.

Source: Robinson (1988), equation 2.2; Nie and Wager (2021), equation 4 (the R-learner).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError

Floats = NDArray[np.float64]

_MOST_WEIGHT: Final = 20.0  # of one decision, over the mean of all


@dataclass(frozen=True)
class EffectMoments:
    """Sums over decisions, of one outcome in each of several windows; they add up over users."""

    users: int
    gram: Floats  # [windows, columns, columns] sum of w x x'
    score: Floats  # [windows, columns] sum of w x residual
    spread: Floats  # [windows * columns, windows * columns] sum over users of their scores' outer products

    def __add__(self, other: EffectMoments) -> EffectMoments:
        return EffectMoments(
            self.users + other.users,
            self.gram + other.gram,
            self.score + other.score,
            self.spread + other.spread,
        )


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


def effect_moments(
    centred: NDArray[np.float32], residuals: Floats, weight: Floats, user: NDArray[np.int64]
) -> EffectMoments:
    """Return the moments of decisions of whole users.

    Args:
        centred: float32 [rows, columns] the choice's basis minus its mean under the reference.
        residuals: float64 [rows, windows] outcome minus prediction; NaN where not known yet.
        weight: float64 [rows] of `reference_weights`.
        user: int64 [rows]; scores of one user may depend on each other, those of two do not.
    """
    windows, columns = residuals.shape[1], centred.shape[1]
    _, place = np.unique(user, return_inverse=True)
    users = int(place.max(initial=-1)) + 1
    gram = np.empty((windows, columns, columns))
    scores = np.empty((users, windows, columns))
    order = np.argsort(place, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(place[order]) > 0])
    for window in range(windows):
        known = np.isfinite(residuals[:, window])
        w = np.where(known, weight, 0.0)
        rows = centred[known].astype(np.float64)
        gram[window] = rows.T @ (rows * w[known, None])
        push = centred * (w * np.where(known, residuals[:, window], 0.0))[:, None]
        scores[:, window] = np.add.reduceat(push[order], first) if users else 0.0
    flat = scores.reshape(users, -1)
    return EffectMoments(users, gram, scores.sum(axis=0), flat.T @ flat)
