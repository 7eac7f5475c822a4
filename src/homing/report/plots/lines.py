"""Lines with their names at their ends, and small multiples of daily counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from homing.report.canvas import (
    ACCENT,
    INK,
    MUTED,
    RULE,
    SMALL,
    axes,
    figure,
    fit,
    spread,
    text_width,
)
from homing.report.plots.ticks import Kind, room_for, ticks


@dataclass(frozen=True)
class Line:
    """One line; `low` and `high` shade its interval where given."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dashed: bool = False
    marker: bool = False


def lines(
    drawn_lines: Sequence[Line],
    width: int,
    height: int,
    *,
    kind: Kind,
    x_ticks: Sequence[tuple[float, str]] = (),
    x_label: str = "",
    y_label: str = "",
    from_zero: bool = False,
    level: float | None = None,
    upright: float | None = None,
) -> Figure:
    """Return lines over one x axis, each named at its right end; `y_label` stands above the axis.

    `level` is a dashed horizontal line, which is in the scale, and `upright` a dotted vertical one.
    """
    drawn = figure(width, height)
    right = min(max(text_width(line.label, SMALL) for line in drawn_lines) + 16, width * 0.36)
    numbers = [
        number for line in drawn_lines for number in (*line.y, *line.low, *line.high) if isfinite(number)
    ]
    numbers += [] if level is None else [level]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    low = min(low, 0.0) if from_zero else low
    margin = (high - low) * 0.06 or abs(high) * 0.1 or (1.0 if kind == "number" else 0.05)
    low, high = (low if from_zero and low == 0 else low - margin), high + margin
    places, texts = ticks(low, high, 4, kind)
    left = room_for(texts) + 12
    top, bottom = (24 if y_label else 8), (42 if x_label else 26)
    area = axes(drawn, left, right, top, bottom)
    area.set_ylim(low, high)
    area.set_yticks(places, texts)
    area.grid(axis="y", color=RULE, linewidth=1, alpha=0.7)
    for line in drawn_lines:
        if len(line.low):
            area.fill_between(line.x, line.low, line.high, color=line.colour, alpha=0.15, linewidth=0)
        area.plot(
            line.x,
            line.y,
            color=line.colour,
            linewidth=1.4 if line.dashed else 2.0,
            linestyle=(0, (4, 3)) if line.dashed else "-",
            marker="o" if line.marker else "",
            markersize=5,
            solid_joinstyle="round",
        )
    if level is not None:
        area.axhline(level, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    if upright is not None:
        area.axvline(upright, color=INK, linewidth=1.4, linestyle=(0, (1, 2)))
    area.margins(x=0.02)
    if x_ticks:
        area.set_xticks([place for place, _ in x_ticks], [text for _, text in x_ticks])
    else:
        area.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if x_label:
        area.set_xlabel(x_label, labelpad=6)
    if y_label:
        drawn.text(0, 1 - 4 / height, fit(y_label, width, SMALL), fontsize=SMALL, color=MUTED, va="top")
    _name_ends(area, drawn_lines, right, (high - low) / (height - top - bottom))
    return drawn


def _name_ends(area: Axes, drawn_lines: Sequence[Line], room: float, pixel: float) -> None:
    ends = []
    for line in drawn_lines:
        known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if isfinite(y)]
        if known:
            ends.append((line, known[-1][1]))
    heights = spread([y for _, y in ends], 15 * pixel)
    for (line, _), height in zip(ends, heights, strict=True):
        area.annotate(
            fit(line.label, room - 12, SMALL),
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=line.colour,
            annotation_clip=False,
        )


def multiples(
    named: Sequence[tuple[str, Sequence[float], str]], x_ticks: Sequence[tuple[int, str]], width: int
) -> Figure:
    """Return one small area plot for each series, every one on its own scale from zero.

    Args:
        named: name, numbers at 0, 1, 2 ..., and a text that stands beside the name.
        x_ticks: places and texts under the lowest row of each column.
        width: of the figure, pixels.
    """
    columns = max(1, min(len(named), width // 190))
    deep = -(-len(named) // columns)
    high, gap = 108, 26
    drawn = figure(width, high * deep - 12)
    wide = (width - gap * (columns - 1)) / columns
    for place, (name, numbers, text) in enumerate(named):
        row, column = divmod(place, columns)
        left = column * (wide + gap)
        area = axes(drawn, left, width - left - wide, row * high + 24, (deep - 1 - row) * high + 22)
        x = np.arange(len(numbers))
        y = np.asarray(numbers, float)
        area.fill_between(x, y, 0, color=ACCENT, alpha=0.16, linewidth=0)
        marker = "o" if len(numbers) == 1 else ""  # one day makes no line
        area.plot(x, y, color=ACCENT, linewidth=1.6, marker=marker, markersize=5, clip_on=len(numbers) > 1)
        most = float(np.nanmax(y)) if np.isfinite(y).any() else 0.0
        area.set_ylim(0, most * 1.08 or 1)
        area.set_xlim(0, max(len(numbers) - 1, 1))
        area.set_yticks([])
        area.set_xticks([at for at, _ in x_ticks], [word for _, word in x_ticks])
        ends = area.get_xticklabels()
        ends[0].set_horizontalalignment("left")
        ends[-1].set_horizontalalignment("right" if len(ends) > 1 else "left")
        y_top = 1 + 6 / (high - 50)
        space = wide - text_width(text, SMALL) - 8
        area.text(0, y_top, fit(name, space), color=INK, transform=area.transAxes, va="bottom")
        area.text(
            1, y_top, text, color=MUTED, fontsize=SMALL, transform=area.transAxes, ha="right", va="bottom"
        )
    return drawn


def calibration(
    predicted: Sequence[float],
    observed: Sequence[tuple[float, float, float]],
    width: int,
    kind: Kind,
) -> Figure:
    """Return observed (value, low, high) over predicted means, beside the diagonal of perfect calibration."""
    height = round(width * 0.72)
    drawn = figure(width, height)
    known = [
        number for number in (*predicted, *(bound for row in observed for bound in row)) if isfinite(number)
    ]
    low, high = (min(0.0, *known), max(known)) if known else (0.0, 1.0)
    high = high if high > low else low + 1.0
    reach = (high - low) * 1.04
    places, texts = ticks(low, low + reach, 4, kind)
    area = axes(drawn, room_for(texts) + 12, 14, 24, 42)
    area.set_xlim(low, low + reach)
    area.set_ylim(low, low + reach)
    area.set_xticks(places, texts)
    area.set_yticks(places, texts)
    area.grid(color=RULE, linewidth=1, alpha=0.6)
    area.plot([low, low + reach], [low, low + reach], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    for x, (value, lower, upper) in zip(predicted, observed, strict=True):
        if isfinite(lower) and isfinite(upper):
            area.plot([x, x], [lower, upper], color=ACCENT, linewidth=2, alpha=0.5, solid_capstyle="round")
        area.plot(x, value, marker="o", markersize=6, color=ACCENT, markeredgewidth=0)
    area.set_xlabel("predicted", labelpad=6)
    drawn.text(0, 1 - 4 / height, "observed", fontsize=SMALL, color=MUTED, va="top")
    return drawn
