"""Bounds as one-sided constraints: a multiplier >= 0 for each finite bound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Bounds
from homing.allocation.dual import Softmaxes

_TINY: Final = 1e-30


@dataclass(frozen=True)
class Sides:
    """The finite bounds: first those of most, then those of least.

    A limit's price is the multiplier of its most minus that of its least, so use that is wanted is
    subsidised.
    """

    limits: int
    limit: NDArray[np.int64]  # [sides]
    sign: NDArray[np.float64]  # [sides] 1: at most, -1: at least
    bound: NDArray[np.float64]  # [sides]
    cap: NDArray[np.float64]  # [sides] largest multiplier
    largest: NDArray[
        np.float64
    ]  # [sides] use of the limit by one candidate, at most; 0 where nothing uses it

    @classmethod
    def of(cls, bounds: Bounds, cap: NDArray[np.float64], largest: NDArray[np.float64]) -> Self:
        """Return the finite bounds, with each limit's largest price and largest use, float64 [limits]."""
        above, below = np.flatnonzero(bounds.most < np.inf), np.flatnonzero(bounds.least > -np.inf)
        return cls(
            limits=len(bounds),
            limit=np.concatenate([above, below]),
            sign=np.concatenate([np.ones(len(above)), -np.ones(len(below))]),
            bound=np.concatenate([bounds.most[above], bounds.least[below]]),
            cap=np.concatenate([cap[above], cap[below]]),
            largest=np.concatenate([largest[above], largest[below]]),
        )

    def __len__(self) -> int:
        return len(self.limit)

    @property
    def units(self) -> NDArray[np.float64]:
        """How many of the largest uses make up each bound: float64 [sides]."""
        return np.abs(self.bound) / np.maximum(self.largest, _TINY)

    def scaled(self, factor: float) -> Self:
        """Return the bounds of a part of the users."""
        return replace(self, bound=self.bound * factor)

    def beside(self, totals: NDArray[np.float64]) -> Self:
        """Return the bounds of what is left beside some use, float64 [limits]."""
        return replace(self, bound=self.bound - totals[self.limit])

    def prices(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the price of each limit from multipliers: float64 [limits]."""
        return np.bincount(self.limit, self.sign * x, self.limits).astype(np.float64, copy=False)

    def at_most(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the larger of each limit's sides: float64 [limits], 0 where it has none."""
        result = np.zeros(self.limits)
        np.maximum.at(result, self.limit, x)
        return result

    def price_moves(
        self, rise: NDArray[np.float64], fall: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far prices rise and fall when multipliers do by so much, float64 [limits] each."""
        up = self.sign > 0
        return self.at_most(np.where(up, rise, fall)), self.at_most(np.where(up, fall, rise))

    def multipliers(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return multipliers that give the prices, as far as the bounds allow: float64 [sides]."""
        return np.clip(self.sign * prices[self.limit], 0, self.cap)

    def along(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a number per limit as one per side, with the side's sign."""
        return self.sign * totals[self.limit]

    def dual(self, x: NDArray[np.float64], point: Softmaxes) -> float:
        """Return the dual's value."""
        return point.smooth + float(self.sign * self.bound @ x)

    def slack(self, point: Softmaxes) -> NDArray[np.float64]:
        """Return what is left of each bound, negative where it is broken; the dual's gradient."""
        return self.sign * self.bound - self.along(point.totals)
