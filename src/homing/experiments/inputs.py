"""Columns that come as arrays, checked alike wherever rows and not moments are analysed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.experiments.moments import Floats
from homing.schema.errors import InputError


def numbers(name: str, values: ArrayLike, rows: int | None = None) -> Floats:
    """Return a column as float64 [rows].

    Raises:
        InputError: of another shape, empty, or with values that are missing or infinite.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array) or (rows is not None and len(array) != rows):
        raise InputError(f"{name} has shape {array.shape}, must be a column like outcome")
    if not np.isfinite(array).all():
        raise InputError(
            f"{name} has missing or infinite values, must be finite; fill them or leave rows out"
        )
    return array


def codes(name: str, values: ArrayLike, rows: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the sorted labels of a column and the code of each row: intp [rows].

    Raises:
        InputError: of another shape.
    """
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InputError(f"{name} has shape {array.shape}, must be a column like outcome")
    labels, code = np.unique(array, return_inverse=True)
    return labels, code
