"""Prices with what proves them good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Bounds
from homing.allocation.dual import Softmaxes


@dataclass(frozen=True)
class Certificate:
    """How good an allocation is, measured by itself: no other allocation within the bounds is worth more.

    The bound is that of the linear program's dual at the same prices, so it holds whatever the temperature.
    Values are those of the softmax without its uniform floor.
    """

    value: float  # expected, in utility
    bound: float  # on the value of any allocation that keeps the bounds
    entropy: float  # temperature times entropy, which the regularised objective adds to the value
    totals: NDArray[np.float64]  # [limits] expected use, the floor's part included
    over: NDArray[np.float64]  # [limits] use above most or below least, in the limit's unit
    violation: float  # largest `over`, relative to the bound that it breaks
    gap: float  # (bound - value, less what `over` is worth at its price) / |bound|
    passes: int  # over all candidates
    seconds: float  # on the wall


@dataclass(frozen=True)
class Solution:
    """Prices of limits, for the softmax at a temperature and a floor."""

    prices: NDArray[np.float64]  # [limits] utility per unit of use; negative where use is subsidised
    temperature: float  # in utility
    floor: float
    met: bool  # within the tolerance: every bound, the objective, and the gap of a linear program
    certificate: Certificate


def certify(
    point: Softmaxes,
    uniform: NDArray[np.float64],
    bounds: Bounds,
    inner: Bounds,
    prices: NDArray[np.float64],
    floor: float,
    passes: int,
    seconds: float,
) -> Certificate:
    """Return the certificate of a softmax.

    Args:
        point: sums over all users.
        uniform: float64 [limits] use of the uniform policy.
        bounds: of all use.
        inner: of the softmax's own use, beside the floor's.
        prices: float64 [limits].
        floor: share that is uniform.
        passes: that it took.
        seconds: that it took.
    """
    paid = np.where(prices > 0, inner.most, inner.least)
    free = prices == 0
    bound = point.best + float(prices[~free] @ paid[~free])
    totals = (1 - floor) * point.totals + floor * uniform
    above, below = np.maximum(totals - bounds.most, 0), np.maximum(bounds.least - totals, 0)
    over = above + below
    broken = np.where(above > 0, bounds.most, bounds.least)
    relative = over[over > 0] / np.maximum(np.abs(broken[over > 0]), 1.0)
    missing = bound - point.value + float(np.abs(prices) @ over)
    return Certificate(
        value=point.value,
        bound=bound,
        entropy=point.smooth - point.value + float(prices @ point.totals),
        totals=totals,
        over=over,
        violation=float(relative.max(initial=0.0)),
        gap=missing / abs(bound) if bound else float(missing > 0),
        passes=passes,
        seconds=seconds,
    )
