"""Policies: functions from a row's candidates to a distribution over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from homing.decision.ragged import spans
from homing.decision.shared_limits import Prices
from homing.decision.softmax import softmax, utility
from homing.schema import Candidates, InputError, Shard


@dataclass(frozen=True)
class Context:
    """All that a policy may look at, and the rows in which it has no say."""

    shard: Shard
    candidates: Candidates
    values: NDArray[np.float32] | None = None  # [n, objectives] from a model; only Softmax needs them
    arm: NDArray[np.int32] | None = None  # [n] of the shared limits that prices are of; None: not known yet

    @cached_property
    def forced(self) -> NDArray[np.int64]:
        """[rows] place of the transactional candidate that the row sends whatever the policy, or -1.

        Of several: the one that expires first, then by hash; of that one the earliest slot, then the
        first channel.
        """
        candidates, opportunities = self.candidates, self.shard.opportunities
        forced = np.full(len(candidates.rows), -1, np.int64)
        if not self.shard.messages.transactional.any():
            return forced
        sent = np.flatnonzero(~candidates.is_hold)
        place = sent[self.shard.messages.transactional[candidates.message[sent]]]
        row = np.searchsorted(candidates.offsets, place, side="right") - 1
        opportunity = candidates.opportunity[place]
        order = np.lexsort(
            (
                candidates.channel[place],
                candidates.slot_start[place],
                opportunities.hash[opportunity],
                opportunities.expires_at[opportunity],
                row,
            )
        )
        rows, first = np.unique(row[order], return_index=True)
        forced[rows] = place[order[first]]
        return forced

    def with_forced(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities, float64 [n], with certainty for what transactional messages force."""
        rows = np.flatnonzero(self.forced >= 0)
        if len(rows) == 0:
            return probabilities
        result = probabilities.copy()
        result[spans(self.candidates.offsets[rows], self.candidates.counts[rows])] = 0.0
        result[self.forced[rows]] = 1.0
        return result


class Policy(Protocol):
    """A distribution over each row's candidates."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def floor(self) -> float:
        """Share of each distribution that is uniform over the candidates; the rest is the policy's wish."""

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n], summing to 1 in every row; 1 for what `context.forced` names."""


@dataclass(frozen=True)
class Softmax:
    """The policy that Homing learns; see `softmax`."""

    name: str
    weights: NDArray[np.float64]  # [objectives] utility per unit of outcome
    temperature: float  # in utility
    floor: float
    prices: Prices | None = None  # of shared limits

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n].

        Raises:
            InputError: the context has no values.
        """
        spread = softmax(self.worth(context), context.candidates.offsets, self.temperature, self.floor)
        return context.with_forced(spread)

    def worth(self, context: Context) -> NDArray[np.float64]:
        """Return the utility of each candidate, less what it pays for shared limits: float64 [n].

        Raises:
            InputError: the context has no values.
        """
        if context.values is None:
            raise InputError(f"policy {self.name!r} needs values of the candidates; pass a score function")
        charge = None
        if self.prices is not None:
            arm = context.arm
            if arm is None:
                arm = self.prices.limits.arms(context.shard, context.candidates)
            charge = self.prices.charge(arm, context.candidates.offsets, context.values)
        return utility(context.values, self.weights, charge)


@dataclass(frozen=True)
class Hold:
    """Sends nothing."""

    name: str = "hold"
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: 1 for hold."""
        return context.with_forced(context.candidates.is_hold.astype(np.float64))


@dataclass(frozen=True)
class Uniform:
    """Draws every candidate alike, hold included."""

    name: str = "uniform"
    floor: float = 1.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: one over the size of the row."""
        counts = context.candidates.counts
        return context.with_forced(np.repeat(1 / counts, counts))


@dataclass(frozen=True)
class Constant:
    """Sends one message where it is eligible, uniformly over its channels and slots, else holds."""

    message: int  # code
    name: str = "constant"
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]."""
        candidates = context.candidates
        if len(candidates) == 0:
            return np.zeros(0)
        wanted = candidates.message == self.message
        ways = np.add.reduceat(wanted.astype(np.int64), candidates.offsets[:-1])
        share = np.repeat(1 / np.maximum(ways, 1), candidates.counts)
        none = np.repeat(ways == 0, candidates.counts)
        chosen = np.where(none, candidates.is_hold, wanted)
        return context.with_forced(chosen * share)
