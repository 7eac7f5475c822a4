"""A convex quadratic within a box, by conjugate gradients on the coordinates that are free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROUNDS: Final = 30


def minimise_quadratic(
    product: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    diagonal: NDArray[np.float64],
    gradient: NDArray[np.float64],
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    tolerance: float,
    most: int,
) -> NDArray[np.float64]:
    """Return a step d that about minimises gradient . d + d . H d / 2 in a box.

    Conjugate gradients run on the free coordinates in Jacobi's scaling; where they leave the box the
    step is projected, and they start again with what is then free (projected conjugate gradients:
    Nocedal and Wright, Numerical Optimization, 2006, section 16.7).

    Args:
        product: H times a vector, H positive semidefinite.
        diagonal: float64 [n] about that of H, > 0; the scaling.
        gradient: float64 [n].
        lowest: float64 [n] of the step, <= 0.
        highest: float64 [n] of the step, >= 0.
        tolerance: stop where the free gradient is so small, relative to the first.
        most: products at most.
    """
    scale = 1 / np.sqrt(diagonal)
    low, high = lowest / scale, highest / scale

    def scaled(d: NDArray[np.float64]) -> NDArray[np.float64]:
        return scale * product(scale * d)

    start = scale * gradient
    d, slope = np.zeros(len(gradient)), start
    used, goal = 0, 0.0
    for _ in range(_ROUNDS):
        free = ((d > low) | (slope < 0)) & ((d < high) | (slope > 0))
        residual = np.where(free, -slope, 0.0)
        square = float(residual @ residual)
        goal = goal or tolerance**2 * square
        if square <= goal or used >= most:
            break
        way = residual
        while square > goal and used < most:
            bent = scaled(way)
            used += 1
            curve = way @ bent
            if curve <= 0:
                return scale * d
            length = float(square / curve)
            ahead = d + length * way
            if ((ahead < low) | (ahead > high)).any():
                d = _past_the_edge(d, way, length, low, high, slope, scaled)
                slope = start + scaled(d)
                used += 2
                break
            d = ahead
            slope = slope + length * bent
            residual = np.where(free, -slope, 0.0)
            square, before = float(residual @ residual), square
            way = residual + square / before * way
    return scale * d


def _past_the_edge(
    d: NDArray[np.float64],
    way: NDArray[np.float64],
    length: float,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    slope: NDArray[np.float64],
    scaled: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return the projected step if the quadratic falls along it, else the step up to the first edge."""
    projected = np.clip(d + length * way, low, high)
    move = projected - d
    if slope @ move + move @ scaled(move) / 2 < 0:
        return projected
    moving = way != 0
    room = np.where(way < 0, low - d, high - d)[moving] / way[moving]
    return np.clip(d + min(float(room.min()), length) * way, low, high)
