"""Local time of users: UTC offsets of zones as sorted tables, so that compiled loops can look them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numba import njit
from numpy.typing import NDArray

from homing.schema.errors import InputError
from homing.schema.times import DAY, HOUR, SECOND, to_datetime

HOURS_OF_WEEK = 168
#: 1970-01-01 was a Thursday, and hour 0 of the week is Monday 00h.
_THURSDAY = 72
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ZoneTable:
    """UTC offsets of time zones over a range of time. Zone `z` owns the steps `first[z]:first[z + 1]`."""

    first: NDArray[np.int64]  # [zones + 1]
    start: NDArray[np.int64]  # [steps] us, from when the offset holds; a zone's first step holds since ever
    offset: NDArray[np.int64]  # [steps] us to add to UTC to get local time

    @classmethod
    def build(cls, zone_names: Sequence[str], start: int, end: int) -> Self:
        """Return the table of IANA zones (place = code) that is right for all instants in [start, end].

        Tables are kept by whole years, so calls for near ranges are cheap.

        Raises:
            InputError: a name is not an IANA zone.
        """
        return cls(*_build(tuple(zone_names), to_datetime(start).year, to_datetime(max(start, end)).year))

    def offsets_at(self, zone: NDArray[np.int32], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return UTC offsets in us: int64 [n] for zone codes int32 [n] and instants int64 [n] us."""
        return _offsets_at(self.first, self.start, self.offset, zone, at)  # type: ignore[no-any-return]


def local_hour_of_week(
    zone_codes: NDArray[np.int32], at: NDArray[np.int64], zones: ZoneTable
) -> NDArray[np.int16]:
    """Return the local hour of the week, int16 [n] in 0..167 from Monday 00h, of instants int64 [n] us.

    In the hour that a clock change repeats, both passes have the same number; the hour that it skips
    has no instant.
    """
    local = at + zones.offsets_at(zone_codes, at)
    return ((local // HOUR + _THURSDAY) % HOURS_OF_WEEK).astype(np.int16)


@njit(nogil=True, cache=True)
def offset_at(start, offset, low, high, at):  # type: ignore[no-untyped-def]
    """Return the UTC offset in us at one instant, from a zone's steps `low:high`."""
    low += 1
    while low < high:
        middle = (low + high) >> 1
        if start[middle] <= at:
            low = middle + 1
        else:
            high = middle
    return offset[low - 1]


@njit(nogil=True, cache=True)
def hour_of_week(local):  # type: ignore[no-untyped-def]
    """Return the hour of the week, 0..167 from Monday 00h, of a local time in us."""
    return (local // HOUR + _THURSDAY) % HOURS_OF_WEEK


@njit(nogil=True, cache=True)
def _offsets_at(first, start, offset, zone, at):  # type: ignore[no-untyped-def]
    result = np.empty(len(at), np.int64)
    for row in range(len(at)):
        result[row] = offset_at(start, offset, first[zone[row]], first[zone[row] + 1], at[row])
    return result


@lru_cache(maxsize=16)
def _build(
    names: tuple[str, ...], first_year: int, last_year: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    counts: list[int] = []
    starts: list[int] = []
    offsets: list[int] = []
    for name in names:
        steps = [step for year in range(first_year, last_year + 1) for step in _steps(name, year)]
        kept = [step for place, step in enumerate(steps) if place == 0 or step[1] != steps[place - 1][1]]
        counts.append(len(kept))
        starts.extend(start for start, _ in kept)
        offsets.extend(offset for _, offset in kept)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(counts, np.int64))])
    return first, np.array(starts, np.int64), np.array(offsets, np.int64)


@lru_cache(maxsize=20_000)
def _steps(name: str, year: int) -> tuple[tuple[int, int], ...]:
    """Return (start, offset) in us of a zone within a year in UTC; the first is the year's own start.

    `zoneinfo` does not tell its transitions, so days with different offsets at their two ends are
    bisected to the second. Two changes within one day that cancel would be missed; there are none.
    """
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
        raise InputError(
            f"time zone == {name!r}, must be an IANA name such as 'Europe/Stockholm'; "
            "correct users.timezone or workspace.timezone"
        ) from None

    def offset(second: int) -> int:
        local = (_EPOCH + second * _SECOND).astimezone(zone).replace(tzinfo=UTC)
        return (local - _EPOCH) // _SECOND - second

    start = (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND
    end = (datetime(year + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND
    day = DAY // SECOND
    steps = [(start, offset(start))]
    for left in range(start, end, day):
        after = offset(left + day)
        if after != steps[-1][1]:
            low, high = left, left + day
            while high - low > 1:
                middle = (low + high) // 2
                if offset(middle) == steps[-1][1]:
                    low = middle
                else:
                    high = middle
            steps.append((high, after))
    return tuple((second * SECOND, shift * SECOND) for second, shift in steps)
