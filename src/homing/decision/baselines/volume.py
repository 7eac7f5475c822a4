"""Weekly volume by marginal utility: how many sends a week each level of activity bears."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.choice import certain
from homing.decision.baselines.logged import Trial, known_until, nothing_to_fit
from homing.decision.baselines.rules import nearness, newest, weekly_sends
from homing.decision.baselines.timeline import Timeline
from homing.decision.baselines.weekly_utility import LEVELS, MOST, marginal_utility
from homing.decision.policies import Context
from homing.schema import Config, Instants, Shard
from homing.schema.times import DAY, HOUR, WEEK

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Volume:
    """Gives each user the weekly volume at which one send more no longer pays, spread over the week.

    Source: Zhao, Narita, Orten and Egan, KDD 2018: utility U(u, k) of a user with a volume of k, a volume for
    each user where U(u, k + 1) - U(u, k) falls to a threshold (the multiplier of a total budget), a pacer,
    and content from a ranker that knows nothing of it. Utility is active days in the next 7 days, less what
    an opt-out costs. They randomized volumes; here each logged decision is the trial of one send more at the
    volume of the 7 days before it. The ranker is a column of the values, or newest first without them.
    """

    marginal: Floats  # [LEVELS, MOST] active days that send k + 1 of a week adds
    threshold: float = 0.0  # active days
    column: int | None = None  # of the values, that content is ranked by; None: newest first
    default_hour: int = 18  # local, of users without a visit
    name: str = "volume"
    floor: float = 0.0

    @classmethod
    def fit(
        cls, shards: Iterable[Shard], config: Config, opt_out_days: float = 7.0, threshold: float = 0.0
    ) -> Self:
        """Return the policy with the utilities of a log.

        Args:
            shards: with logged decisions, propensities, and the events of 7 days after them.
            config: how far events are complete.
            opt_out_days: active days that an opt-out costs; assumed.
            threshold: active days that a send must add.

        Raises:
            InputError: the log has no sends or no holds with 7 days after them.
        """
        cells = np.zeros((LEVELS, MOST + 1, 2, 3))  # weight, active days and opt-outs of what is alike
        for shard in shards:
            trial = Trial.of(shard, known_until(shard, config), WEEK)
            user, at = trial.at.user, trial.at.at
            active = Timeline.of_events(shard, "session").days(user, at, 7)
            gone = Timeline.of_events(shard, "opted_out").count(user, at, at + WEEK) > 0
            before = np.minimum(Timeline.of_sends(shard).count(user, at - WEEK + 1, at), MOST)
            place = (activity(shard, trial.at), before, trial.send.astype(np.int64))
            for number, kept in enumerate((np.ones(len(at)), active / 7, gone.astype(np.float64))):
                np.add.at(cells[..., number], place, trial.weight * kept)
        weight = cells[..., 0]
        if not (weight.sum(axis=(0, 1)) > 0).all():
            raise nothing_to_fit("volume", "sends and holds with 7 days of events after them")
        share = cells / np.where(weight > 0, weight, 1)[..., None]
        return cls(marginal_utility(weight, share[..., 1], share[..., 2], opt_out_days), threshold)

    @cached_property
    def budget(self) -> NDArray[np.int64]:
        """[LEVELS] sends a week: as long as each one adds more than the threshold."""
        stops = np.column_stack([self.marginal <= self.threshold, np.ones(LEVELS, np.bool_)])
        first: NDArray[np.int64] = stops.argmax(axis=1)
        return first

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: 1 for one candidate of each row."""
        candidates, shard = context.candidates, context.shard
        rows = candidates.rows
        budget = self.budget[activity(shard, rows)]
        since = Timeline.of_sends(shard).hours_since(rows.user, rows.at)
        due = (weekly_sends(context) < budget) & (since * np.maximum(budget, 1) >= WEEK / HOUR)
        wish = np.where(candidates.is_hold, 0, np.where(due[candidates.row], 1, -1))
        if context.values is not None and self.column is not None:
            return certain(context, wish, context.values[:, self.column])
        return certain(context, wish, newest(context), nearness(context, self.default_hour))


def activity(shard: Shard, rows: Instants) -> NDArray[np.int64]:
    """Return on how many of the 14 24-hour periods before each row's instant the user came: int64 [rows]."""
    return Timeline.of_events(shard, "session").days(rows.user, rows.at - 14 * DAY, 14)
