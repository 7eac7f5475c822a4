"""Where an axis is marked, and with which texts: as few digits as the step needs, alike on all marks."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import Literal

from matplotlib.ticker import MaxNLocator

from homing.report.canvas import SMALL, text_width
from homing.report.numbers import MINUS, THIN, compact, significant

#: What the numbers of an axis are; `change` is a relative change.
Kind = Literal["rate", "number", "change"]


def ticks(low: float, high: float, most: int, kind: Kind) -> tuple[list[float], list[str]]:
    """Return at most about `most` round places within [low, high], and their texts."""
    if not (isfinite(low) and isfinite(high) and high > low):
        return [], []
    margin = (high - low) * 1e-9
    places = [
        float(place)
        for place in MaxNLocator(max(most, 1), steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        if low - margin <= place <= high + margin
    ]
    return places, tick_texts(places, kind)


def tick_texts(places: list[float], kind: Kind) -> list[str]:
    """Return the texts of evenly spaced places."""
    scale, suffix = (1.0, "") if kind == "number" else (100.0, f"{THIN}%")
    shown = [place * scale for place in places]
    largest = max(map(abs, shown), default=0.0)
    if largest >= 1e5:
        texts = [compact(number, full=0) for number in shown]
    elif 0 < largest < 1e-4:
        texts = [significant(number, 2) for number in shown]
    else:
        texts = []
    if len(set(texts)) < len(shown):  # no short form, or one that does not tell the marks apart
        step = min((abs(b - a) for a, b in pairwise(shown)), default=largest)
        decimals = next((d for d in range(12) if abs(round(step, d) - step) <= step * 1e-6), 12)
        texts = [f"{number:,.{decimals}f}".replace("-", MINUS) for number in shown]
    texts = ["0" if text.lstrip(MINUS).strip("0.") == "" else text for text in texts]
    if kind == "change":
        texts = [f"+{text}" if number > 0 else text for text, number in zip(texts, shown, strict=True)]
    return [text + suffix for text in texts]


def room_for(texts: list[str]) -> float:
    """Return the width of the widest text, in pixels."""
    return max((text_width(text, SMALL) for text in texts), default=0.0)
