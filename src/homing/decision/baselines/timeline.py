"""What happened to users before an instant: visits and sends as ragged times, and questions to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.ragged import spans
from homing.schema import EVENT_TYPES, Instants, Shard
from homing.schema.times import DAY, HOUR
from homing.state import ZoneTable, local_hour_of_week

#: How far baselines look back.
MEMORY: Final = 28 * DAY

Codes = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Timeline:
    """Times, ragged by user, sorted within a user."""

    offsets: NDArray[np.int64]  # [users + 1]
    at: NDArray[np.int64]  # [n] us

    @classmethod
    def of_events(cls, shard: Shard, name: str) -> Self:
        """Return when each user's events of one type happened."""
        kept = np.flatnonzero(shard.events.type == EVENT_TYPES.index(name))
        return cls(np.searchsorted(kept, shard.events.offsets).astype(np.int64), shard.events.at[kept])

    @classmethod
    def of_sends(cls, shard: Shard) -> Self:
        """Return when each user's sends were decided; a decision counts those before its own epoch."""
        sends = shard.sends()
        user = np.repeat(np.arange(len(shard.users)), np.diff(sends.offsets))
        return cls(sends.offsets, sends.known_at[np.lexsort((sends.known_at, user))])

    def first_from(self, user: Codes, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of the first time >= `at` of each user, its end if there is none: int64 [rows]."""
        low, high = self.offsets[user], self.offsets[1:][user]
        while (low < high).any():  # bisection of all rows at once
            middle = (low + high) // 2
            earlier = (low < high) & (self.at[np.minimum(middle, len(self.at) - 1)] < at)
            low, high = np.where(earlier, middle + 1, low), np.where(earlier | (low >= high), high, middle)
        return low

    def count(self, user: Codes, since: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many times lie in [since, before): int64 [rows]."""
        return self.first_from(user, before) - self.first_from(user, since)

    def hours_since(self, user: Codes, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return hours from each user's last time before `at` to it, inf where there is none: [rows]."""
        place = self.first_from(user, at)
        some = np.flatnonzero(place > self.offsets[user])
        hours = np.full(len(at), np.inf)
        hours[some] = (at[some] - self.at[place[some] - 1]) / HOUR
        return hours

    def next_from(self, user: Codes, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each user's first time >= `at`, the end of time where there is none: int64 us [rows]."""
        place = self.first_from(user, at)
        some = place < self.offsets[1:][user]
        found = np.full(len(at), np.iinfo(np.int64).max)
        found[some] = self.at[place[some]]
        return found

    def days(self, user: Codes, start: NDArray[np.int64], days: int) -> NDArray[np.int64]:
        """Return in how many of the 24-hour periods after `start` (us) there is a time: int64 [rows]."""
        came = [self.count(user, start + day * DAY, start + (day + 1) * DAY) > 0 for day in range(days)]
        total: NDArray[np.int64] = np.stack(came).sum(axis=0, dtype=np.int64)
        return total

    def hour_counts(self, shard: Shard, rows: Instants) -> NDArray[np.int64]:
        """Return times within MEMORY before each row by the user's local hour of the day: [rows, 24]."""
        low = self.first_from(rows.user, rows.at - MEMORY)
        counts = self.first_from(rows.user, rows.at) - low
        row, at = np.repeat(np.arange(len(rows)), counts), self.at[spans(low, counts)]
        names = shard.vocabularies.zones.names
        zones = ZoneTable.build(names, int(at.min(initial=0)), int(at.max(initial=0)))
        hour = local_hour_of_week(shard.users.zone[rows.user[row]], at, zones) % 24
        return np.bincount(row * 24 + hour, minlength=24 * len(rows)).reshape(-1, 24)
