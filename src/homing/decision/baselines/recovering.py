"""Sleeping, recovering bandit: which kind of message did better than its alternatives, and how long ago."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.arms import ArmSums, arms_of, hours_since_arm
from homing.decision.baselines.logged import Trial, known_until, nothing_to_fit
from homing.decision.baselines.timeline import Timeline
from homing.decision.policies import Context
from homing.decision.replay import batches, replay
from homing.decision.softmax import softmax
from homing.schema import Config, Shard
from homing.schema.times import DAY

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recovering:
    """Recovering difference softmax over arms: category x channel, and hold.

    Source: Yancey and Settles, KDD 2020, section 4: score s = (mu+ - mu-) / mu-, of the rounds in which the
    arm was chosen and of those in which it was eligible and not chosen, importance weighted, each mean
    shrunk towards the arm's plain one by `prior` rounds; penalty s - gamma 2^(-days / half_life) since the
    user was last sent the arm; softmax with a temperature over the eligible arms. Constants are the paper's.

    Three things differ, as hold is an arm and sets hold many candidates. The reward is a visit within
    `window` of the epoch, not within 2 hours of the send, as hold has no send. The weights draw alike from
    the candidates inside and outside the arm, as a log has the propensity of what was chosen only; where the
    log is uniform, they are the paper's. An arm's share is split alike among its candidates.
    """

    score: Floats  # [categories, channels] s, a share of the reward; 0 where the log tells nothing
    hold: float  # s of hold
    gamma: float = 0.017  # a share of the reward
    half_life: float = 15.0  # days
    temperature: float = 0.0025  # a share of the reward
    name: str = "recovering"
    floor: float = 0.0

    @classmethod
    def fit(cls, shards: Iterable[Shard], config: Config, window: int = DAY, prior: float = 105.0) -> Self:
        """Return the policy with the scores of a log.

        Args:
            shards: with logged decisions, propensities, and events after them.
            config: the rules under which candidate sets are replayed.
            window: us after the epoch in which a visit is the reward.
            prior: rounds, by effective size, that the plain mean counts for.

        Raises:
            InputError: no decision was drawn from a choice and has a known reward.
        """
        sums = None
        for shard in shards:
            known, drawn = known_until(shard, config), np.zeros(len(shard.decisions), np.bool_)
            drawn[Trial.of(shard, known, window).row] = True
            visits = Timeline.of_events(shard, "session")
            for rows in batches(shard.decisions, drawn):
                seen = replay(shard, rows, config)
                at = seen.candidates.rows
                reward = visits.count(at.user, at.at, at.at + window) > 0
                propensity = shard.decisions.propensity[seen.row]
                found = ArmSums.of(shard.messages, seen.candidates, seen.chosen, propensity, reward)
                sums = found if sums is None else sums + found
        if sums is None:
            raise nothing_to_fit("recovering", "choices with known rewards")
        score = sums.relative_difference(prior)
        return cls(score[:-1].reshape(-1, shard.messages.channels.shape[1]), float(score[-1]))

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]."""
        shard, candidates = context.shard, context.candidates
        if len(candidates) == 0:
            return np.zeros(0)
        held, channels = candidates.is_hold, self.score.shape[1]
        category = np.where(held, 0, shard.messages.category[candidates.message])
        known = ~held & (category < len(self.score)) & (candidates.channel < channels)
        score = np.where(held, self.hold, 0.0)
        score[known] = self.score[category[known], candidates.channel[known]]
        days = hours_since_arm(shard, candidates) / 24
        score -= self.gamma * 0.5 ** (days / self.half_life)
        # a softmax over arms, each shared by its candidates, is one over candidates less log of how many
        _, place, size = np.unique(
            arms_of(shard.messages, candidates)[1], return_inverse=True, return_counts=True
        )
        score -= self.temperature * np.log(size[place])
        return context.with_forced(softmax(score, candidates.offsets, self.temperature, self.floor))
