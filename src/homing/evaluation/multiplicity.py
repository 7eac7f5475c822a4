"""Many comparisons at once: which of them to believe."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError


def two_sided(z: ArrayLike) -> Floats:
    """Return the chance of a standard normal variable farther from 0 than each z: float64 [n]; NaN stays."""
    tail = NormalDist().cdf
    return np.array([2 * tail(-abs(float(value))) for value in np.atleast_1d(np.asarray(z, np.float64))])


def benjamini_hochberg(p_value: ArrayLike) -> Floats:
    """Return adjusted p-values: those at most q have a share of false discoveries of at most q, on average.

    Benjamini & Hochberg (1995), step up: `min over j >= i of n p_(j) / j`, 1 at most. It holds for
    independent tests and for positively dependent ones (Benjamini & Yekutieli 2001).

    Args:
        p_value: float [n] in [0, 1]; NaN, a test that could not be made, stays NaN and is not counted.

    Raises:
        InputError: values outside [0, 1].
    """
    values = np.asarray(p_value, np.float64)
    known = np.flatnonzero(~np.isnan(values))
    given = values[known]
    if len(given) and not 0 <= given.min() <= given.max() <= 1:
        raise InputError(f"p_value ranges from {given.min():g} to {given.max():g}, must be in [0, 1]")
    adjusted = np.full(len(values), np.nan)
    order = np.argsort(given)[::-1]
    ranks = np.arange(len(given), 0, -1)
    adjusted[known[order]] = np.minimum(np.minimum.accumulate(given[order] * len(given) / ranks), 1.0)
    return adjusted
