"""The shape of the weights' upper tail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import Floats, weights
from homing.schema.errors import InputError

_FEWEST: Final = 5  # a tail of fewer values has no shape (as in the reference implementation)
_PRIOR_POINTS: Final = 3  # prior of the scale: Zhang & Stephens 2009, section 3
_PRIOR_WEIGHT: Final = 10  # values that pull the shape towards 1/2: Vehtari et al. 2024, appendix C


def pareto_shape(excess: Floats) -> float:
    """Return the shape k of a generalised Pareto distribution (k > 0: a power tail; k < 0: bounded).

    Zhang & Stephens (2009), A new and efficient estimation method for the generalized Pareto distribution,
    equations 7 to 9, with the weak prior of Vehtari et al. (2024).

    Args:
        excess: float64 [tail] over the threshold, rising, >= 0.

    Returns:
        NaN with fewer than 5 values or when all are equal to the threshold.
    """
    size = len(excess)
    if size < _FEWEST or excess[-1] <= 0:
        return math.nan
    quartile = excess[math.floor(size / 4 + 0.5) - 1]
    if quartile <= 0:  # ties with the threshold: the first value above it stands in
        quartile = excess[np.searchsorted(excess, 0, side="right")]
    points = 30 + math.floor(math.sqrt(size))
    theta = 1 / excess[-1] + (1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))) / (
        _PRIOR_POINTS * quartile
    )
    shape = np.array([np.log1p(-point * excess).mean() for point in theta])
    profile = size * (np.log(-theta / shape) - shape - 1)
    posterior = np.exp(profile - profile.max())
    best = float(theta @ posterior / posterior.sum())
    fitted = float(np.log1p(-best * excess).mean())
    return (size * fitted + _PRIOR_WEIGHT * 0.5) / (size + _PRIOR_WEIGHT)


def pareto_threshold(rows: int) -> float:
    """Return the largest shape at which a mean over `rows` weights can be relied on.

    `min(1 - 1 / log10(rows), 0.7)`, Vehtari et al. (2024), section 3.2.4.
    """
    return min(1 - 1 / math.log10(rows), 0.7) if rows > 1 else -math.inf


def tail_size(rows: int) -> int:
    """Return how many of the largest weights are the tail: `min(rows / 5, 3 sqrt(rows))`.

    Vehtari et al. (2024), section 3.2.3.
    """
    return min(rows // 5, math.ceil(3 * math.sqrt(rows)))


def largest_values(values: Floats, count: int) -> Floats:
    """Return the `count` largest values, or all of fewer: float64, rising."""
    first = max(len(values) - count, 0)
    return np.sort(np.partition(values, first)[first:])


def tail_shape(top: Floats, rows: int) -> float:
    """Return `pareto_shape` of the tail of `rows` weights; NaN where they are equal or too few.

    Args:
        top: float64, the `tail_size(rows) + 1` largest of them or more, rising; of fewer, those are the tail.
        rows: how many weights there are.
    """
    size = min(tail_size(rows), len(top) - 1)
    return pareto_shape(top[len(top) - size :] - top[len(top) - size - 1]) if size else math.nan


@dataclass(frozen=True)
class WeightTail:
    """How heavy the weights' upper tail is."""

    quantiles: dict[float, float]  # level -> weight
    max_share: float  # of the total weight, in the one largest
    top_share: float  # of the total weight, in the largest 1 % of the decisions
    shape: float  # Pareto k of the tail; NaN where the largest weights are equal or too few

    @property
    def heavy(self) -> bool:
        """Whether the mean of the weights converges too slowly to be used."""
        return self.shape > self.threshold

    threshold: float  # shape above which that is so, for this many decisions


def weight_tail(weight: ArrayLike, levels: tuple[float, ...] = (0.5, 0.9, 0.99, 0.999, 1.0)) -> WeightTail:
    """Describe the upper tail of the weights.

    The shape is that of a generalised Pareto fitted to the min(n / 5, 3 sqrt(n)) largest weights: moments
    of order 1 / k and more do not exist (Vehtari, Simpson, Gelman, Yao & Gabry 2024, Pareto smoothed
    importance sampling, section 3).

    Args:
        weight: float [n], >= 0.
        levels: of the quantiles, in [0, 1]; each is the smallest weight with that share at or below it.

    Raises:
        InputError: empty, negative, not finite, or all zero.
    """
    checked = weights("weight", weight)
    total = float(checked.sum())
    if not total:
        raise InputError(
            "weight is 0 in every row, so it has no tail; the target has no overlap with the log"
        )
    rows = len(checked)
    places = [max(math.ceil(level * rows), 1) - 1 for level in levels]
    top = max(math.ceil(rows / 100), 1)
    ordered = np.partition(checked, sorted({*places, rows - top, rows - 1}))
    return WeightTail(
        quantiles={level: float(ordered[place]) for level, place in zip(levels, places, strict=True)},
        max_share=float(ordered[-1]) / total,
        top_share=float(ordered[rows - top :].sum()) / total,
        shape=tail_shape(largest_values(checked, tail_size(rows) + 1), rows),
        threshold=pareto_threshold(rows),
    )
