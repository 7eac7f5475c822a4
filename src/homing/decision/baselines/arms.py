"""Arms of a bandit in a log: category x channel, and hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.timeline import Timeline
from homing.schema import Candidates, Messages, Shard


def arms_of(messages: Messages, candidates: Candidates) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each candidate's arm, category x channels + channel, the last one for hold: int64 [n].

    The second array, int64 [n], is row x arms + arm: a number for each arm of each row.
    """
    arms = how_many(messages)
    category = messages.category[candidates.message].astype(np.int64)
    arm = np.where(candidates.is_hold, arms - 1, category * messages.channels.shape[1] + candidates.channel)
    return arm, candidates.row * arms + arm


def how_many(messages: Messages) -> int:
    """Return the number of arms, hold included."""
    return (int(messages.category.max(initial=-1)) + 1) * int(messages.channels.shape[1]) + 1


def hours_since_arm(shard: Shard, candidates: Candidates) -> NDArray[np.float64]:
    """Return hours since the user was last sent the candidate's arm, inf where never or for hold: [n]."""
    log, arms = shard.decisions, how_many(shard.messages)
    sent = np.flatnonzero(log.message >= 0)
    category = shard.messages.category[log.message[sent]].astype(np.int64)
    arm = category * shard.messages.channels.shape[1] + log.channel[sent]
    cell = log.user[sent].astype(np.int64) * arms + arm
    order = np.lexsort((log.epoch_at[sent], cell))
    offsets = np.searchsorted(cell[order], np.arange(len(shard.users) * arms + 1)).astype(np.int64)
    line, row = Timeline(offsets, log.epoch_at[sent][order]), candidates.row
    wanted = candidates.rows.user[row].astype(np.int64) * arms + arms_of(shard.messages, candidates)[0]
    return line.hours_since(wanted, candidates.rows.at[row])


@dataclass(frozen=True)
class ArmSums:
    """Sums over the rounds in which an arm was eligible: [2, arms] each, first where it was not chosen."""

    rounds: NDArray[np.float64]
    reward: NDArray[np.float64]
    weight: NDArray[np.float64]
    squared: NDArray[np.float64]  # of weights
    weighted: NDArray[np.float64]  # reward by weight

    @classmethod
    def of(
        cls,
        messages: Messages,
        candidates: Candidates,
        chosen: NDArray[np.int64],
        propensity: NDArray[np.float64],
        reward: NDArray[np.bool_],
    ) -> Self:
        """Sum up rounds, one a row of `candidates`.

        Args:
            messages: the catalogue.
            candidates: what was eligible.
            chosen: int64 [rows] place of what was chosen.
            propensity: float64 [rows] of it.
            reward: bool [rows].
        """
        arms, (arm, pair) = how_many(messages), arms_of(messages, candidates)
        pairs, size = np.unique(pair, return_counts=True)
        row, of = pairs // arms, pairs % arms
        mine = of == arm[chosen][row]
        others = candidates.counts[row] - size
        weight = 1 / (propensity[row] * np.where(mine, size, np.maximum(others, 1)))

        def by_side(number: NDArray[np.float64]) -> NDArray[np.float64]:
            total = np.bincount(mine * arms + of, weights=number, minlength=2 * arms)
            return total.reshape(2, arms).astype(np.float64)

        won = reward[row].astype(np.float64)
        numbers = (np.ones(len(row)), won, weight, weight**2, weight * won)
        return cls(*(by_side(number) for number in numbers))

    def __add__(self, other: Self) -> Self:
        """Return the sums over the rounds of both."""
        return type(self)(*(mine + vars(other)[name] for name, mine in vars(self).items()))

    def relative_difference(self, prior: float) -> NDArray[np.float64]:
        """Return (mu+ - mu-) / mu- of each arm, 0 where the rounds tell nothing: float64 [arms].

        Each mean is shrunk to the arm's plain one over all rounds, which counts for `prior` rounds; a
        weighted mean counts for its effective size (sum w)^2 / sum w^2 (Kish 1965).
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = np.nan_to_num(self.reward.sum(axis=0) / self.rounds.sum(axis=0))
            mean = np.nan_to_num(self.weighted / self.weight)
            size = np.nan_to_num(self.weight**2 / self.squared)
            missed, chosen = (mean * size + plain * prior) / (size + prior)
            score: NDArray[np.float64] = (chosen - missed) / missed
        return np.where(np.isfinite(score), score, 0.0)
