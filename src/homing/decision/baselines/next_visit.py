"""What a survival model sees: the time to the next visit from a slot on, and what it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.rules import weekly_sends
from homing.decision.baselines.timeline import MEMORY, Timeline
from homing.decision.policies import Context
from homing.decision.replay import replay
from homing.schema import Candidates, Config, Shard
from homing.schema.times import DAY, HOUR, SECOND

Floats = NDArray[np.float64]
#: Columns that a hold has too; behind them those of a send: one a channel, and two more.
BASE: Final = 6


def columns(shard: Shard, candidates: Candidates, channels: int) -> tuple[Floats, Floats]:
    """Return what the time to a visit from each candidate's slot on depends on.

    Args:
        shard: the users.
        candidates: whose slots are looked at.
        channels: how many the model knows.

    Returns:
        float64 [n, BASE]: 1, log of hours since the last visit and of visits in 28 days (as of the epoch),
        sine and cosine of the slot's local hour, days from the epoch to the slot; float64 [n, channels + 2],
        which counts where it is sent: the channel, log of visits, log of sends in the 7 days before.
    """
    rows, row = candidates.rows, candidates.row
    visits = Timeline.of_events(shard, "session")
    since = np.log1p(np.minimum(visits.hours_since(rows.user, rows.at), MEMORY / HOUR))[row]
    often = np.log1p(visits.count(rows.user, rows.at - MEMORY, rows.at))[row]
    sent = np.log1p(weekly_sends(Context(shard, candidates)))[row]
    hour = candidates.hour_of_week % 24 * (2 * np.pi / 24)
    ahead = (candidates.slot_start - rows.at[row]) / DAY
    base = [np.ones(len(candidates)), since, often, np.sin(hour), np.cos(hour), ahead]
    through = [(candidates.channel == channel).astype(np.float64) for channel in range(channels)]
    return np.stack(base, axis=1), np.stack([*through, often, sent], axis=1)


@dataclass(frozen=True)
class Sojourns:
    """From a slot to the next visit, or to what ended the waiting, one a decision."""

    x: Floats  # [rows, columns] those of a send are 0 for a hold
    hours: Floats  # [rows] > 0
    seen: Floats  # [rows] 1: a visit ended it, 0: the next send, or the end of the log
    weight: Floats  # [rows]

    @classmethod
    def of(
        cls, shard: Shard, row: NDArray[np.int64], config: Config, known: int, rng: np.random.Generator
    ) -> Self:
        """Return those of logged decisions, from the start of the slot; a hold's is drawn from its set's.

        Args:
            shard: with logged decisions and the events after them.
            row: int64 [rows] rows in shard.decisions that were drawn from a choice.
            config: the rules under which candidate sets are replayed.
            known: us; events before it are all in the log.
            rng: draws the slots of holds.
        """
        seen = replay(shard, row, config)
        first, others = seen.candidates.offsets[:-1], seen.candidates.counts - 1
        send = seen.chosen > first
        anyone = first + 1 + (rng.random(len(first)) * others).astype(np.int64)
        slot = np.where(send, seen.chosen, anyone)
        at = seen.candidates.pick(np.minimum(slot, len(seen.candidates) - 1))
        user, start = at.rows.user, at.slot_start
        sends = shard.sends()
        following = Timeline(sends.offsets, sends.at).next_from(user, start + send)  # not the send itself
        end = np.minimum(following, known)
        visit = Timeline.of_events(shard, "session").next_from(user, start)
        base, extra = columns(shard, at, shard.messages.channels.shape[1])
        kept = (others > 0) & (end > start)
        propensity = shard.decisions.propensity[seen.row]
        return cls(
            x=np.hstack([base, extra * send[:, None]])[kept],
            hours=np.maximum(np.minimum(visit, end) - start, SECOND)[kept] / HOUR,
            seen=(visit < end)[kept].astype(np.float64),
            weight=1 / (propensity * np.where(send, np.maximum(others, 1), 1))[kept],
        )
