"""Passes over candidates, as the solver asks for them; here compiled for the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand, Uses
from homing.allocation.dual import Softmaxes, curvature, probabilities, softmaxes
from homing.allocation.screen import screened
from homing.allocation.sweep import ByLimit


class Covariance(Protocol):
    """The covariance of each user's use, summed over users; over t it is the dual's Hessian."""

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """Sum over candidates of p (1 - p) c^2, about the diagonal: float64 [limits]."""

    def product(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over users of Cov(c) step: float64 [limits]."""


class Passes(Protocol):
    """Users with their candidates, on some device. Numbers per limit come and go as NumPy arrays."""

    def __len__(self) -> int:
        """Return the number of users."""

    def size(self) -> float:
        """Return the mean of the values' absolutes, 0 where there is none."""

    def take(self, users: NDArray[np.int64]) -> Self:
        """Return some users, given in rising order."""

    def softmaxes(self, prices: NDArray[np.float64], temperature: float) -> Softmaxes:
        """Return sums over all users, as `homing.allocation.softmaxes`; the temperature is finite."""

    def screened(
        self,
        prices: NDArray[np.float64],
        margin: float,
        rise: NDArray[np.float64],
        fall: NDArray[np.float64],
    ) -> tuple[Self, NDArray[np.float64]]:
        """Return what may matter near the prices and the use of the rest, as `screen.screened`."""

    def covariance(self, prices: NDArray[np.float64], temperature: float) -> Covariance:
        """Return the covariance of use under the softmax at some prices."""

    def by_limit(self, some: NDArray[np.bool_]) -> ByLimit:
        """Return the candidates of some limits, bool [limits], in memory."""


@dataclass(frozen=True)
class Compiled:
    """Passes in compiled code over arrays in memory or in mapped files."""

    demand: Demand
    limits: int
    threads: int  # as `homing.allocation.softmaxes`

    def __len__(self) -> int:
        return len(self.demand)

    def size(self) -> float:
        """Return the mean of the values' absolutes."""
        return float(np.abs(self.demand.values).mean(dtype=np.float64)) if len(self.demand.values) else 0.0

    def take(self, users: NDArray[np.int64]) -> Self:
        """Return some users."""
        return type(self)(self.demand.take(users), self.limits, self.threads)

    def softmaxes(self, prices: NDArray[np.float64], temperature: float) -> Softmaxes:
        """Return sums over all users."""
        return softmaxes(self.demand, prices, temperature, self.threads)

    def screened(
        self,
        prices: NDArray[np.float64],
        margin: float,
        rise: NDArray[np.float64],
        fall: NDArray[np.float64],
    ) -> tuple[Self, NDArray[np.float64]]:
        """Return what may matter near the prices and the use of the rest."""
        near, elsewhere = screened(self.demand, prices, margin, rise, fall, self.threads)
        return type(self)(near, self.limits, self.threads), elsewhere

    def covariance(self, prices: NDArray[np.float64], temperature: float) -> CompiledCovariance:
        """Return the covariance of use under the softmax at some prices."""
        demand = self.demand.compact()
        chance = probabilities(demand, prices, temperature, self.threads)
        return CompiledCovariance(demand, chance, self.limits, self.threads)

    def by_limit(self, some: NDArray[np.bool_]) -> ByLimit:
        """Return the candidates of some limits."""
        return ByLimit.of(self.demand, some)


@dataclass(frozen=True)
class CompiledCovariance:
    """The covariance of use, in compiled code."""

    demand: Demand
    probability: NDArray[np.float64]  # [n]
    limits: int
    threads: int

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """About the diagonal."""
        spread = self.probability * (1 - self.probability)
        mass = np.bincount(self.demand.arm, spread, len(self.demand.uses)).astype(np.float64, copy=False)
        diagonal = _squared(self.demand.uses).totals(mass, self.limits)
        if self.demand.own is not None:
            diagonal = diagonal + _squared(self.demand.own).totals(spread, self.limits)
        return diagonal

    def product(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance times a step."""
        return curvature(self.demand, self.probability, step, self.threads)


def _squared(uses: Uses) -> Uses:
    return Uses(uses.offsets, uses.limit, uses.amount**2)
