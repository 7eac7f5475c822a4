"""The shape of a distribution's upper tail."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from homing.evaluation.inputs import Floats

_FEWEST: Final = 5  # a tail of fewer values has no shape (as in the reference implementation)
_PRIOR_POINTS: Final = 3  # prior of the scale: Zhang & Stephens 2009, section 3
_PRIOR_WEIGHT: Final = 10  # values that pull the shape towards 1/2: Vehtari et al. 2024, appendix C


def pareto_shape(excess: Floats) -> float:
    """Return the shape k of a generalised Pareto distribution (k > 0: a power tail; k < 0: bounded).

    Zhang & Stephens (2009), A new and efficient estimation method for the generalized Pareto distribution,
    equations 7 to 9, with the weak prior of Vehtari et al. (2024).

    Args:
        excess: float64 [tail] over the threshold, rising, >= 0.

    Returns:
        NaN with fewer than 5 values or when all are equal to the threshold.
    """
    size = len(excess)
    if size < _FEWEST or excess[-1] <= 0:
        return math.nan
    quartile = excess[math.floor(size / 4 + 0.5) - 1]
    if quartile <= 0:  # ties with the threshold: the first value above it stands in
        quartile = excess[np.searchsorted(excess, 0, side="right")]
    points = 30 + math.floor(math.sqrt(size))
    theta = 1 / excess[-1] + (1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))) / (
        _PRIOR_POINTS * quartile
    )
    shape = np.array([np.log1p(-point * excess).mean() for point in theta])
    profile = size * (np.log(-theta / shape) - shape - 1)
    posterior = np.exp(profile - profile.max())
    best = float(theta @ posterior / posterior.sum())
    fitted = float(np.log1p(-best * excess).mean())
    return (size * fitted + _PRIOR_WEIGHT * 0.5) / (size + _PRIOR_WEIGHT)


def pareto_threshold(rows: int) -> float:
    """Return the largest shape at which a mean over `rows` weights can be relied on.

    `min(1 - 1 / log10(rows), 0.7)`, Vehtari et al. (2024), section 3.2.4.
    """
    return min(1 - 1 / math.log10(rows), 0.7) if rows > 1 else -math.inf
