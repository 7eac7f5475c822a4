"""Are predictions right on average, and do they order outcomes well?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters, cluster, sums_by
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, finite, shares
from homing.schema.errors import InputError

#: Probabilities of 0 and 1 are moved inside by this, as one wrong one would cost infinitely much.
_CLIP: Final = 1e-12


@dataclass(frozen=True)
class CalibrationCurve:
    """Mean prediction against mean outcome, by bins of about equal size, rising in the prediction."""

    prediction: Floats  # [bins] mean
    outcome: Floats  # [bins] mean
    low: Floats  # [bins] of the interval of `outcome`, cluster-robust by user
    high: Floats  # [bins]
    rows: NDArray[np.int64]  # [bins]


def calibration_curve(
    prediction: ArrayLike,
    outcome: ArrayLike,
    bins: int = 10,
    user: ArrayLike | Clusters | None = None,
    *,
    confidence: float = 0.95,
) -> CalibrationCurve:
    """Return mean outcome against mean prediction by quantile of the prediction.

    Equal predictions share a bin, so there may be fewer bins than asked. Intervals are Wilson's for outcomes
    of 0 and 1, at the sample size that the clusters leave (Korn & Graubard 1998), and normal otherwise.

    Args:
        prediction: float [n], in units of the outcome.
        outcome: float [n].
        bins: at most this many, >= 1.
        user: [n] cluster ids, or None.
        confidence: of the intervals.

    Raises:
        InputError: empty, lengths differ, values not finite, or `bins` under 1.
    """
    predicted, real = _pair(prediction, outcome)
    groups = cluster(user, len(real))
    code, size = _quantile_bins(predicted, bins)
    binary = bool(((real == 0) | (real == 1)).all())
    rows = np.bincount(code, minlength=size)
    low, high = np.empty(size), np.empty(size)
    for place in range(size):
        inside = code == place
        mean = estimate_from(
            "mean",
            [Ratio(groups.sums(np.where(inside, real, 0.0)), groups.sums(inside.astype(np.float64)))],
            groups,
            confidence=confidence,
        )
        low[place], high[place] = _wilson(mean, int(rows[place])) if binary else (mean.low, mean.high)
    return CalibrationCurve(
        prediction=sums_by(code, predicted, size) / rows,
        outcome=sums_by(code, real, size) / rows,
        low=low,
        high=high,
        rows=rows,
    )


def expected_calibration_error(prediction: ArrayLike, outcome: ArrayLike, bins: int = 10) -> float:
    """Return the mean absolute gap between prediction and outcome over quantile bins, weighted by rows.

    Naeini, Cooper & Hauskrecht (2015), with bins of equal size. It is biased upwards: a perfect model has
    about the sampling noise of a bin, not 0.

    Args:
        prediction: float [n], in units of the outcome.
        outcome: float [n].
        bins: at most this many, >= 1.

    Raises:
        InputError: as `calibration_curve`.
    """
    predicted, real = _pair(prediction, outcome)
    code, size = _quantile_bins(predicted, bins)
    return float(np.abs(sums_by(code, predicted - real, size)).sum() / len(real))


def log_loss(prediction: ArrayLike, outcome: ArrayLike) -> float:
    """Return `-mean(y log q + (1 - y) log(1 - q))` in nats.

    Args:
        prediction: float [n], probabilities.
        outcome: float [n] in [0, 1].

    Raises:
        InputError: empty, lengths differ, or values outside [0, 1].
    """
    real = shares("outcome", outcome)
    predicted = np.clip(shares("prediction", prediction, len(real)), _CLIP, 1 - _CLIP)
    return float(-(real * np.log(predicted) + (1 - real) * np.log1p(-predicted)).mean())


def brier(prediction: ArrayLike, outcome: ArrayLike) -> float:
    """Return `mean((q - y)^2)` (Brier 1950); the mean squared error for outcomes that are not 0 or 1.

    Args:
        prediction: float [n], in units of the outcome.
        outcome: float [n].

    Raises:
        InputError: empty, lengths differ, or values that are not finite.
    """
    predicted, real = _pair(prediction, outcome)
    return float(np.square(predicted - real).mean())


def skill(prediction: ArrayLike, outcome: ArrayLike) -> float:
    """Return `1 - sum((q - y)^2) / sum((y - mean y)^2)`: the share of the variance that is predicted.

    Args:
        prediction: float [n], in units of the outcome.
        outcome: float [n].

    Returns:
        1 for perfect predictions, 0 for the mean, negative for worse; NaN where all outcomes are equal.

    Raises:
        InputError: empty, lengths differ, or values that are not finite.
    """
    predicted, real = _pair(prediction, outcome)
    spread = float(np.square(real - real.mean()).sum())
    return 1 - float(np.square(predicted - real).sum()) / spread if spread else math.nan


def auc(prediction: ArrayLike, outcome: ArrayLike) -> float:
    """Return the probability that a row with outcome 1 is ranked over one with 0, ties counting half.

    Mann & Whitney (1947), by mean ranks.

    Args:
        prediction: float [n], any score.
        outcome: [n] of 0 and 1.

    Returns:
        NaN where all outcomes are equal.

    Raises:
        InputError: empty, lengths differ, values not finite, or outcomes other than 0 and 1.
    """
    predicted, real = _pair(prediction, outcome)
    if not ((real == 0) | (real == 1)).all():
        raise InputError("outcome has values other than 0 and 1; auc is for outcomes that happen or do not")
    _, code, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    positive = float(real.sum())
    negative = len(real) - positive
    if not positive or not negative:
        return math.nan
    ranks = float(mean_rank[code] @ real)
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)


def _pair(prediction: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    real = finite("outcome", outcome)
    return finite("prediction", prediction, len(real)), real


def _quantile_bins(values: Floats, bins: int) -> tuple[NDArray[np.intp], int]:
    """Return the bin of each row, and how many bins there are; none is empty."""
    if bins < 1:
        raise InputError(f"bins == {bins}, must be >= 1")
    edges = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    used, code = np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)
    return code.astype(np.intp, copy=False), len(used)


def _wilson(mean: Estimate, rows: int) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + mean.confidence / 2)
    p = mean.value
    plain = p * (1 - p) / rows
    inflation = max(mean.std_error**2 / plain, 1.0) if plain > 0 and not math.isnan(mean.std_error) else 1.0
    size = rows / inflation
    centre = (p + z * z / (2 * size)) / (1 + z * z / size)
    reach = z / (1 + z * z / size) * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    return max(centre - reach, 0.0), min(centre + reach, 1.0)
