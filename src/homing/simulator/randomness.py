"""Random numbers that depend on (luck, day, purpose) and on the place of the user, and on nothing else.

Two policies on the same population thus meet the same luck: what a user draws on a day for a purpose does
not depend on who else was sent what.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


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


class Luck:
    """A stream as numbers for each of a population's people; rows of one person share theirs."""

    def __init__(
        self, rng: np.random.Generator, people: int, person: NDArray[np.int64] | None = None
    ) -> None:
        """Begin the stream.

        Args:
            rng: of one purpose on one day.
            people: how many have luck of their own.
            person: [rows] whose luck each row has; None: a row is a person.
        """
        self._rng, self._people, self._person = rng, people, person

    def random(self, *leading: int, trailing: tuple[int, ...] = ()) -> NDArray[np.float64]:
        """Return numbers in [0, 1), [*leading, rows, *trailing]."""
        return self._of_rows(self._rng.random((*leading, self._people, *trailing)), len(leading))

    def standard_normal(self, *leading: int) -> NDArray[np.float64]:
        """Return standard normal numbers, [*leading, rows]."""
        return self._of_rows(self._rng.standard_normal((*leading, self._people)), len(leading))

    def _of_rows(self, numbers: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return numbers if self._person is None else np.take(numbers, self._person, axis)
