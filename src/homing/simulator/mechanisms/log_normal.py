"""Log-normal times and lengths in closed form: what the mechanisms draw, before it is drawn."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ERF = np.vectorize(math.erf, otypes=[np.float64])


def normal_cdf(z: Floats) -> Floats:
    """Return the probability that a standard normal number is below each `z`, of any shape."""
    return np.asarray(0.5 * (1.0 + _ERF(np.clip(z, -40.0, 40.0) / math.sqrt(2.0))))


def share_within(longest: Floats, median: Floats, spread: Floats | float) -> Floats:
    """Return P(median * exp(spread * Z) <= longest), 0 where `longest` is not positive.

    Args:
        longest: of any shape, in the unit of the median.
        median: > 0.
        spread: sigma of the log, > 0.
    """
    below = np.maximum(longest, np.finfo(np.float64).tiny)
    return np.where(longest > 0, normal_cdf(np.log(below / median) / spread), 0.0)


def clipped_mean(median: Floats, spread: float, low: float, high: float) -> Floats:
    """Return the mean of `clip(median * exp(spread * Z), low, high)`, in the unit of the median.

    Args:
        median: > 0, of any shape.
        spread: sigma of the log, > 0.
        low: > 0.
        high: above `low`.
    """
    a, b = (np.log(bound / median) / spread for bound in (low, high))
    inside = median * math.exp(0.5 * spread**2) * (normal_cdf(b - spread) - normal_cdf(a - spread))
    return np.asarray(low * normal_cdf(a) + inside + high * normal_cdf(-b))
