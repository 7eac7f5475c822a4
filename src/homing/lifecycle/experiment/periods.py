"""Time as the calendar divides it, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np

Every = Literal["quarter", "month"]
_MONTHS: Final[dict[Every, int]] = {"quarter": 3, "month": 1}


@dataclass(frozen=True)
class Period:
    """A quarter or a month, or a part of it."""

    label: str
    start: int  # us
    end: int  # us, exclusive
    length: float  # in whole ones


def divided(start: int, until: int, every: Every) -> tuple[Period, ...]:
    """Return quarters or months (UTC) between two instants (us), of the first and last a part."""
    months = _MONTHS[every]
    first = np.datetime64(start, "us").astype("datetime64[M]").astype(int) // months
    last = np.datetime64(until - 1, "us").astype("datetime64[M]").astype(int) // months
    edges = [
        int((np.datetime64(0, "M") + place * months).astype("datetime64[us]").astype(int))
        for place in range(first, last + 2)
    ]
    found = []
    for place, (begin, end) in enumerate(pairwise(edges)):
        year, part = divmod((first + place) * months, 12)
        label = f"{1970 + year} Q{part // 3 + 1}" if every == "quarter" else f"{1970 + year}-{part + 1:02d}"
        inside = max(begin, start), min(end, until)
        found.append(Period(label, *inside, (inside[1] - inside[0]) / (end - begin)))
    return tuple(found)
