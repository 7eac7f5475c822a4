"""Random numbers that depend on (luck, day, purpose) and on the place of the user, and on nothing else.

Two policies on the same population thus meet the same luck: what a user draws on a day for a purpose does
not depend on who else was sent what.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for. New ones go to the end, so that old logs stay the same."""

    catalogue = 0
    population = 1
    opportunities = 2
    visits = 3
    visit_times = 4
    visit_outcomes = 5
    sends = 6
    churn = 7
    organic_conversions = 8
    reach = 9


def stream(luck: tuple[int, ...], day: int, purpose: Purpose) -> np.random.Generator:
    """Return the generator of one purpose on one day.

    Args:
        luck: the seed, then the part of the population, then the replicate of a rollout.
        day: from 0; -1 is the world's making.
        purpose: what for.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([*luck, day + 1, int(purpose)])))
