"""The dual's minimum by Newton steps with a smoothed Hessian of a sample, damped where they overshoot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from homing.allocation.dual import Softmaxes
from homing.allocation.passes import Covariance, Passes
from homing.allocation.quadratic import minimise_quadratic
from homing.allocation.sides import Sides
from homing.allocation.sweep import ByLimit

#: Users whose uses' covariance is measured.
_MODEL_USERS: Final = 40_000
#: Where steps overshoot the Hessian is taken at a higher temperature: at a low one it is the few users near
#: a tie, of which a sample has too few, while over a longer step the dual bends like the smoothed one.
_SMOOTHING: Final = 3.0
_FRESH: Final = 0.03
_MARGIN: Final = 12.0  # in temperatures; exp(-12) is far below what a Hessian has to know
_PRODUCTS: Final = 60
_ACCURACY: Final = 0.02
_TRUSTED: Final = 1e-3
#: Limits of fewer units in the sample of the model have few users near a tie there, or none.
_FEW: Final = 30
_SWEEPS: Final = 8  # where limits hold each other, one after the other creeps
_ENOUGH: Final = 0.1  # of what a tolerance leaves to a side
_TINY: Final = 1e-300

#: Least and largest multipliers, float64 [sides] each.
Box: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Damping:
    """What is learned of how far the quadratic model can be trusted."""

    size: NDArray[np.float64]  # [sides] of the diagonal's largest values, added to the Hessian
    diagonal: NDArray[np.float64]  # [sides] largest seen, a user (More's scaling)
    smoothing: float = 1.0  # of the Hessian's temperature

    @classmethod
    def at_first(cls, sides: int) -> Self:
        """Return the damping where nothing is known."""
        return cls(np.full(sides, _FRESH), np.zeros(sides))

    def renewed(self) -> Self:
        """Return the damping for another temperature."""
        return replace(self, size=np.maximum(self.size, _FRESH), smoothing=1.0)


@dataclass(frozen=True)
class Model:
    """The Hessian of the dual, from some users."""

    sides: Sides
    covariance: Covariance
    factor: float
    diagonal: NDArray[np.float64]

    def product(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Hessian times a step over sides."""
        return self.factor * self.sides.along(self.covariance.product(self.sides.prices(step)))


@dataclass(frozen=True)
class Tolerance:
    """When prices are good enough."""

    gap: float  # entropic gap over the dual's size
    over: NDArray[np.float64]  # [sides] of each bound, in its unit

    def met(self, sides: Sides, x: NDArray[np.float64], point: Softmaxes, box: Box | None = None) -> bool:
        """Whether no bound is broken by more, and what is unused at a price is worth no more.

        Sides that press against the box of their multipliers, by default from 0 to the cap, do not count.
        """
        slack = _free_slack(sides, x, point, box or (np.zeros(len(x)), sides.cap))
        unused = float(x @ np.abs(slack))
        return bool((slack >= -self.over).all()) and unused <= self.gap * abs(sides.dual(x, point))

    def unmet(self, sides: Sides, x: NDArray[np.float64], point: Softmaxes, box: Box) -> NDArray[np.bool_]:
        """Return the sides that hold `met` up, bool [sides]: each may leave its share of what is unused."""
        slack = _free_slack(sides, x, point, box)
        return (slack < -self.over) | (x * np.abs(slack) > self._share(sides, x, point))

    def enough(self, sides: Sides, x: NDArray[np.float64], point: Softmaxes) -> NDArray[np.float64]:
        """Return a slack of each side that is far from holding `met` up: float64 [sides]."""
        unpriced = self._share(sides, x, point) / np.maximum(x, _TINY)
        return _ENOUGH * np.minimum(self.over, unpriced)

    def _share(self, sides: Sides, x: NDArray[np.float64], point: Softmaxes) -> float:
        return self.gap * abs(sides.dual(x, point)) / max(len(x), 1)


def _free_slack(sides: Sides, x: NDArray[np.float64], point: Softmaxes, box: Box) -> NDArray[np.float64]:
    """Return what is left of each bound, 0 where a multiplier presses against its box."""
    slack = sides.slack(point)
    slack[((x >= box[1]) & (slack < 0)) | ((x <= box[0]) & (slack > 0))] = 0.0
    return slack


def descend(
    everyone: Passes,
    sides: Sides,
    x: NDArray[np.float64],
    temperature: float,
    tolerance: Tolerance,
    damping: Damping,
    steps: int,
    box: Box,
) -> tuple[NDArray[np.float64], Damping]:
    """Return multipliers nearer to the dual's minimum, and what was learned of the damping.

    Before each step limits of few units go to the roots of their own use. A step minimises a quadratic model
    within the box, with the Levenberg-Marquardt damping of More (1978, The Levenberg-Marquardt algorithm:
    implementation and theory), and is taken if the dual falls.

    Args:
        everyone: users with their candidates.
        sides: the bounds.
        x: float64 [sides] in the box, where to start.
        temperature: in utility.
        tolerance: when to stop.
        damping: how far to trust the model at first.
        steps: at most so many.
        box: where multipliers may go.
    """
    users = max(len(everyone), 1)
    sample = everyone
    if users > _MODEL_USERS:
        sample = everyone.take(np.arange(0, users, -(-users // _MODEL_USERS)))
    factor = users / max(len(sample), 1)
    few = _Few(everyone, sides, temperature, tolerance, box, sides.units < _FEW * factor)
    point = everyone.softmaxes(sides.prices(x), temperature)
    model = None
    for number in range(steps):
        if tolerance.met(sides, x, point, box):
            break
        moved = few.moved(x, point) if number < _SWEEPS else x
        if moved is not x:
            x, model = moved, None
            point = everyone.softmaxes(sides.prices(x), temperature)
            if tolerance.met(sides, x, point, box):
                break
        if model is None:
            model = _model(sample, sides, x, temperature * damping.smoothing, factor)
            damping = replace(damping, diagonal=np.maximum(damping.diagonal, model.diagonal / users))
        slack = sides.slack(point)
        ahead, bend = _step(model, slack, x, damping, users, box)
        there = everyone.softmaxes(sides.prices(ahead), temperature)
        step = ahead - x
        fall = float(slack @ step + step @ bend / 2)
        if fall >= 0:
            break
        trust = (sides.dual(ahead, there) - sides.dual(x, point)) / fall
        damping = _learn(damping, trust, bend, sides.slack(there) - slack)
        if trust > _TRUSTED:
            x, point, model = ahead, there, None
    return x, damping


@dataclass(frozen=True)
class _Few:
    """Limits of few units, and how they are moved."""

    everyone: Passes
    sides: Sides
    temperature: float
    tolerance: Tolerance
    box: Box
    which: NDArray[np.bool_]  # [sides]

    @cached_property
    def _by_limit(self) -> ByLimit:
        return self.everyone.by_limit(self.sides.at_most(self.which.astype(np.float64)) > 0)

    def moved(self, x: NDArray[np.float64], point: Softmaxes) -> NDArray[np.float64]:
        """Return multipliers of which those that hold the tolerance up moved.

        Where there is none, or others hold it up more, x itself is returned: it is a step's turn.
        """
        sides = self.sides
        unmet = self.tolerance.unmet(sides, x, point, self.box)
        chosen = np.flatnonzero(self.which & unmet)
        if 2 * len(chosen) <= unmet.sum():
            return x
        enough = self.tolerance.enough(sides, x, point)
        return self._by_limit.swept(sides, x, self.temperature, chosen, self.box, enough)


def _model(sample: Passes, sides: Sides, x: NDArray[np.float64], heat: float, factor: float) -> Model:
    prices = sides.prices(x)
    still = np.zeros(len(prices))
    near, _ = sample.screened(prices, _MARGIN / 2 * heat, still, still)
    covariance = near.covariance(prices, heat)
    factor /= heat
    return Model(sides, covariance, factor, factor * covariance.diagonal[sides.limit])


def _step(
    model: Model,
    slack: NDArray[np.float64],
    x: NDArray[np.float64],
    damping: Damping,
    users: int,
    box: Box,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the point that a step leads to, and how the model's slacks change on the way."""
    largest = damping.diagonal.max(initial=0.0) or 1.0
    ridge = 1e-6 * model.diagonal + users * damping.size * np.maximum(damping.diagonal, 1e-6 * largest)

    def product(step: NDArray[np.float64]) -> NDArray[np.float64]:
        return model.product(step) + ridge * step

    step = minimise_quadratic(
        product, model.diagonal + ridge, slack, box[0] - x, box[1] - x, _ACCURACY, _PRODUCTS
    )
    ahead = np.clip(x + step, *box)
    return ahead, product(ahead - x)


def _learn(damping: Damping, trust: float, bend: NDArray[np.float64], actual: NDArray[np.float64]) -> Damping:
    """Return the damping after a step.

    Limits are nearly separate, so each learns from its own slack whether the model understates how it
    bends; a small limit, whose slack moves by whole users, does not hold up the rest.

    Args:
        damping: before.
        trust: how far the dual fell, over how far the model said.
        bend: float64 [sides] change of the slacks in the model.
        actual: float64 [sides] change of the slacks.
    """
    understated = np.abs(actual) > 1.5 * np.abs(bend)
    if trust > _TRUSTED:
        size = np.where(understated, damping.size * 4, damping.size / 5)
    else:
        size = damping.size * np.where(understated, 8, 2)
    smoothing = _SMOOTHING if trust < 0 else max(damping.smoothing / 1.1, 1.0)
    return replace(damping, size=np.clip(size, 1e-5, 1e6), smoothing=smoothing)
