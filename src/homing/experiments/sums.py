"""Moments from arrays, and from sums that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.experiments.moments import Axis, Floats, Moments
from homing.schema.errors import InputError


def from_arrays(arm: ArrayLike, columns: Mapping[str, ArrayLike]) -> Moments:
    """Return the moments of columns, one row a unit.

    Args:
        arm: text or integers [n].
        columns: numbers [n] each, finite.

    Raises:
        InputError: lengths differ, no rows, or values that are not finite.
    """
    labels = np.asarray(arm)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iuUS":
        raise InputError(
            f"arm has shape {labels.shape} and dtype {labels.dtype}, must be text or integers [n]"
        )
    arms, codes = np.unique(labels, return_inverse=True)
    table = np.empty((len(codes), len(columns)))
    for place, (name, values) in enumerate(columns.items()):
        array = np.asarray(values)
        if array.shape != codes.shape:
            raise InputError(f"{name} has shape {array.shape}, must have {codes.shape} like arm")
        table[:, place] = array
    check_finite(tuple(columns), table)
    count, mean, scatter = moments_by_code(codes, table, len(arms))
    return Moments(tuple(str(label) for label in arms), tuple(columns), count, mean, scatter)


def from_sums(
    arms: Sequence[str],
    columns: Sequence[str],
    count: ArrayLike,
    sums: ArrayLike,
    products: ArrayLike,
    axes: Sequence[Axis] = (),
) -> Moments:
    """Return moments from sums that somebody else computed, such as a warehouse.

    Args:
        arms: their names.
        columns: their names.
        count: [*axes, arms] units.
        sums: [*axes, arms, columns] of the values.
        products: [*axes, arms, columns, columns] sums of products; NaN: not known. Shift columns by a
            constant near their mean before they are squared where the mean is far from 0.
        axes: what they are split by.

    Raises:
        InputError: shapes do not fit, a negative count, or sums of squares that no values have.
    """
    n = np.asarray(count, np.float64)
    total, square = np.asarray(sums, np.float64), np.asarray(products, np.float64)
    if not (n >= 0).all():
        raise InputError(f"count has a minimum of {n.min()}, must be >= 0")
    mean = total / np.where(n > 0, n, 1)[..., None]
    scatter = square - total[..., :, None] * mean[..., None, :]
    diagonal = np.diagonal(scatter, axis1=-2, axis2=-1)
    slack = 1e-9 * np.abs(np.diagonal(square, axis1=-2, axis2=-1))
    if (diagonal < -slack).any():
        raise InputError("products: a sum of squares is less than the square of the sum over the count")
    place = np.arange(len(columns))
    scatter[..., place, place] = np.where(np.isnan(diagonal), np.nan, np.maximum(diagonal, 0))
    return Moments(tuple(arms), tuple(columns), n, mean, scatter, tuple(axes))


def moments_by_code(codes: NDArray[Any], table: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Return count [size], mean [size, columns] and scatter [size, columns, columns] of rows by code.

    Args:
        codes: [n] in 0 .. size - 1.
        table: float64 [n, columns].
        size: how many codes there are.
    """
    columns = table.shape[1]
    count = np.bincount(codes, minlength=size).astype(np.float64)
    mean, scatter = np.zeros((size, columns)), np.zeros((size, columns, columns))
    order = np.argsort(codes, kind="stable") if size > 1 else slice(None)
    ordered = table[order]
    ends = np.cumsum(count).astype(np.intp)
    for code in np.flatnonzero(count):
        part = ordered[ends[code] - int(count[code]) : ends[code]]
        mean[code] = part.mean(axis=0)
        centred = part - mean[code]
        scatter[code] = centred.T @ centred
    return count, mean, scatter


def missing_label(name: str, bad: int) -> InputError:
    """Return the error for units of which it is not known where they belong."""
    return InputError(f"{name} has {bad:,} missing values; each unit needs one, or leave the unit out")


def check_finite(columns: Sequence[str], table: Floats) -> None:
    """Raise where a column has a value that is missing or infinite.

    Raises:
        InputError: names the column and says how many.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = np.flatnonzero(~np.isfinite(table.sum(axis=0)))
    for place in map(int, suspicious):
        bad = int((~np.isfinite(table[:, place])).sum())
        if bad:
            raise not_finite(columns[place], bad, len(table))


def not_finite(column: str, bad: int, rows: int) -> InputError:
    """Return the error for values that no mean has; `bad` is 0 where they were not counted."""
    many = f"{bad:,} " if bad else ""
    return InputError(
        f"{column} has {many}missing or infinite values of {rows:,}, must be finite; leave these units out "
        "of all arms by a rule from before the start, fill what is really 0, or, for a value from before the "
        "start, name it in `missing`"
    )
