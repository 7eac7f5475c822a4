"""Regressors for fitted Q evaluation: functions that fit, and return functions that predict.

Any other regressor is passed the same way, such as `lambda x, y, w: model.fit(x, y, w).predict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.evaluation.clusters import sums_by
from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError

Predict = Callable[[NDArray[Any]], Floats]
#: Takes features [rows, ...], target float64 [rows] and weight float64 [rows].
Fit = Callable[[NDArray[Any], Floats, Floats], Predict]


def ridge(penalty: float = 0.0) -> Fit:
    """Return least squares with `penalty |theta|^2`, for features float [rows, d]; add a column of ones.

    Where features are collinear and nothing is penalised, the shortest theta is taken.

    Raises:
        InputError: `penalty` is negative.
    """
    if not penalty >= 0:
        raise InputError(f"penalty == {penalty}, must be >= 0")

    def fit(features: NDArray[Any], target: Floats, weight: Floats) -> Predict:
        x = np.asarray(features, np.float64)
        moved = x.T * weight
        theta = np.linalg.lstsq(moved @ x + penalty * np.eye(x.shape[1]), moved @ target, rcond=None)[0]
        return lambda rows: np.asarray(rows, np.float64) @ theta

    return fit


def tabular(cells: int) -> Fit:
    """Return means by cell, for features integer [rows] in 0 .. cells - 1; NaN in cells without weight.

    Raises:
        InputError: `cells` under 1; when fitting, a cell out of range.
    """
    if cells < 1:
        raise InputError(f"cells == {cells}, must be >= 1")

    def fit(features: NDArray[Any], target: Floats, weight: Floats) -> Predict:
        if features.dtype.kind not in "iu" or features.min() < 0 or features.max() >= cells:
            raise InputError(f"features must be integers from 0 to {cells - 1:,}, the cells of `tabular`")
        total = sums_by(features, weight, cells)
        mean = np.full(cells, np.nan)
        np.divide(sums_by(features, weight * target, cells), total, out=mean, where=total > 0)
        return lambda rows: mean[rows]

    return fit
