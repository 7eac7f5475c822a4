"""Many comparisons at once: which of them to believe."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.schema.errors import InputError


def two_sided(z: ArrayLike) -> NDArray[np.float64]:
    """Return the chance of a standard normal variable farther from 0 than each z: float64 [n]; NaN stays."""
    tail = NormalDist().cdf
    return np.array([2 * tail(-abs(float(value))) for value in np.atleast_1d(np.asarray(z, np.float64))])


def benjamini_hochberg(p_value: ArrayLike) -> NDArray[np.float64]:
    """Return adjusted p-values: those at most q have a share of false discoveries of at most q, on average.

    Benjamini & Hochberg (1995), step up: `min over j >= i of n p_(j) / j`, 1 at most. It holds for
    independent tests and for positively dependent ones (Benjamini & Yekutieli 2001).

    Args:
        p_value: float [*, n] in [0, 1]; NaN, a test that could not be made, stays NaN and is not counted.

    Returns:
        float64 [*, n], each family on the last axis adjusted by itself.

    Raises:
        InputError: values outside [0, 1].
    """
    values = np.asarray(p_value, np.float64)
    known = ~np.isnan(values)
    if known.any() and not 0 <= values[known].min() <= values[known].max() <= 1:
        given = values[known]
        raise InputError(f"p_value ranges from {given.min():g} to {given.max():g}, must be in [0, 1]")
    order = np.argsort(values, axis=-1, kind="stable")  # NaN last
    rising = np.take_along_axis(values, order, -1)
    steps = rising * known.sum(axis=-1, keepdims=True) / np.arange(1, values.shape[-1] + 1)
    steps = np.where(np.isnan(rising), 1.0, steps)
    least = np.minimum.accumulate(steps[..., ::-1], axis=-1)[..., ::-1]
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.minimum(least, 1.0), -1)
    return np.where(known, adjusted, np.nan)
