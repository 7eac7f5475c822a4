"""Estimates with intervals, one a row, around a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from homing.report.canvas import FONT, INK, MUTED, PAPER, RULE, SMALL, axes, figure, fit, text_width
from homing.report.facts import Estimate

_ROW = 27
_TEXT_FROM = 520  # pixels of width from which the numbers are written beside the rows


@dataclass(frozen=True)
class Row:
    """One estimate."""

    label: str
    estimate: Estimate
    text: str  # the numbers, as people read them
    colour: str
    strong: bool = False
    trusted: bool = True  # else hollow and faint, and not part of the scale
    expected: float | None = None  # a mark beside the estimate, such as what was promised


def forest(
    rows: Sequence[Row],
    width: int,
    tick: Callable[[float], str],
    *,
    reference: float | None = None,
    band: tuple[float, float] | None = None,
    guardrail: float | None = None,
) -> Figure:
    """Return rows of estimates with intervals from top to bottom.

    Args:
        rows: from top to bottom.
        width: of the figure, pixels.
        tick: the text of a number on the axis.
        reference: a dashed vertical line.
        band: a shaded vertical band, such as the interval of the reference.
        guardrail: a dotted vertical line.
    """
    drawn = figure(width, _ROW * len(rows) + 34)
    left = min(max(text_width(row.label) * (1.06 if row.strong else 1) for row in rows) + 14, width * 0.34)
    beside = width >= _TEXT_FROM
    right = max(text_width(row.text, SMALL) for row in rows) + 20 if beside else 10
    area = axes(drawn, left, right, 4, 28)
    low, high = _limits(rows, [reference, guardrail, *(band or ())])
    area.set_xlim(low, high)
    area.set_ylim(len(rows) - 0.4, -0.6)
    area.set_yticks([])
    area.xaxis.set_major_locator(MaxNLocator(_ticks(low, high, width - left - right, tick)))
    area.xaxis.set_major_formatter(FuncFormatter(lambda number, _: tick(number)))
    area.grid(axis="x", color=RULE, linewidth=1, alpha=0.6)
    if band is not None and all(map(isfinite, band)):
        area.axvspan(*band, color=MUTED, alpha=0.14, linewidth=0)
    if reference is not None and isfinite(reference):
        area.axvline(reference, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    if guardrail is not None:
        area.axvline(guardrail, color=INK, linewidth=1.2, linestyle=(0, (1, 2)))
    pixel = (high - low) / (width - left - right)
    for place, row in enumerate(rows):
        weight = "bold" if row.strong else "normal"
        area.text(
            low - 12 * pixel,
            place,
            fit(row.label, left - 14),
            ha="right",
            va="center",
            fontsize=FONT,
            fontweight=weight,
            color=INK if row.trusted else MUTED,
        )
        if beside:
            area.text(
                high + (right - 2) * pixel,
                place,
                row.text,
                ha="right",
                va="center",
                fontsize=SMALL,
                color=INK if row.trusted else MUTED,
            )
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


def _ticks(low: float, high: float, room: float, tick: Callable[[float], str]) -> int:
    widest = max(text_width(tick(number), SMALL) for number in (low, (low + high) / 2, high))
    return max(2, min(8, int(room / (widest + 26))))
