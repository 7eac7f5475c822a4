"""What the target could choose, in every state of a log of trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.inputs import SUM_TOLERANCE, Floats, one_dimensional, ragged, row_sums, shares
from homing.evaluation.sequential.trajectories import Trajectories
from homing.schema.errors import InputError

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Candidates:
    """Those of some states."""

    features: NDArray[Any]  # [candidates, ...]
    probability: Floats  # [candidates] of the target
    bounds: NDArray[np.int64]  # [states + 1]

    def values(self, q: Floats) -> Floats:
        """Return v(s) = sum_a pi(a | s) q(s, a): float64 [states].

        Args:
            q: float64 [candidates]; NaN where it is not known.

        Raises:
            InputError: q is not known, or infinite, where the target may go.
        """
        possible = self.probability > 0
        unknown = int(np.count_nonzero(possible & ~np.isfinite(q)))
        if unknown:
            raise InputError(
                f"q is not known for {unknown:,} candidates that the target may choose; the log has nothing "
                "like them: merge cells, use a regressor that generalises, or fewer steps or folds"
            )
        return row_sums(np.where(possible, self.probability * q, 0.0), self.bounds)


@dataclass(frozen=True)
class Choices:
    """Candidates of m + c states: those of the m transitions, then those that c trajectories were cut in.

    The latter are in the order of their trajectories. Build it with `choices`.
    """

    features: NDArray[Any]  # [k, ...] of (state, candidate), as the regressor takes them
    probability: Floats  # [k] of the target
    offsets: NDArray[np.int64]  # [m + c + 1] state j has candidates offsets[j]:offsets[j + 1]
    chosen: Rows  # [m] place among the k of each logged action
    following: Rows  # [m] the state after each transition; m + c: none, as its value is zero
    step: NDArray[np.int64]  # [m + c] of each state

    def of(self, states: Rows) -> Candidates:
        """Return the candidates of these states, in their order; at least one state."""
        counts = np.diff(self.offsets)[states]
        bounds = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.offsets[states] - bounds[:-1], counts) + np.arange(bounds[-1])
        return Candidates(self.features[rows], self.probability[rows], bounds)


def choices(
    log: Trajectories, features: NDArray[Any], probability: ArrayLike, offsets: ArrayLike, chosen: ArrayLike
) -> Choices:
    """Check the candidates of all states of a log.

    Args:
        log: of m transitions, with c cut trajectories.
        features: [k, ...] of each candidate in its state.
        probability: float [k] of the target; sums to 1 in each state.
        offsets: int64 [m + c + 1]; the states of the transitions, then those that trajectories were cut in.
            Where the latter were not logged, leave out the last transition of those trajectories.
        chosen: integer [m], which of its state's candidates was logged, from 0.

    Raises:
        InputError: lengths differ, probabilities do not sum to 1, or `chosen` is out of range.
    """
    chance = shares("probability", probability)
    m, cut = len(log.reward), np.flatnonzero(log.cut)
    if len(features) != len(chance):
        raise InputError(f"features has {len(features):,} rows, must have {len(chance):,} like probability")
    bounds = ragged(offsets, len(chance), m + len(cut))
    total = row_sums(chance, bounds)
    wrong = np.flatnonzero(np.abs(total - 1) > SUM_TOLERANCE)
    if len(wrong):
        raise InputError(
            f"probability sums to {total[wrong[0]]:.6g} over the candidates of state {wrong[0]:,}, must be 1"
        )
    place = one_dimensional("chosen", chosen, m)
    counts = np.diff(bounds)[:m]
    if place.dtype.kind not in "iu" or (place < 0).any() or (place >= counts).any():
        raise InputError("chosen must be integers, each at least 0 and under the candidates of its state")
    following = np.arange(1, m + 1)
    following[log.last] = m + len(cut)
    following[log.last[cut]] = m + np.arange(len(cut))
    return Choices(
        features=features,
        probability=chance,
        offsets=bounds,
        chosen=bounds[:m] + place,
        following=following,
        step=np.concatenate([log.step, log.length[cut]]),
    )
