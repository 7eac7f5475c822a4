"""Predictions for every row from a model that did not see that row's user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.inputs import one_dimensional, ragged
from homing.evaluation.mix import mixed
from homing.schema.errors import InputError

Rows = NDArray[np.intp]


def folds_by_user(user_hash: NDArray[np.uint64], folds: int) -> NDArray[np.int8]:
    """Return the fold of each row: int8 [n] in 0 .. folds - 1, the same for all rows of a user.

    Args:
        user_hash: uint64 [n], a hash of each row's user.
        folds: how many, from 2 to 127.

    Raises:
        InputError: `folds` out of range, or `user_hash` is not uint64 [n].
    """
    if not 2 <= folds <= 127:
        raise InputError(f"folds == {folds}, must be from 2 to 127")
    hashed = one_dimensional("user_hash", user_hash)
    if hashed.dtype != np.uint64:
        raise InputError(f"user_hash has dtype {hashed.dtype}, must be uint64")
    # the hash's own bits already chose the partition and the split, so they are mixed anew
    return (mixed(hashed) % np.uint64(folds)).astype(np.int8)


def cross_fit(
    fold: ArrayLike,
    fit_predict: Callable[[Rows, Rows], NDArray[Any]],
    offsets: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Predict each fold by a model fitted on the others (Chernozhukov et al. 2018, definition 3.1).

    Args:
        fold: integer [n], from `folds_by_user`.
        fit_predict: takes rows to fit on and rows to predict, both rising; returns predictions of the
            latter: [rows, ...], or [candidates of these rows, ...] with `offsets`.
        offsets: int64 [n + 1]; predictions are then one a candidate and not one a row.

    Returns:
        float64 [n, ...], or [m, ...] with `offsets`.

    Raises:
        InputError: fewer than two folds, or predictions of the wrong length.
    """
    part = one_dimensional("fold", fold)
    names = np.unique(part)
    if len(names) < 2:
        raise InputError(f"fold has {len(names)} distinct value, must have at least 2; use more users")
    units = part
    if offsets is not None:
        bounds = ragged(offsets, int(np.asarray(offsets)[-1]), len(part))
        units = np.repeat(part, np.diff(bounds))
    prediction: NDArray[np.float64] | None = None
    for name in names:
        wanted = units == name
        found = np.asarray(fit_predict(np.flatnonzero(part != name), np.flatnonzero(part == name)))
        if found.ndim == 0 or len(found) != np.count_nonzero(wanted):
            raise InputError(
                f"fit_predict returned shape {found.shape} for fold {name}, must have "
                f"{np.count_nonzero(wanted):,} rows"
            )
        if prediction is None:
            prediction = np.empty((len(units), *found.shape[1:]))
        prediction[wanted] = found
    assert prediction is not None  # there are at least two folds
    return prediction
