"""Estimates with intervals, one a row, around a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from homing.report.canvas import FONT, INK, MUTED, PAPER, RULE, SMALL, axes, figure, fit, text_width
from homing.report.facts import Estimate
from homing.report.plots.ticks import Kind, room_for, ticks

_ROW = 27
_STACKED_ROW = 44  # where labels stand above their rows, on a phone
_LABEL_SHARE = 0.34
_BOLD = 1.12  # how much wider bold text is
_TEXT_FROM = 520  # pixels of width from which the numbers are written beside the rows
_GAP = 16


@dataclass(frozen=True)
class Row:
    """One estimate."""

    label: str
    estimate: Estimate
    text: str  # the numbers, as people read them
    colour: str
    word: str = ""  # a judgement, behind the numbers
    strong: bool = False
    trusted: bool = True  # else hollow and faint, and not part of the scale
    expected: float | None = None  # a mark beside the estimate, such as what was promised


def forest(
    rows: Sequence[Row],
    width: int,
    kind: Kind,
    *,
    reference: float | None = None,
    band: tuple[float, float] | None = None,
    guardrail: float | None = None,
) -> Figure:
    """Return rows of estimates with intervals from top to bottom.

    Args:
        rows: from top to bottom.
        width: of the figure, pixels.
        kind: how the axis is written.
        reference: a dashed vertical line.
        band: a shaded vertical band, such as the interval of the reference.
        guardrail: a dotted vertical line.
    """
    labels = max((text_width(row.label) * (_BOLD if row.strong else 1) for row in rows), default=0)
    stacked = width < _TEXT_FROM and labels + _GAP > width * _LABEL_SHARE
    left = 6.0 if stacked else min(labels + _GAP, width * _LABEL_SHARE)
    words = texts = 0.0
    if width >= _TEXT_FROM:
        words = max((text_width(row.word, SMALL) for row in rows), default=0)
        words += _GAP if words else 0
        texts = max((text_width(row.text, SMALL) for row in rows), default=0)
    right = min(texts + words + _GAP, width * 0.45) if texts else 8
    high_row = _STACKED_ROW if stacked else _ROW
    drawn = figure(width, high_row * len(rows) + 30)
    area = axes(drawn, left, right, 2, 26)
    low, high = _limits(rows, [reference, guardrail, *(band or ())])
    area.set_xlim(low, high)
    area.set_ylim(len(rows) - 0.5, -0.75 if stacked else -0.6)
    area.set_yticks([])
    room = width - left - right
    area.set_xticks(*_ticks(low, high, room, kind))
    area.grid(axis="x", color=RULE, linewidth=1, alpha=0.6)
    if band is not None and all(map(isfinite, band)):
        area.axvspan(*band, color=MUTED, alpha=0.14, linewidth=0)
    if reference is not None and isfinite(reference):
        area.axvline(reference, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    if guardrail is not None:
        area.axvline(guardrail, color=INK, linewidth=1.4, linestyle=(0, (1, 2)))
    pixel = (high - low) / room
    for place, row in enumerate(rows):
        ink, weight = (INK if row.trusted else MUTED), ("bold" if row.strong else "normal")
        space = width - text_width(row.text, SMALL) - _GAP if stacked else left - _GAP
        label = fit(row.label, max(space, width * 0.3) / (_BOLD if row.strong else 1))
        line = place - 0.44 if stacked else place
        start = low - left * pixel
        area.text(start, line, label, va="center", fontsize=FONT, fontweight=weight, color=ink)
        if texts or stacked:
            behind = high + (right - words) * pixel
            shown = fit(row.text, width * 0.6 if stacked else right - words, SMALL)
            area.text(behind, line, shown, ha="right", va="center", fontsize=SMALL, color=ink)
        if words:
            start = high + (right - words + _GAP) * pixel
            area.text(start, place, row.word, va="center", fontsize=SMALL, color=row.colour)
        _mark(area, place, row, low, high)
    return drawn


def _mark(area: Axes, place: int, row: Row, low: float, high: float) -> None:
    value, faint = row.estimate.value, 1.0 if row.trusted else 0.55
    if row.expected is not None and isfinite(row.expected):
        area.plot(row.expected, place, marker="|", markersize=15, markeredgewidth=2, color=INK)
    if isfinite(row.estimate.low) and isfinite(row.estimate.high):
        ends = [min(max(bound, low), high) for bound in (row.estimate.low, row.estimate.high)]
        area.plot(ends, [place, place], color=row.colour, linewidth=2.4, alpha=faint, solid_capstyle="round")
    if not isfinite(value):
        return
    if low <= value <= high:
        area.plot(
            value,
            place,
            marker="o",
            markersize=8,
            markeredgewidth=1.8,
            color=row.colour,
            markerfacecolor=row.colour if row.trusted else PAPER,
        )
    else:  # outside the scale: an arrow at the edge says so
        inside, marker = (low, "<") if value < low else (high, ">")
        area.plot(inside, place, marker=marker, markersize=8, color=row.colour, alpha=faint, clip_on=False)


def _limits(rows: Sequence[Row], others: Sequence[float | None]) -> tuple[float, float]:
    """Return a scale that shows what can be trusted; all of it where nothing can."""
    trusted = [row for row in rows if row.trusted] or list(rows)
    numbers = [number for row in trusted for number in _numbers(row)]
    numbers += [number for number in others if number is not None and isfinite(number)]
    if not numbers:
        return 0.0, 1.0
    low, high = min(numbers), max(numbers)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _numbers(row: Row) -> list[float]:
    estimate = row.estimate
    candidates = [estimate.value, estimate.low, estimate.high]
    if row.expected is not None:
        candidates.append(row.expected)
    return [number for number in candidates if isfinite(number)]


def _ticks(low: float, high: float, room: float, kind: Kind) -> tuple[list[float], list[str]]:
    """Return as many ticks, up to seven, as have room beside one another."""
    for most in (7, 6, 5, 4, 3, 2):
        places, texts = ticks(low, high, most, kind)
        if len(texts) * (room_for(texts) + 14) <= room:
            break
    return places, texts
