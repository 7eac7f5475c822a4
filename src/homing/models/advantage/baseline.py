"""Outcomes by lag, predicted from the state: ridge regressions of which none saw the user it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from homing.models.inputs import ColumnReader, ColumnScale, measure_columns
from homing.schema import Features, FeatureSpec

_ROWS: Final = 20_000  # at a time, so that designs do not fill memory


@dataclass(frozen=True)
class Baseline:
    """Linear predictions of outcomes from a user's state.

    The design has a constant, scaled numeric columns and their squares, and one column a code.
    """

    scale: ColumnScale
    cardinalities: tuple[int, ...]
    coefficients: NDArray[np.float64]  # [columns, outcomes]

    def predict(self, features: Features) -> NDArray[np.float64]:
        """Return float64 [rows, outcomes]."""
        rows = len(features.user)
        result = np.empty((rows, self.coefficients.shape[1]))
        for low in range(0, rows, _ROWS):
            part = slice(low, low + _ROWS)
            result[part] = (
                _design(self.scale, self.cardinalities, features.user[part], features.user_codes[part])
                @ self.coefficients
            )
        return result


def fit_baselines(
    spec: FeatureSpec,
    user: NDArray[np.float32],
    codes: NDArray[np.int32],
    outcomes: NDArray[np.float32],
    fold: NDArray[np.int64],
    folds: int,
) -> tuple[NDArray[np.float64], Baseline]:
    """Return predictions of each row by the other folds, float64 [rows, outcomes], and a fit on all rows.

    Args:
        spec: of the features.
        user: float32 [rows, user columns].
        codes: int32 [rows, user code columns].
        outcomes: float32 [rows, outcomes]; NaN where not known yet. An outcome that no row knows is
            predicted as 0.
        fold: int64 [rows] in [0, folds), the same for all rows of a user.
        folds: how many.
    """
    scale, cardinalities = measure_columns(user), tuple(size for _, size in spec.user_codes)
    known = np.isfinite(outcomes)
    # outcomes that are known for the same rows share one Gram matrix
    patterns, pattern = np.unique(known, axis=0, return_inverse=True)
    columns = _design(scale, cardinalities, user[:1], codes[:1]).shape[1]
    grams = np.zeros((folds, len(patterns), columns, columns))
    sums = np.zeros((folds, columns, outcomes.shape[1]))
    for k in range(folds):
        for place in range(len(patterns)):
            rows = np.flatnonzero((fold == k) & (pattern == place))
            for low in range(0, len(rows), _ROWS):
                part = rows[low : low + _ROWS]
                design = _design(scale, cardinalities, user[part], codes[part])
                grams[k, place] += design.T @ design
                sums[k] += design.T @ np.where(known[part], outcomes[part], 0.0).astype(np.float32)

    def solve(of: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = np.zeros((columns, outcomes.shape[1]))
        for outcome in range(outcomes.shape[1]):
            gram = grams[of][:, patterns[:, outcome]].sum(axis=(0, 1))
            if gram[0, 0] > 0:  # the constant's: how many rows know it
                gram[np.diag_indices(columns)] += np.r_[0.0, np.full(columns - 1, float(columns))]
                found[:, outcome] = np.linalg.solve(gram, sums[of, :, outcome].sum(axis=0))
        return found

    predicted = np.empty(outcomes.shape)
    for k in range(folds):
        other = Baseline(scale, cardinalities, solve(np.arange(folds) != k))
        rows = np.flatnonzero(fold == k)
        for low in range(0, len(rows), _ROWS):
            part = rows[low : low + _ROWS]
            predicted[part] = _design(scale, cardinalities, user[part], codes[part]) @ other.coefficients
    return predicted, Baseline(scale, cardinalities, solve(np.ones(folds, np.bool_)))


def _design(
    scale: ColumnScale,
    cardinalities: tuple[int, ...],
    user: NDArray[np.float32],
    codes: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return float32 [rows, columns]."""
    reader = ColumnReader(scale, torch.device("cpu"))
    numeric = reader(torch.from_numpy(np.ascontiguousarray(user))).numpy()
    ones = np.ones((len(user), 1), np.float32)
    one_hot = [
        (codes[:, place, None] == np.arange(size)).astype(np.float32)
        for place, size in enumerate(cardinalities)
    ]
    plain = numeric[:, : len(scale.centre)]
    return np.concatenate([ones, numeric, plain * plain, *one_hot], axis=1)
