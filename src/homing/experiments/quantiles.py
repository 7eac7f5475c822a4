"""A quantile in each arm, as the 90th percentile of a delay, also where units have several rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.experiments.metrics import Levels
from homing.experiments.moments import Floats
from homing.experiments.sums import check_finite
from homing.schema.errors import InputError

#: Deviations of the share below the quantile, between which the slope of the distribution is read off.
_REACH: Final = 1.959963984540054


def quantile_levels(
    arm: ArrayLike, values: ArrayLike, share: float, unit: ArrayLike | None = None, name: str = ""
) -> Levels:
    """Return a quantile of rows in each arm, for `compare`.

    The share of rows below the quantile is a ratio of sums over units, so its variance is known whatever the
    rows of a unit have in common. It is taken to the scale of the values by the order statistics that lie two
    deviations off, which needs no density (Liu, Sun, Varshney & Xu 2019, section 4.2; Woodruff 1952).

    Args:
        arm: text or integers [rows].
        values: float [rows], finite.
        share: in (0, 1), 0.5 for the median.
        unit: [rows] ids of the units of assignment; None: each row is one.
        name: of the metric.

    Returns:
        Levels whose noise is NaN where two deviations leave (0, 1): too few units for this quantile.

    Raises:
        InputError: lengths differ, values not finite, or a share outside (0, 1).
    """
    label, x = np.asarray(arm), np.asarray(values, np.float64)
    ids = np.arange(len(x)) if unit is None else np.asarray(unit)
    if x.ndim != 1 or not len(x) or label.shape != x.shape or ids.shape != x.shape:
        raise InputError(
            f"arm {label.shape}, values {x.shape} and unit {ids.shape} must be columns of one length"
        )
    if not 0 < share < 1:
        raise InputError(f"share == {share}, must be in (0, 1)")
    check_finite(["values"], x[:, None])
    arms = np.unique(label)
    found = [_quantile(x[label == each], ids[label == each], share) for each in arms]
    value, noise, count = (np.array(column) for column in zip(*found, strict=True))
    return Levels(
        name or f"quantile {share:g}",
        tuple(str(each) for each in arms),
        value,
        noise,
        np.zeros((len(arms), len(arms))),
        count,
    )


def _quantile(values: Floats, ids: NDArray[Any], share: float) -> tuple[float, float, float]:
    """Return the quantile, its variance and the number of units."""
    ordered = np.sort(values)
    value = float(np.quantile(ordered, share))
    units, codes = np.unique(ids, return_inverse=True)
    off = np.bincount(codes, (values <= value) - share)
    count = len(units)
    if count < 2:
        return value, np.nan, float(count)
    error = np.sqrt(count / (count - 1) * (off @ off)) / len(values)
    low, high = share - _REACH * error, share + _REACH * error
    if low <= 0 or high >= 1:
        return value, np.nan, float(count)
    width = np.quantile(ordered, high) - np.quantile(ordered, low)
    return value, float((width / (2 * _REACH)) ** 2), float(count)
