"""Faults of a log that no statistics are needed for: what contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import SUM_TOLERANCE, finite, one_dimensional, ragged, row_sums

#: A log that drew nothing in this share of its rows says what its policy did, and of little else.
_MOST_CERTAIN = 0.5


@dataclass(frozen=True)
class LogFaults:
    """How many rows break which rule."""

    rows: int
    outside: int  # the choice is not among the row's candidates
    unnormalised: int  # probabilities that do not sum to 1
    out_of_range: int  # a probability below 0 or above 1
    impossible: int  # the choice's own probability is 0
    contradicted: int  # the logged propensity is not the choice's probability
    certain: int  # of several candidates, one had probability 1: nothing was drawn
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing contradicts itself."""
        return not self.warnings


def log_faults(
    probability: ArrayLike, offsets: ArrayLike, choice: ArrayLike, propensity: ArrayLike | None = None
) -> LogFaults:
    """Count rows that contradict themselves, each in a plain sentence.

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
    counts = {
        "outside": int((~inside).sum()),
        "unnormalised": int((np.abs(row_sums(chance, bounds) - 1) > SUM_TOLERANCE).sum()),
        "out_of_range": int(out_of_range.sum()),
        "impossible": int((of_choice == 0).sum()),
        "contradicted": contradicted,
        "certain": int((several & (of_choice >= 1 - SUM_TOLERANCE)).sum()),
    }
    said = {
        "outside": "chose a candidate that is not in their set",
        "unnormalised": "have probabilities that do not sum to 1",
        "out_of_range": "have a probability below 0 or above 1",
        "impossible": "chose a candidate of probability 0",
        "contradicted": "have a logged propensity that is not the probability of their choice",
        "certain": "had several candidates and drew nothing: one of them had probability 1",
    }
    fewest = {"certain": _MOST_CERTAIN * rows}
    found = [
        f"{count:,} of {rows:,} decisions {said[name]}"
        for name, count in counts.items()
        if count > fewest.get(name, 0)
    ]
    return LogFaults(rows, **counts, warnings=tuple(found))
