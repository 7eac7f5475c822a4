"""What an arm changes against the control: absolute or relative, with an interval and a p-value.

On a scale with estimate d and standard error s, the interval is d -/+ c s and the p-value that of d / s. What
differs is the scale. `absolute`: m1 - m0. `delta`: m1 / m0 - 1 by the delta method. `log`: log(m1 / m0), made
a relative difference again at the end, so that it cannot fall below -100 %. `fieller`: the ratios rho that
m1 - rho m0 = 0 does not reject, exact for normal means, which agrees with `absolute` on whether there is any
difference (Fieller 1954). For small effects all relative ones agree; for large ones the uncertainty of m0
counts, which an absolute interval divided by m0 leaves out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from homing.experiments.metrics import Levels, Metric, levels
from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError, nearest

Scale = Literal["absolute", "delta", "log", "fieller"]
Alternative = Literal["two-sided", "greater", "less"]
Distribution = Literal["t", "normal"]

#: An interval over fewer units in an arm says so, as normality of the means is then a hope.
FEW_UNITS: Final = 30


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


@dataclass(frozen=True)
class Difference:
    """A metric of an arm less that of the control, in every cell; arrays are float64 [*axes]."""

    metric: str
    arm: str
    control: str
    scale: Scale
    alternative: Alternative
    confidence: float
    value: Floats  # in units of the metric, or as a share of the control (0.1: +10 %)
    std_error: Floats  # on the scale; for `log`, of the log ratio
    low: Floats
    high: Floats
    p_value: Floats  # of the null difference that was asked for
    degrees: Floats  # of freedom (Welch); inf: normal
    level: Floats  # of the arm
    control_level: Floats
    count: Floats  # units in the arm
    control_count: Floats

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt it, over all cells together."""
        notes = []
        fewest = float(np.min(np.minimum(self.count, self.control_count)))
        if fewest < FEW_UNITS:
            notes.append(f"an arm has only {fewest:g} units (at least {FEW_UNITS} are needed)")
        if np.isnan(self.std_error).any():
            notes.append(
                "no interval: fewer than two units, no variance at all, or a control level of 0 or less"
                if self.scale != "absolute"
                else "no interval: fewer than two units, or no variance at all"
            )
        elif np.isinf(self.low).any() and np.isinf(self.high).any():
            notes.append("the control cannot be told from 0, so the relative difference has no bounds")
        return tuple(notes)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a plain dictionary a cell, the last axis fastest; NaN is None."""
        fixed = {
            name: getattr(self, name)
            for name in ("metric", "arm", "control", "scale", "alternative", "confidence")
        }
        names = [name for name in self.__dataclass_fields__ if isinstance(getattr(self, name), np.ndarray)]
        lists = [np.ravel(getattr(self, name)).tolist() for name in names]
        return [
            fixed | {name: None if math.isnan(v) else v for name, v in zip(names, values, strict=True)}
            for values in zip(*lists, strict=True)
        ]


def difference(
    moments: Moments,
    metric: Metric,
    arm: str,
    control: str = "control",
    *,
    scale: Scale = "absolute",
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    distribution: Distribution = "t",
    null: ArrayLike = 0.0,
    critical: ArrayLike | None = None,
) -> Difference:
    """Return the difference of a metric between an arm and the control.

    Args:
        moments: of the columns of the metric.
        metric: what to compare.
        arm: which arm.
        control: the arm that it is compared with.
        scale: absolute, or relative by `delta`, `log` or `fieller`.
        confidence: of the interval.
        alternative: `greater` bounds the difference from below only, `less` from above only.
        distribution: t with Welch's degrees of freedom, or normal.
        null: the difference that the p-value is of, in units of the scale; minus the margin for
            non-inferiority.
        critical: how many standard errors the interval reaches, float [*axes], in place of the quantile of
            `confidence`; from `homing.experiments.sequential`. The p-value stays that of a single look.

    Raises:
        InputError: unknown arm, column or option, or a confidence outside (0, 1).
    """
    return compare(
        levels(moments, metric),
        arm,
        control,
        scale=scale,
        confidence=confidence,
        alternative=alternative,
        distribution=distribution,
        null=null,
        critical=critical,
    )


def compare(
    at: Levels,
    arm: str,
    control: str = "control",
    *,
    scale: Scale = "absolute",
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    distribution: Distribution = "t",
    null: ArrayLike = 0.0,
    critical: ArrayLike | None = None,
) -> Difference:
    """Return the difference of levels from anywhere, as from `quantile_levels`; arguments as `difference`.

    Raises:
        InputError: as `difference`.
    """
    for name, option, known in (
        ("scale", scale, get_args(Scale)),
        ("alternative", alternative, get_args(Alternative)),
        ("distribution", distribution, get_args(Distribution)),
    ):
        if option not in known:
            raise InputError(f"{name} == {option!r}, must be one of {known}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    if scale != "absolute" and not (np.asarray(null) > -1).all():
        raise InputError(f"null == {null!r}, must be > -1: a relative difference cannot be less than -100 %")
    if arm == control:
        raise InputError(f"arm == control == {arm!r}, must be two arms")
    pair = _pair(at, _place(at, arm), _place(at, control))
    degrees = _degrees(pair, scale) if distribution == "t" else np.full(pair.value_1.shape, np.inf)
    reach = np.asarray(critical if critical is not None else quantile(confidence, degrees, alternative))
    low, high = _interval(pair, scale, reach)
    value, error = _estimate(pair, scale)
    sure = ~np.isnan(error)
    return Difference(
        metric=at.name,
        arm=arm,
        control=control,
        scale=scale,
        alternative=alternative,
        confidence=confidence,
        value=np.expm1(value) if scale == "log" else value,
        std_error=error,
        low=np.where(sure & (alternative == "less"), -1.0 if scale == "log" else -np.inf, low),
        high=np.where(sure & (alternative == "greater"), np.inf, high),
        p_value=tail(_statistic(pair, scale, np.asarray(null, np.float64)), degrees, alternative),
        degrees=degrees,
        level=pair.value_1,
        control_level=pair.value_0,
        count=pair.count_1,
        control_count=pair.count_0,
    )


def _place(at: Levels, arm: str) -> int:
    if arm not in at.arms:
        raise InputError(f"arm {arm!r} is not there, must be one of {at.arms}{nearest(arm, at.arms)}")
    return at.arms.index(arm)


def quantile(confidence: float, degrees: Floats, alternative: Alternative) -> Floats:
    """Return how many standard errors an interval reaches: float64 like `degrees`."""
    share = 0.5 + confidence / 2 if alternative == "two-sided" else confidence
    return np.asarray(np.where(np.isinf(degrees), ndtri(share), stdtrit(degrees, share)))


def tail(statistic: Floats, degrees: Floats, alternative: Alternative) -> Floats:
    """Return the p-value of statistics: float64 [*axes]."""
    if alternative == "two-sided":
        return 2 * _below(-np.abs(statistic), degrees)
    return _below(-statistic if alternative == "greater" else statistic, degrees)


def _below(statistic: Floats, degrees: Floats) -> Floats:
    return np.asarray(np.where(np.isinf(degrees), ndtr(statistic), stdtr(degrees, statistic)))


def _pair(at: Levels, arm: int, control: int) -> Pair:
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


def _estimate(pair: Pair, scale: Scale) -> tuple[Floats, Floats]:
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


def _statistic(pair: Pair, scale: Scale, null: Floats) -> Floats:
    if scale == "fieller":
        top = pair.value_1 - (1 + null) * _positive_control(pair)
        variance = _variance(pair, 1 + null)
        return np.asarray(top / np.sqrt(np.where(variance > 0, variance, np.nan)))
    value, error = _estimate(pair, scale)
    return np.asarray((value - (np.log1p(null) if scale == "log" else null)) / error)


def _interval(pair: Pair, scale: Scale, reach: Floats) -> tuple[Floats, Floats]:
    if scale == "fieller":
        return _fieller(pair, reach)
    value, error = _estimate(pair, scale)
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
    nothing = np.isnan(_estimate(pair, "fieller")[1])
    low, high = np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def _degrees(pair: Pair, scale: Scale) -> Floats:
    """Return Welch's degrees of freedom of m1 - m0, or of m1 - rho m0 for relative scales."""
    rho = np.ones(()) if scale == "absolute" else pair.value_1 / _positive_control(pair)
    one, zero = pair.noise_1, rho**2 * pair.noise_0
    below = one**2 / np.maximum(pair.count_1 - 1, 1) + zero**2 / np.maximum(pair.count_0 - 1, 1)
    return (one + zero) ** 2 / np.where(below > 0, below, np.nan)
