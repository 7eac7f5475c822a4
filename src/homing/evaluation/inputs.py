"""What the arrays of a log must obey before any estimator looks at them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.schema.errors import InputError

Floats = NDArray[np.float64]

#: Probabilities may have been written as float32, so a sum over candidates is 1 up to this much.
SUM_TOLERANCE: Final = 1e-4

_BLOCK: Final = 1 << 18  # rows at a time, so that products over candidates stay small


def finite(name: str, values: ArrayLike, rows: int | None = None) -> Floats:
    """Return `values` as float64 [rows].

    Raises:
        InputError: not one-dimensional, empty, not of length `rows`, or with NaN or infinite values.
    """
    array = one_dimensional(name, values, rows)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} has dtype {array.dtype}, must be numbers")
    array = array.astype(np.float64, copy=False)
    # one bad value makes the sum bad, and a sum needs no second array; an overflow is looked at below
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(array.sum())
    if suspicious:
        bad = np.flatnonzero(~np.isfinite(array))
        if len(bad):
            raise InputError(
                f"{name} has {len(bad):,} NaN or infinite values of {len(array):,} (the first at row "
                f"{bad[0]:,}), must be finite; filter out the decisions whose outcome is not known yet"
            )
    return array


def weights(name: str, values: ArrayLike, rows: int | None = None) -> Floats:
    """Return importance weights as float64 [rows].

    Raises:
        InputError: as `finite`, or a negative weight.
    """
    array = finite(name, values, rows)
    if array.min() < 0:
        raise InputError(f"{name} has a minimum of {array.min():g}, must be >= 0")
    return array


def shares(name: str, values: ArrayLike, rows: int | None = None, *, above_zero: bool = False) -> Floats:
    """Return probabilities as float64 [rows].

    Raises:
        InputError: as `finite`, or outside [0, 1], or with `above_zero` outside (0, 1].
    """
    array = finite(name, values, rows)
    low, high = float(array.min()), float(array.max())
    if high > 1 + SUM_TOLERANCE or low < 0 or (above_zero and low == 0):
        rule = "(0, 1]" if above_zero else "[0, 1]"
        raise InputError(f"{name} ranges from {low:g} to {high:g}, must be in {rule}")
    return array


def one_dimensional(name: str, values: ArrayLike, rows: int | None = None) -> NDArray[Any]:
    """Return `values` as an array [rows].

    Raises:
        InputError: not one-dimensional, empty, or not of length `rows`.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}, must be one-dimensional")
    if not len(array):
        raise InputError(f"{name} has no rows; an estimate over nothing is not zero, so there is none")
    if rows is not None and len(array) != rows:
        raise InputError(f"{name} has {len(array):,} rows, must have {rows:,} like the other columns")
    return array


def ragged(offsets: ArrayLike, candidates: int, rows: int | None = None) -> NDArray[np.int64]:
    """Return `offsets` as int64 [rows + 1]: row i has candidates offsets[i]:offsets[i + 1].

    Raises:
        InputError: does not start at 0, end at `candidates` or rise at every row.
    """
    array = one_dimensional("offsets", offsets)
    if array.dtype.kind not in "iu":
        raise InputError(f"offsets has dtype {array.dtype}, must be integers")
    if rows is not None and len(array) != rows + 1:
        raise InputError(f"offsets has {len(array):,} values, must have {rows + 1:,}: one more than rows")
    if len(array) < 2 or array[0] != 0 or array[-1] != candidates:
        raise InputError(
            f"offsets runs from {array[0]} to {array[-1]}, must run from 0 to the {candidates:,} candidates"
        )
    array = array.astype(np.int64, copy=False)
    if (array[1:] <= array[:-1]).any():
        raise InputError("offsets has a row without candidates; every row has at least hold")
    return array


def choices(choice: ArrayLike, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `choice`, the place of each row's choice among all candidates, as int64 [rows].

    Raises:
        InputError: not integers, not of length `rows`, or not among the candidates of its row.
    """
    place = one_dimensional("choice", choice, len(offsets) - 1)
    if place.dtype.kind not in "iu" or ((place < offsets[:-1]) | (place >= offsets[1:])).any():
        raise InputError("choice must be the place of each row's choice among the candidates of that row")
    return place.astype(np.int64, copy=False)


def row_sums(values: NDArray[Any], offsets: NDArray[np.int64]) -> Floats:
    """Return the sum of `values` [m] over the candidates of each row: float64 [n]."""
    return np.add.reduceat(values, offsets[:-1], dtype=np.float64)


def policy_mean(
    probability: ArrayLike, values: ArrayLike, offsets: ArrayLike, *, name: str = "target_probability"
) -> Floats:
    """Return sum_a pi(a | x_i) values(x_i, a) of each row i: float64 [n].

    Args:
        probability: float [m] of a policy, over the candidates of all rows.
        values: float [m] in units of the outcome.
        offsets: int64 [n + 1].
        name: of the probabilities, in errors.

    Raises:
        InputError: lengths differ, values are not finite, or a row's probabilities do not sum to 1.
    """
    chance = one_dimensional(name, probability)
    worth = one_dimensional("prediction", values, len(chance))
    bounds = ragged(offsets, len(chance))
    rows = len(bounds) - 1
    mean = np.empty(rows)
    for start in range(0, rows, _BLOCK):
        cut = bounds[start : start + _BLOCK + 1]
        chance_here = shares(name, chance[cut[0] : cut[-1]])
        total = row_sums(chance_here, cut - cut[0])
        wrong = np.flatnonzero(np.abs(total - 1) > SUM_TOLERANCE)
        if len(wrong):
            raise InputError(
                f"{name} sums to {total[wrong[0]]:.6g} over the candidates of row "
                f"{start + wrong[0]:,}, must be 1"
            )
        product = chance_here * finite("prediction", worth[cut[0] : cut[-1]])
        mean[start : start + _BLOCK] = row_sums(product, cut - cut[0])
    return mean
