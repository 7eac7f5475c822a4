"""Weights that make one sample of users look like another, so that an estimate can be carried over."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError

_STEPS: Final = 100
_HALVINGS: Final = 30
_CLOSE: Final = 1e-3  # standard deviations that a weighted mean may be off
_FIRM: Final = 1e-9  # added to the Hessian's diagonal: columns may depend on each other
_ARMIJO: Final = 1e-4


def balancing_weights(log: ArrayLike, goal: ArrayLike) -> Floats | None:
    """Return weights of the log's rows, of mean 1, with which the means of its columns are `goal`.

    Entropy balancing (Hainmueller 2012, equations 6 to 8): of all such weights those nearest to equal,
    `w_i ~ exp(sum_k l_k (x_ik - goal_k))`, where l minimises the convex `log sum_i exp(l (x_i - goal))`. It
    is also the density ratio of the two populations where its logarithm is linear in the columns, so the
    weighted mean of a log's terms is their mean in the other population (Shimodaira 2000).

    Args:
        log: float [n, columns], finite.
        goal: float [columns], means in the other sample.

    Returns:
        float64 [n]; None where no weights of the log's rows have these means.

    Raises:
        InputError: shapes differ, there are no rows, or values are not finite.
    """
    x, wanted = np.asarray(log, np.float64), np.asarray(goal, np.float64)
    if x.ndim != 2 or not len(x) or wanted.shape != x.shape[1:]:
        raise InputError(
            f"log has shape {x.shape} and goal {wanted.shape}, must be [n, columns] and [columns], n >= 1"
        )
    if not (np.isfinite(x).all() and np.isfinite(wanted).all()):
        raise InputError("log or goal has values that are not finite; put gaps into columns of their own")
    spread = x.std(axis=0)
    if (spread == 0)[wanted != x.mean(axis=0)].any():
        return None
    x = (x - wanted) / np.where(spread > 0, spread, 1.0)
    multiplier = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        value, share = _tilt(x, multiplier)
        gradient = share @ x
        if np.abs(gradient).max(initial=0.0) <= _CLOSE:
            return share * len(x)
        hessian = (x * share[:, None]).T @ x - np.outer(gradient, gradient)
        step = np.linalg.solve(hessian + _FIRM * np.eye(len(gradient)), gradient)
        size, slope = 1.0, float(gradient @ step)
        for _ in range(_HALVINGS):
            if _tilt(x, multiplier - size * step)[0] <= value - _ARMIJO * size * slope:
                break
            size /= 2
        else:
            return None
        multiplier = multiplier - size * step
    return None


def _tilt(x: Floats, multiplier: Floats) -> tuple[float, Floats]:
    """Return `log sum exp(x l)` and the shares `exp(x l) / sum exp(x l)`: [n]."""
    exponent = x @ multiplier
    peak = float(exponent.max())
    share = np.exp(exponent - peak)
    total = float(share.sum())
    return peak + float(np.log(total)), share / total
