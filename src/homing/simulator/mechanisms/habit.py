"""Habit: what brings people back without being asked, and how it grows, wears and dies. All assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Habit:
    """Growth by worthwhile visits and slow decay."""

    growth: float = 0.065  # share of the way to 1 that a worthwhile visit goes
    discovery: float = 1.6  # a worthwhile visit that a message caused counts this much
    decay: float = 0.035  # share lost a day
    floor: float = 0.01
    on: bool = True


@dataclass(frozen=True)
class Churn:
    """Hazards of leaving and of coming back, a day."""

    leave: float = 0.03  # at no habit
    scale: float = 0.07  # habit at which the hazard of leaving has fallen to 1/e
    come_back: float = 0.002
    habit_after: float = 0.15  # habit of those who come back
    on: bool = True


def next_habit(p: Habit, habit: Floats, worthwhile: Floats, annoyance: Floats) -> Floats:
    """Return habit after a day.

    `h' = (h (1 - decay) + (1 - h) (1 - (1 - growth)^worthwhile)) (1 - annoyance)`, within [floor, 1].

    Args:
        p: parameters.
        habit: [users] in [0, 1].
        worthwhile: [users] visits that were worth it, those that a message caused weighted by `discovery`.
        annoyance: [users] share of habit that the day's deliveries cost.
    """
    if not p.on:
        return habit
    grown = habit * (1.0 - p.decay) + (1.0 - habit) * (1.0 - (1.0 - p.growth) ** worthwhile)
    return np.clip(grown * (1.0 - np.minimum(annoyance, 0.9)), p.floor, 1.0)


def leave_hazard(p: Churn, habit: Floats) -> Floats:
    """Return the probability [users] of leaving on a day without a visit: `leave * exp(-habit / scale)`."""
    return np.asarray(p.leave * np.exp(-habit / p.scale)) if p.on else np.zeros_like(habit)


def next_dormant(
    p: Churn,
    dormant: NDArray[np.bool_],
    habit: Floats,
    visited: NDArray[np.bool_],
    uniform: Floats,
) -> NDArray[np.bool_]:
    """Return who is dormant tomorrow.

    People leave with `leave * exp(-habit / scale)`, and come back with a visit or by chance.

    Args:
        p: parameters.
        dormant: [users] who is dormant today.
        habit: [users] in [0, 1].
        visited: [users] who visited today.
        uniform: [users] in [0, 1), the day's luck.
    """
    if not p.on:
        return dormant
    leaves = uniform < leave_hazard(p, habit)
    stays_away = (uniform >= p.come_back) & ~visited
    return np.where(dormant, stays_away, leaves & ~visited)
