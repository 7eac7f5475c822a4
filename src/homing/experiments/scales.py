"""Scales on which two levels are compared, as pure functions over arrays of cells.

On a scale with estimate d and standard error s, the interval is d -/+ c s and the p-value that of d / s.
What differs is the scale. `absolute`: m1 - m0. `delta`: m1 / m0 - 1 by the delta method. `log`: log(m1 /
m0), made a relative difference again at the end, so that it cannot fall below -100 %. `fieller`: the ratios
rho that m1 - rho m0 = 0 does not reject, exact for normal means, which agrees with `absolute` on whether
there is any difference (Fieller 1954). For small effects all relative ones agree; for large ones the
uncertainty of m0 counts, which an absolute interval divided by m0 leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from homing.experiments.metrics import Levels
from homing.experiments.moments import Floats

Scale = Literal["absolute", "delta", "log", "fieller"]


@dataclass(frozen=True)
class Pair:
    """Levels of an arm (1) and of the control (0), each float64 [*axes]."""

    value_1: Floats
    value_0: Floats
    noise_1: Floats
    noise_0: Floats
    shared_1: Floats
    shared_0: Floats
    shared: Floats
    count_1: Floats
    count_0: Floats


def pair_of(at: Levels, arm: int, control: int) -> Pair:
    """Return the levels at two places of `at.arms`."""
    return Pair(
        at.value[..., arm],
        at.value[..., control],
        at.noise[..., arm],
        at.noise[..., control],
        at.shared[..., arm, arm],
        at.shared[..., control, control],
        at.shared[..., arm, control],
        at.count[..., arm],
        at.count[..., control],
    )


def _variance(pair: Pair, rho: Floats | float) -> Floats:
    """Return the variance of m1 - rho m0."""
    return (
        pair.noise_1
        + pair.shared_1
        + rho**2 * (pair.noise_0 + pair.shared_0)
        - 2 * np.asarray(rho) * pair.shared
    )


def _positive_control(pair: Pair) -> Floats:
    return np.where(pair.value_0 > 0, pair.value_0, np.nan)


def estimate(pair: Pair, scale: Scale) -> tuple[Floats, Floats]:
    """Return estimate and standard error on the scale; NaN where nothing varies or a ratio has no meaning."""
    if scale == "absolute":
        value, variance = pair.value_1 - pair.value_0, _variance(pair, 1.0)
    else:
        base = _positive_control(pair)
        rho = pair.value_1 / base
        value, variance = rho - 1, _variance(pair, rho) / base**2
        if scale == "log":
            top = np.where(rho > 0, rho, np.nan)
            value, variance = np.log(top), variance / top**2
    return value, np.sqrt(np.where(variance > 0, variance, np.nan))


def statistic(pair: Pair, scale: Scale, null: Floats) -> Floats:
    """Return how many standard errors the difference is above `null`, in units of the scale."""
    if scale == "fieller":
        top = pair.value_1 - (1 + null) * _positive_control(pair)
        variance = _variance(pair, 1 + null)
        return np.asarray(top / np.sqrt(np.where(variance > 0, variance, np.nan)))
    value, error = estimate(pair, scale)
    return np.asarray((value - (np.log1p(null) if scale == "log" else null)) / error)


def interval(pair: Pair, scale: Scale, reach: Floats) -> tuple[Floats, Floats]:
    """Return the bounds `reach` standard errors to either side, as differences."""
    if scale == "fieller":
        return _fieller(pair, reach)
    value, error = estimate(pair, scale)
    low, high = value - reach * error, value + reach * error
    return (np.expm1(low), np.expm1(high)) if scale == "log" else (low, high)


def _fieller(pair: Pair, reach: Floats) -> tuple[Floats, Floats]:
    """Return the roots in rho - 1 of (m1 - rho m0)^2 = c^2 var(m1 - rho m0); no bounds unless m0 is sure."""
    m1, m0 = pair.value_1, _positive_control(pair)
    variance_1, variance_0 = pair.noise_1 + pair.shared_1, pair.noise_0 + pair.shared_0
    square = reach**2
    a = m0**2 - square * variance_0
    b = m1 * m0 - square * pair.shared
    c = m1**2 - square * variance_1
    root = np.sign(reach) * np.sqrt(np.maximum(b**2 - a * c, 0))
    bounded = a > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (b - root) / a - 1, (b + root) / a - 1
    nothing = np.isnan(estimate(pair, "fieller")[1])
    low, high = np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def degrees_of(pair: Pair, scale: Scale) -> Floats:
    """Return Welch's degrees of freedom of m1 - m0, or of m1 - rho m0 for relative scales."""
    rho = np.ones(()) if scale == "absolute" else pair.value_1 / _positive_control(pair)
    one, zero = pair.noise_1, rho**2 * pair.noise_0
    below = one**2 / np.maximum(pair.count_1 - 1, 1) + zero**2 / np.maximum(pair.count_0 - 1, 1)
    return (one + zero) ** 2 / np.where(below > 0, below, np.nan)
