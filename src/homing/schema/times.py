"""Time is an int64 count of microseconds since 1970-01-01T00:00Z, everywhere inside Homing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from homing.schema.errors import InputError

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

#: A time that is not given. Smaller than every real one, so `at < MISSING` never holds.
MISSING: Final = int(np.iinfo(np.int64).min)

#: Times of events and epochs lie in [EARLIEST, LATEST): 1990 to 2100.
EARLIEST: Final = 7_305 * DAY
LATEST: Final = 47_482 * DAY

_UNITS: Final = {"s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> int:
    """Return `"90s"`, `"15m"`, `"4h"`, `"7d"` or `"2w"` in microseconds.

    Raises:
        ValueError: the text is not one number and one unit.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write a number and s, m, h, d or w, such as '7d'")
    return round(Decimal(match[1]) * _UNITS[match[2]])


def format_duration(microseconds: int) -> str:
    """Return the shortest text that `parse_duration` reads back as `microseconds`."""
    for unit in ("w", "d", "h", "m", "s"):
        if microseconds and microseconds % _UNITS[unit] == 0:
            return f"{microseconds // _UNITS[unit]}{unit}"
    whole, rest = divmod(microseconds, SECOND)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + "s"


def parse_time(text: str) -> int:
    """Return an ISO 8601 time in microseconds since 1970. Without an offset it is UTC.

    Raises:
        ValueError: the text is not an ISO 8601 date or time.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write ISO 8601, such as '2026-03-01T06:00Z'") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def check_epoch(at: int) -> int:
    """Return the epoch `at`, us, if there can be one.

    Raises:
        InputError: it is before 1990, or not before 2100.
    """
    if not EARLIEST <= at < LATEST:
        year = 1970 + at / (365.2425 * DAY)
        raise InputError(
            f"epoch == {at} us (about the year {year:.0f}), must be from 1990 on and before 2100"
        )
    return at


def to_datetime(microseconds: int) -> datetime:
    """Return the instant as an aware `datetime` in UTC."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


def format_time(microseconds: int) -> str:
    """Return the instant as ISO 8601 in UTC, such as `2026-03-01T06:00:00Z`."""
    return to_datetime(microseconds).isoformat().replace("+00:00", "Z")
