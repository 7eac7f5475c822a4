"""The stage of a user's lifecycle, and what it does to growth and patience."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STAGES: Final = ("new", "growing", "steady", "at_risk", "dormant")
_NEW, _GROWING, _STEADY, _AT_RISK, _DORMANT = range(5)


@dataclass(frozen=True)
class Stages:
    """Where the stages begin, and their factors. All assumed."""

    new_days: float = 14.0  # of tenure
    rising: float = 1.08  # habit over its own average of the last weeks, from which a user is growing
    falling: float = 0.88  # below it, at risk
    lowest: float = 0.08  # habit below which anybody is at risk
    memory: float = 14.0  # days: half-life of that average
    new_growth: float = 1.4  # factor on the growth of habit while new
    new_annoyance: float = 1.4  # factor on what an unwanted message costs while new
    at_risk_annoyance: float = 1.2
    on: bool = True


def stage_of(
    p: Stages, tenure: Floats, habit: Floats, average: Floats, dormant: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Return the place in STAGES of each user [n].

    Args:
        p: parameters.
        tenure: [n] days since sign-up.
        habit: [n] in [0, 1].
        average: [n] of the user's habit over the last weeks.
        dormant: [n] whether the user has left.
    """
    stage = np.full(len(habit), _STEADY, np.int8)
    stage[habit > p.rising * average] = _GROWING
    stage[(habit < p.falling * average) | (habit < p.lowest)] = _AT_RISK
    stage[tenure < p.new_days] = _NEW
    stage[dormant] = _DORMANT
    return stage


def growth_factor(p: Stages, stage: NDArray[np.int8]) -> Floats:
    """Return the factor [n] on the growth of habit."""
    return np.where((stage == _NEW) & p.on, p.new_growth, 1.0)


def annoyance_factor(p: Stages, stage: NDArray[np.int8]) -> Floats:
    """Return the factor [n] on what an unwanted message costs."""
    if not p.on:
        return np.ones(len(stage))
    return np.choose(stage, (p.new_annoyance, 1.0, 1.0, p.at_risk_annoyance, 1.0)).astype(np.float64)
