"""What an arm changes against the control: absolute or relative, with an interval and a p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from homing.experiments.metrics import Levels, Metric, levels
from homing.experiments.moments import Floats, Moments
from homing.experiments.scales import Scale, degrees_of, estimate, interval, pair_of, statistic
from homing.schema.errors import InputError, nearest

Alternative = Literal["two-sided", "greater", "less"]
Distribution = Literal["t", "normal"]

#: An interval over fewer units in an arm says so, as normality of the means is then a hope.
FEW_UNITS: Final = 30


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
            why = "fewer than two units, no variance at all, or a denominator of 0"
            notes.append(
                f"no interval: {why}{'' if self.scale == 'absolute' else ', or a control level of 0 or less'}"
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
        InputError: unknown arm, column or option, a confidence outside (0, 1), or a negative `critical`.
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
    if critical is not None and (np.asarray(critical) < 0).any():
        raise InputError(f"critical == {critical!r}, must be >= 0: standard errors to either side")
    pair = pair_of(at, _place(at, arm), _place(at, control))
    degrees = degrees_of(pair, scale) if distribution == "t" else np.full(pair.value_1.shape, np.inf)
    reach = np.asarray(critical if critical is not None else quantile(confidence, degrees, alternative))
    low, high = interval(pair, scale, reach)
    value, error = estimate(pair, scale)
    sure = ~np.isnan(error)
    p_value = tail(statistic(pair, scale, np.asarray(null, np.float64)), degrees, alternative)
    return Difference(
        metric=at.name,
        arm=arm,
        control=control,
        scale=scale,
        alternative=alternative,
        confidence=confidence,
        value=np.asarray(np.expm1(value) if scale == "log" else value),
        std_error=np.asarray(error),
        low=np.where(sure & (alternative == "less"), -1.0 if scale == "log" else -np.inf, low),
        high=np.where(sure & (alternative == "greater"), np.inf, high),
        p_value=np.asarray(p_value),
        degrees=np.asarray(degrees),
        level=np.asarray(pair.value_1),
        control_level=np.asarray(pair.value_0),
        count=np.asarray(pair.count_1),
        control_count=np.asarray(pair.count_0),
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
