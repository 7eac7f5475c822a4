"""Importance weights made smaller: less variance, some bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import Floats, weights
from homing.schema.errors import InputError

Kind = Literal["clip", "switch", "optimistic", "subgaussian"]

#: Ends of the grid of optimistic shrinkage, in quantiles of w^2 and as factors of them (Su et al. 2020,
#: experiments); the same quantiles of w are the ends for thresholds.
_LOW_QUANTILE: Final = 0.05
_HIGH_QUANTILE: Final = 0.95
_BEYOND: Final = 100.0
_SMALLEST: Final = 1e-4  # sub-Gaussian mix, and low end as a share of the high one


@dataclass(frozen=True)
class Shrinkage:
    """How weights are shrunk, and how far.

    With parameter c and weight w:

    - clip: `min(w, c)`, c >= 0 (Ionides 2008, Truncated importance sampling).
    - switch: `w 1{w <= c}`, c >= 0 (Wang, Agarwal & Dudik 2017, Optimal and adaptive off-policy evaluation in
      contextual bandits).
    - optimistic: `c w / (w^2 + c)`, c >= 0 (Su, Dimakopoulou, Krishnamurthy & Dudik 2020, Doubly robust
      off-policy evaluation with shrinkage).
    - subgaussian: `w / (1 - c + c w)`, c in [0, 1] (Metelli, Russo & Restelli 2021, Subgaussian and
      differentiable importance sampling for off-policy evaluation and learning, with exponent -1).

    The first three leave weights alone at c = infinity, the last at c = 0.

    Raises:
        InputError: an unknown kind, or a parameter out of its range.
    """

    kind: Kind
    parameter: float

    def __post_init__(self) -> None:
        _check(self.kind)
        highest = 1.0 if self.kind == "subgaussian" else math.inf
        if not 0 <= self.parameter <= highest:
            raise InputError(
                f"parameter == {self.parameter} of {self.kind} shrinkage, must be from 0 to {highest:g}"
            )

    def __str__(self) -> str:
        return f"{self.kind} {self.parameter:g}"


def shrink(weight: ArrayLike, shrinkage: Shrinkage) -> Floats:
    """Return shrunk weights: float64 [n], each from 0 to the weight itself, or to 1 for small ones.

    Only sub-Gaussian shrinkage raises weights, those under 1; a weight of 0 stays 0.

    Args:
        weight: float [n], >= 0, from `importance_weights`.
        shrinkage: kind and parameter.

    Raises:
        InputError: empty, negative or not finite.
    """
    w = weights("weight", weight)
    c = shrinkage.parameter
    if shrinkage.kind == "clip":
        return np.minimum(w, c)
    if shrinkage.kind == "switch":
        return np.where(w <= c, w, 0.0)
    if shrinkage.kind == "optimistic":
        return w if math.isinf(c) else _quotient(c * w, w * w + c)
    return _quotient(w, 1 - c + c * w)


def shrinkage_grid(weight: ArrayLike, kind: Kind, size: int = 30) -> tuple[Shrinkage, ...]:
    """Return a geometric grid of shrinkages to choose from, the one that shrinks least first.

    Thresholds of clip and switch run from the 5 % quantile of the positive weights to the largest weight,
    optimistic ones over the squares of the 5 % and 95 % quantiles with two decades on either side
    (Su et al. 2020, experiments), sub-Gaussian mixes from 1e-4 to 1. A low quantile under 1e-4 of the high
    one is raised to that: a target close to greedy has weights of nearly 0.

    Args:
        weight: float [n], >= 0, not all 0.
        kind: of the shrinkages.
        size: how many, >= 2.

    Raises:
        InputError: an unknown kind, weights empty, negative, not finite or all 0, or a size under 2.
    """
    _check(kind)
    w = weights("weight", weight)
    if size < 2:
        raise InputError(f"size == {size}, must be >= 2")
    positive = w[w > 0]
    if not len(positive):
        raise InputError("weight is 0 in every row; without overlap there is nothing to shrink")
    low, high = (float(v) for v in np.quantile(positive, [_LOW_QUANTILE, _HIGH_QUANTILE]))
    low = max(low, high * _SMALLEST)
    ends = {
        "clip": (float(positive.max()), low),
        "switch": (float(positive.max()), low),
        "optimistic": (_BEYOND * high**2, low**2 / _BEYOND),
        "subgaussian": (_SMALLEST, 1.0),
    }[kind]
    # rounding must not carry a threshold below the weights that it is meant to keep
    grid = np.clip(np.geomspace(*ends, size), min(ends), max(ends))
    return tuple(Shrinkage(kind, float(c)) for c in grid)


def _check(kind: str) -> None:
    if kind not in get_args(Kind):
        raise InputError(f"kind == {kind!r}, must be one of {', '.join(get_args(Kind))}")


def _quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Return the quotient, 0 where the numerator is: a weight of 0 stays 0 whatever the parameter."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=numerator > 0)
