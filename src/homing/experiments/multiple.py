"""Several tests at once: adjusted p-values, and the confidence of the intervals that belong to them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from homing.experiments.moments import Floats
from homing.schema.errors import InputError
from homing.statistics import benjamini_hochberg

Correction = Literal["none", "bonferroni", "holm", "hommel", "benjamini_hochberg"]


def adjusted_p_values(p_values: ArrayLike, correction: Correction) -> Floats:
    """Return p-values to be compared with the alpha of all tests together: float64 [*, tests].

    Bonferroni, Holm (1979) and Hommel (1988) bound the chance of any false rejection; the first two under any
    dependence, Hommel, the most powerful, where Simes' inequality holds, as for independent and positively
    dependent tests. Benjamini & Hochberg (1995) bounds the expected share of false ones among rejections.

    Args:
        p_values: float [*, tests]; NaN, a test that cannot be made, stays so and counts as a test.
        correction: which.

    Raises:
        InputError: an unknown correction, or values outside [0, 1].
    """
    p = _checked(p_values)
    tests = p.shape[-1]
    if correction == "none":
        return p
    if correction == "bonferroni":
        return np.asarray(np.minimum(p * tests, 1.0))
    if correction not in get_args(Correction):
        raise InputError(f"correction == {correction!r}, must be one of {get_args(Correction)}")
    counted = np.where(np.isnan(p), 1.0, p)
    if correction == "benjamini_hochberg":
        return np.where(np.isnan(p), np.nan, benjamini_hochberg(counted))
    order = np.argsort(p, axis=-1, kind="stable")  # NaN last
    rising = np.take_along_axis(counted, order, -1)
    if correction == "holm":
        sorted_p = np.maximum.accumulate(rising * np.arange(tests, 0, -1), axis=-1)
    else:
        sorted_p = _hommel(rising)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(sorted_p, 1.0), -1)
    return np.where(np.isnan(p), np.nan, adjusted)


def interval_confidence(p_values: ArrayLike, alpha: float, correction: Correction) -> Floats:
    """Return the confidence at which each test's interval agrees with its correction: float64 [*, tests].

    Bonferroni: 1 - alpha / m, and all intervals hold together. Benjamini-Hochberg: 1 - R alpha / m for the R
    that are rejected, and their expected share that does not hold is at most alpha (Benjamini & Yekutieli
    2005); others keep the width of m intervals. Holm and Hommel have no intervals of this kind that agree
    with them: those of Bonferroni hold and are wider than their decisions.

    Raises:
        InputError: as `adjusted_p_values`, `alpha` outside (0, 1), or `hommel` or `holm`.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha == {alpha}, must be in (0, 1)")
    if correction in {"holm", "hommel"}:
        raise InputError(f"{correction} has no intervals that agree with it; take those of bonferroni")
    p = adjusted_p_values(p_values, correction)
    tests = p.shape[-1]
    if correction == "none":
        return np.full(p.shape, 1 - alpha)
    if correction == "bonferroni":
        return np.full(p.shape, 1 - alpha / tests)
    rejected = p <= alpha
    share = np.where(rejected, rejected.sum(axis=-1, keepdims=True), 1) / tests
    return np.asarray(1 - alpha * share)


def _checked(p_values: ArrayLike) -> Floats:
    p = np.asarray(p_values, np.float64)
    if p.ndim == 0 or not p.shape[-1]:
        raise InputError(f"p_values has shape {p.shape}, must have at least a test on its last axis")
    if (p < 0).any() or (p > 1).any():
        raise InputError(f"p_values range from {np.nanmin(p):g} to {np.nanmax(p):g}, must be in [0, 1]")
    return p


def _hommel(rising: Floats) -> Floats:
    """Return Hommel's adjusted p-values of sorted ones [*, tests] (Wright 1992, appendix)."""
    tests = rising.shape[-1]
    q = (tests * rising / np.arange(1, tests + 1)).min(axis=-1, keepdims=True) * np.ones(tests)
    adjusted = q.copy()
    for size in range(tests - 1, 1, -1):
        first = tests - size + 1  # how many are in the lower part
        last = rising[..., first:]
        c = (size * last / np.arange(2, size + 1)).min(axis=-1, keepdims=True)
        low = np.minimum(size * rising[..., :first], c)
        q = np.concatenate([low, np.broadcast_to(low[..., -1:], last.shape)], axis=-1)
        adjusted = np.maximum(adjusted, q)
    return np.asarray(np.maximum(adjusted, rising))
