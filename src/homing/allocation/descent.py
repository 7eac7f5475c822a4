"""The dual's minimum by Newton steps with a smoothed Hessian of a sample, damped where they overshoot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand, Uses
from homing.allocation.dual import Softmaxes, curvature, probabilities, softmaxes
from homing.allocation.quadratic import minimise_quadratic
from homing.allocation.screen import screened
from homing.allocation.sides import Sides

#: Users whose uses' covariance is measured.
_MODEL_USERS: Final = 40_000
#: Where steps overshoot the Hessian is taken at a higher temperature: at a low one it is the few users near
#: a tie, of which a sample has too few, while over a longer step the dual bends like the smoothed one.
_SMOOTHING: Final = 3.0
_MARGIN: Final = 12.0  # in temperatures; exp(-12) is far below what a Hessian has to know
_PRODUCTS: Final = 60
_ACCURACY: Final = 0.02


@dataclass(frozen=True)
class Damping:
    """What is learned of how far the quadratic model can be trusted."""

    size: float = 0.1  # of the diagonal's largest values, added to the Hessian
    smoothing: float = 1.0  # of the Hessian's temperature
    diagonal: NDArray[np.float64] | None = None  # largest seen of each side, a user (More's scaling)


@dataclass(frozen=True)
class Model:
    """The Hessian of the dual, from some users."""

    sides: Sides
    demand: Demand
    probability: NDArray[np.float64]
    factor: float
    diagonal: NDArray[np.float64]
    threads: int

    def product(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Hessian times a step over sides."""
        bent = curvature(self.demand, self.probability, self.sides.prices(step), self.threads)
        return self.factor * self.sides.along(bent)


@dataclass(frozen=True)
class Tolerance:
    """When prices are good enough."""

    gap: float  # entropic gap over the dual's size
    over: NDArray[np.float64]  # [sides] of each bound, in its unit

    def met(
        self, sides: Sides, x: NDArray[np.float64], point: Softmaxes, stuck: NDArray[np.bool_] | None = None
    ) -> bool:
        """Whether no bound is broken by more, and what is unused at a price is worth no more.

        Sides that are stuck do not count.
        """
        slack = sides.slack(point)
        if stuck is not None:
            slack = np.where(stuck, 0.0, slack)
        unused = float(x @ np.abs(slack))
        return bool((slack >= -self.over).all()) and unused <= self.gap * abs(sides.dual(x, point))


def descend(
    demand: Demand,
    sides: Sides,
    x: NDArray[np.float64],
    temperature: float,
    tolerance: Tolerance,
    damping: Damping,
    steps: int,
    reach: NDArray[np.float64],
    threads: int,
) -> tuple[NDArray[np.float64], Damping]:
    """Return multipliers nearer to the dual's minimum, and what was learned of the damping.

    A step minimises a quadratic model over x >= 0 with the Levenberg-Marquardt damping of More (1978,
    The Levenberg-Marquardt algorithm: implementation and theory), and is taken if the dual falls.

    Args:
        demand: users with their candidates.
        sides: the bounds.
        x: float64 [sides] >= 0, where to start.
        temperature: in utility.
        tolerance: when to stop.
        damping: how far to trust the model at first.
        steps: at most so many.
        reach: float64 [sides] how far each multiplier may move, inf where it may move anywhere.
        threads: as `softmaxes`.
    """
    users = max(len(demand), 1)
    sample = demand if users <= _MODEL_USERS else demand.take(np.arange(0, users, -(-users // _MODEL_USERS)))
    point = softmaxes(demand, sides.prices(x), temperature, threads)
    lowest, highest = np.maximum(x - reach, 0.0), x + reach
    model = None
    for _ in range(steps):
        if tolerance.met(sides, x, point, (x >= highest) | ((x <= lowest) & (lowest > 0))):
            break
        if model is None:
            heat = temperature * damping.smoothing
            model = _model(sample, sides, x, heat, users / len(sample), threads)
            known = np.zeros(len(x)) if damping.diagonal is None else damping.diagonal
            damping = replace(damping, diagonal=np.maximum(known, model.diagonal / users))
        ahead, fall = _step(model, sides.slack(point), x, damping, users, lowest, highest)
        there = softmaxes(demand, sides.prices(ahead), temperature, threads)
        actual = sides.dual(ahead, there) - sides.dual(x, point)
        trust = actual / fall if fall < 0 else 0.0
        damping = _learn(damping, trust)
        if trust > 1e-3:
            x, point, model = ahead, there, None
        elif fall == 0:
            break
    return x, damping


def _model(
    sample: Demand, sides: Sides, x: NDArray[np.float64], heat: float, factor: float, threads: int
) -> Model:
    prices = sides.prices(x)
    near, _ = screened(sample, prices, _MARGIN * heat, threads)
    chance = probabilities(near, prices, heat, threads)
    spread = chance * (1 - chance)
    mass = np.bincount(near.arm, spread, len(near.uses)).astype(np.float64, copy=False)
    diagonal = _squared(near.uses).totals(mass, sides.limits)
    if near.own is not None:
        diagonal = diagonal + _squared(near.own).totals(spread, sides.limits)
    factor /= heat
    return Model(sides, near, chance, factor, factor * diagonal[sides.limit], threads)


def _squared(uses: Uses) -> Uses:
    return Uses(uses.offsets, uses.limit, uses.amount**2)


def _step(
    model: Model,
    slack: NDArray[np.float64],
    x: NDArray[np.float64],
    damping: Damping,
    users: int,
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the point that a step leads to, and how far the dual would fall if the model were right."""
    assert damping.diagonal is not None
    largest = damping.diagonal.max(initial=0.0) or 1.0
    ridge = 1e-6 * model.diagonal + damping.size * users * np.maximum(damping.diagonal, 1e-6 * largest)

    def product(step: NDArray[np.float64]) -> NDArray[np.float64]:
        return model.product(step) + ridge * step

    step = minimise_quadratic(product, model.diagonal + ridge, slack, x, _ACCURACY, _PRODUCTS)
    ahead = np.clip(x + step, lowest, highest)
    step = ahead - x
    return ahead, float(slack @ step + step @ product(step) / 2)


def _learn(damping: Damping, trust: float) -> Damping:
    """Return the damping after a step whose fall was `trust` times what the model said."""
    if trust > 0.75:
        return replace(damping, size=max(damping.size / 5, 1e-5), smoothing=max(damping.smoothing / 1.1, 1.0))
    if trust < 0.25:
        smoothing = _SMOOTHING if trust < 0 else damping.smoothing
        return replace(damping, size=min(damping.size * 4, 1e6), smoothing=smoothing)
    return damping
