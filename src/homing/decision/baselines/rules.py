"""Rules of thumb: newest first, at the user's best hour, under a weekly cap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.choice import certain
from homing.decision.baselines.timeline import Timeline
from homing.decision.policies import Context
from homing.schema.times import WEEK


@dataclass(frozen=True)
class Rules:
    """Sends the newest opportunity near the user's best hour, unless the week has had its sends.

    What a team does before it has a model. The best hour is the local hour of the day in which the user had
    most visits in the last 28 days (the earliest of several). Of the newest opportunity's slots it takes the
    nearest to that hour, of those the first channel.
    """

    weekly_cap: int = 3  # sends in any 7 days, by when they were decided
    default_hour: int = 18  # local, of users without a visit
    name: str = "rules"
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: 1 for one candidate of each row."""
        allowed = weekly_sends(context) < self.weekly_cap
        sends = ~context.candidates.is_hold
        wish = np.where(sends, np.where(allowed[context.candidates.row], 1, -1), 0)
        return certain(context, wish, newest(context), nearness(context, self.default_hour))


def weekly_sends(context: Context) -> NDArray[np.int64]:
    """Return each row's sends that were decided less than 7 days before it: int64 [rows]."""
    rows = context.candidates.rows
    return Timeline.of_sends(context.shard).count(rows.user, rows.at - WEEK + 1, rows.at)


def newest(context: Context) -> NDArray[np.float64]:
    """Return when each candidate's opportunity was made, us (exact in float64); inf for hold: [n]."""
    opportunity = context.candidates.opportunity
    created = np.full(len(opportunity), np.inf)
    sends = np.flatnonzero(opportunity >= 0)
    created[sends] = context.shard.opportunities.created_at[opportunity[sends]]
    return created


def nearness(context: Context, default_hour: int) -> NDArray[np.int64]:
    """Return minus the hours, around the clock, from each slot to its user's best hour: int64 [n]."""
    candidates = context.candidates
    counts = Timeline.of_events(context.shard, "session").hour_counts(context.shard, candidates.rows)
    best = np.where(counts.any(axis=1), counts.argmax(axis=1), default_hour)
    apart = (candidates.hour_of_week.astype(np.int64) - best[candidates.row]) % 24
    return -np.minimum(apart, 24 - apart)
