"""Faults of a log that no statistics are needed for: what contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import SUM_TOLERANCE, finite, one_dimensional, ragged, row_sums
from homing.schema.errors import InputError

#: A log that drew nothing in this share of its rows says what its policy did, and of little else.
_MOST_CERTAIN: Final = 0.5

_SAID: Final = {
    "outside": "chose a candidate that is not in their set",
    "unnormalised": "have probabilities that do not sum to 1",
    "out_of_range": "have a probability below 0 or above 1",
    "impossible": "chose a candidate of probability 0",
    "contradicted": "have a logged propensity that is not the probability of their choice",
    "certain": "had several candidates and drew nothing: one of them had probability 1",
}


@dataclass(frozen=True)
class LogFaults:
    """How many rows break which rule. Those of parts of a log add up to those of the whole."""

    rows: int = 0
    outside: int = 0  # the choice is not among the row's candidates
    unnormalised: int = 0  # probabilities that do not sum to 1
    out_of_range: int = 0  # a probability below 0 or above 1
    impossible: int = 0  # the choice's own probability is 0
    contradicted: int = 0  # the logged propensity is not the choice's probability
    certain: int = 0  # of several candidates, one had probability 1: nothing was drawn

    def __add__(self, other: LogFaults) -> Self:
        """Return the faults of both parts of a log."""
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def broken(self) -> dict[str, str]:
        """Rule -> what is wrong, in a sentence; one row is enough, for `certain` more than half of them."""
        return {
            name: f"{count:,} of {self.rows:,} decisions {said}"
            for name, said in _SAID.items()
            if (count := getattr(self, name)) > (_MOST_CERTAIN * self.rows if name == "certain" else 0)
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences of `broken`."""
        return tuple(self.broken.values())

    @property
    def passed(self) -> bool:
        """Whether nothing contradicts itself."""
        return not self.warnings


def log_faults(
    probability: ArrayLike, offsets: ArrayLike, choice: ArrayLike, propensity: ArrayLike | None = None
) -> LogFaults:
    """Count rows that contradict themselves, where the whole distribution of each is known.

    Args:
        probability: float [m], the logging policy's, over the candidates of all rows.
        offsets: int64 [n + 1].
        choice: int64 [n], the chosen candidate's place in `probability`; any other value: not in the set.
        propensity: float [n] as logged for the choice, or None.

    Raises:
        InputError: lengths differ, or values are not finite.
    """
    chance = finite("probability", probability)
    bounds = ragged(offsets, len(chance))
    rows = len(bounds) - 1
    chosen = one_dimensional("choice", choice, rows).astype(np.int64)
    inside = (chosen >= bounds[:-1]) & (chosen < bounds[1:])
    of_choice = chance[chosen[inside]]
    out_of_range = row_sums(((chance < 0) | (chance > 1 + SUM_TOLERANCE)).astype(np.float64), bounds) > 0
    several = np.diff(bounds)[inside] > 1
    contradicted = 0
    if propensity is not None:
        logged = finite("propensity", propensity, rows)[inside]
        contradicted = int((np.abs(logged - of_choice) > SUM_TOLERANCE).sum())
    return LogFaults(
        rows,
        outside=int((~inside).sum()),
        unnormalised=int((np.abs(row_sums(chance, bounds) - 1) > SUM_TOLERANCE).sum()),
        out_of_range=int(out_of_range.sum()),
        impossible=int((of_choice == 0).sum()),
        contradicted=contradicted,
        certain=int((several & (of_choice >= 1 - SUM_TOLERANCE)).sum()),
    )


def chosen_faults(propensity: ArrayLike, candidates: ArrayLike) -> LogFaults:
    """Count rows that contradict themselves, where only the choice's propensity was logged.

    A single candidate has probability 1, so any other propensity of it does not sum to 1. What more can be
    said of the sums needs many rows: `check_chosen`.

    Args:
        propensity: float [n] of the logged choice.
        candidates: integer [n], how many there were, the choice among them; 0: the choice is not in the set.

    Raises:
        InputError: lengths differ, values are not finite, or a number of candidates is negative.
    """
    chance = finite("propensity", propensity)
    count = finite("candidates", candidates, len(chance))
    if count.min() < 0:
        raise InputError(f"candidates has a minimum of {count.min():g}, must be >= 0")
    sure = np.abs(chance - 1) <= SUM_TOLERANCE
    return LogFaults(
        len(chance),
        outside=int((count == 0).sum()),
        unnormalised=int(((count == 1) & ~sure).sum()),
        out_of_range=int(((chance < 0) | (chance > 1 + SUM_TOLERANCE)).sum()),
        impossible=int((chance == 0).sum()),
        certain=int(((count > 1) & sure).sum()),
    )
