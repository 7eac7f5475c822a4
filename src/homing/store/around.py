"""What happened to users, counted in intervals around the entry of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema.times import DAY, MISSING

_THURSDAY, _SATURDAY = 3, 5  # days after a Monday; 1970 began on a Thursday


@dataclass(frozen=True)
class Number:
    """One number of each user, from events in an interval around the user's entry."""

    name: str
    event: str  # type, or SENT
    aggregate: Literal["any", "count", "sum", "active_days"]
    since: int = 0  # us after entry, or before it where negative
    until: int | None = None  # us after entry, exclusive; None: until the end
    cap: float | None = None
    weekend: bool | None = None  # only Saturdays and Sundays, only other days (UTC), or all
    unexplained: bool = False  # only events that name no decision


@dataclass(frozen=True)
class Around:
    """What happened to users who have entered, all of one type, one row an event."""

    user: NDArray[np.int32]  # place
    at: NDArray[np.int64]  # us
    since: NDArray[np.int64]  # us after the entry
    value: NDArray[np.float64]
    unexplained: NDArray[np.bool_]

    @classmethod
    def of(cls, happened: pl.DataFrame, entered: NDArray[np.int64]) -> Around:
        """Return what happened to users who have entered.

        Args:
            happened: user (place), at (us), value, unexplained.
            entered: [users] us, or MISSING.
        """
        user = happened["user"].to_numpy()
        there = np.flatnonzero(entered[user] != MISSING)
        user, at = user[there], happened["at"].to_numpy()[there]
        value, unexplained = (happened[name].to_numpy()[there] for name in ("value", "unexplained"))
        return cls(user, at, at - entered[user], value, unexplained)

    def aggregated(self, number: Number, users: int) -> NDArray[np.float64]:
        """Return a number of each user: float64 [users]."""
        taken = self.since >= number.since
        if number.until is not None:
            taken &= self.since < number.until
        if number.weekend is not None:
            taken &= self._weekend == number.weekend
        if number.unexplained:
            taken &= self.unexplained
        user = self.user[taken]
        found: NDArray[Any]
        match number.aggregate:
            case "any":
                found = np.bincount(user, minlength=users) > 0
            case "count":
                found = np.bincount(user, minlength=users)
            case "sum":
                found = np.bincount(user, self.value[taken], users)
            case "active_days":
                found = _different(user, self.since[taken] // DAY, users)
        counted = np.asarray(found, np.float64)
        return counted if number.cap is None else np.minimum(counted, number.cap)

    @cached_property
    def _weekend(self) -> NDArray[np.bool_]:
        """Which events are of a Saturday or a Sunday, UTC."""
        return (self.at // DAY + _THURSDAY) % 7 >= _SATURDAY


def _different(user: NDArray[np.int32], day: NDArray[np.int64], users: int) -> NDArray[np.int64]:
    """Return how many different days each user has: int64 [users]."""
    if not len(day):
        return np.zeros(users, np.int64)
    first = int(day.min())
    seen = np.zeros((users, int(day.max()) - first + 1), np.bool_)
    seen[user, day - first] = True
    return np.asarray(seen.sum(axis=1), np.int64)
