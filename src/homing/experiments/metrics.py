"""What a metric is in terms of columns, and its level in each arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError

#: How far a sum of squares may be from that of zeros and ones.
_BINARY: Final = 1e-6


@dataclass(frozen=True)
class Metric:
    """A number of an arm: made by `mean`, `proportion` or `ratio`."""

    name: str
    kind: Literal["mean", "proportion", "ratio"]
    column: str
    denominator: str = ""


def mean(column: str, name: str = "") -> Metric:
    """Return the mean of a column over units."""
    return Metric(name or column, "mean", column)


def proportion(column: str, name: str = "") -> Metric:
    """Return the share of units with a 1, in a column of zeros and ones; its variance is p (1 - p) / n."""
    return Metric(name or column, "proportion", column)


def ratio(column: str, denominator: str, name: str = "") -> Metric:
    """Return the ratio of two totals, as clicks of sends; units vary in both (delta method).

    Where rows are finer than the unit of assignment, columns summed by unit over `rows` (see `from_table`)
    are the mean over rows, with the variance that is robust to clusters.
    """
    return Metric(name or f"{column} / {denominator}", "ratio", column, denominator)


@dataclass(frozen=True)
class Levels:
    """A metric in each arm, by whatever method, with its variance."""

    name: str
    arms: tuple[str, ...]
    value: Floats  # [*axes, arms]
    noise: Floats  # [*axes, arms] variance of the value, independent between arms
    shared: Floats  # [*axes, arms, arms] covariance between values, from what arms share
    count: Floats  # [*axes, arms] units


def levels(moments: Moments, metric: Metric) -> Levels:
    """Return value and variance of a metric in every arm; NaN where there are fewer than two units.

    Raises:
        InputError: a column that is not there or not scanned, or a proportion of what is not 0 or 1.
    """
    if metric.kind == "ratio":
        return _ratio_levels(moments, metric)
    part = moments.select([metric.column])
    value = np.where(part.count > 0, part.mean[..., 0], np.nan)
    noise = part.covariance_of_means[..., 0, 0]
    if metric.kind == "proportion":
        _check_binary(part, metric)
        noise = np.where(part.count > 1, value * (1 - value) / np.maximum(part.count, 1), np.nan)
    return Levels(metric.name, part.arms, value, noise, _shared(part)[..., 0, 0], part.count)


def _ratio_levels(moments: Moments, metric: Metric) -> Levels:
    part = moments.select([metric.column, metric.denominator])
    if np.isnan(part.scatter[..., 0, 1]).any():
        raise InputError(
            f"the product of {metric.column} and {metric.denominator} was not scanned; name the pair in "
            "`products`"
        )
    bottom = np.where((part.count > 0) & (part.mean[..., 1] != 0), part.mean[..., 1], np.nan)
    value = part.mean[..., 0] / bottom
    slope = np.stack([1 / bottom, -value / bottom], axis=-1)
    noise = np.einsum("...i,...ij,...j", slope, part.covariance_of_means, slope)
    shared = np.einsum("...ai,...abij,...bj->...ab", slope, _shared(part), slope)
    return Levels(metric.name, part.arms, value, noise, shared, part.count)


def _shared(moments: Moments) -> Floats:
    if moments.shared is not None:
        return moments.shared
    arms, columns = len(moments.arms), len(moments.columns)
    return np.zeros((*moments.count.shape[:-1], arms, arms, columns, columns))


def _check_binary(moments: Moments, metric: Metric) -> None:
    if moments.shared is not None and moments.shared.any():
        raise InputError(f"proportion of {metric.column}, which is adjusted; take its mean instead")
    share = moments.mean[..., 0]
    want = moments.count * share * (1 - share)
    if (np.abs(moments.scatter[..., 0, 0] - want) > _BINARY * np.maximum(moments.count, 1)).any():
        raise InputError(f"proportion of {metric.column}: its values must be 0 or 1; take its mean instead")
