"""Horizontal bars and the waterfall of the funnel, labelled directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from homing.report.canvas import (
    ACCENT,
    FONT,
    INK,
    MUTED,
    ON_ACCENT,
    RULE,
    SMALL,
    axes,
    figure,
    fit,
    text_width,
)

_ROW = 26
_STACKED_ROW = 42  # where labels stand above their bars, on a phone
_BESIDE_FROM = 520  # pixels of width
_LABEL_SHARE = 0.34
_THICK = 15
_BOLD = 1.12  # how much wider bold text is


@dataclass(frozen=True)
class Bar:
    """One row: from `start` to `end`, with a text behind it."""

    label: str
    start: float
    end: float
    text: str
    colour: str = ACCENT
    strong: bool = False  # a total rather than a part
    note: str = ""  # behind the text, muted; left out where it does not fit


def bars(rows: Sequence[Bar], width: int) -> Figure:
    """Return horizontal bars from top to bottom; label at the left, text behind the bar."""
    labels = max((text_width(row.label) * (_BOLD if row.strong else 1) for row in rows), default=0)
    stacked = width < _BESIDE_FROM and labels + 14 > width * _LABEL_SHARE
    left = 0.0 if stacked else min(labels + 14, width * _LABEL_SHARE)
    texts = max((text_width(row.text, SMALL) for row in rows), default=0) + 12
    notes = max((text_width(row.note, SMALL) for row in rows), default=0)
    right = min(texts + (notes + 10 if notes else 0), width * 0.4)
    high = _STACKED_ROW if stacked else _ROW
    drawn = figure(width, high * len(rows) + 6)
    area = axes(drawn, left, right, 3, 3)
    area.set_axis_off()
    longest = float(max((row.end for row in rows), default=0)) or 1.0
    area.set_xlim(0, longest)
    area.set_ylim(len(rows) - (0.7 if stacked else 0.5), -0.7 if stacked else -0.5)
    pixel = longest / (width - left - right)
    for place, row in enumerate(rows):
        length = max(float(row.end - row.start), 1.5 * pixel if row.end > row.start else 0)
        if length:
            area.barh(place, length, left=row.start, height=_THICK / high, color=row.colour, linewidth=0)
        if row.start > 0:
            area.plot([0, row.start], [place, place], color=RULE, linewidth=1, solid_capstyle="butt")
        weight = "bold" if row.strong else "normal"
        space = float(width) if stacked else left - 12
        label = fit(row.label, space / (_BOLD if row.strong else 1))
        line = place - 0.42 if stacked else place
        area.text(-left * pixel, line, label, va="center", fontsize=FONT, fontweight=weight, color=INK)
        behind = row.start + length + 7 * pixel
        area.text(behind, place, row.text, va="center", fontsize=SMALL, color=INK, clip_on=False)
        after = behind + (text_width(row.text, SMALL) + 10) * pixel
        if row.note and after / pixel + text_width(row.note, SMALL) < width - left:
            area.text(after, place, row.note, va="center", fontsize=SMALL, color=MUTED, clip_on=False)
    return drawn


def heat(rows: Sequence[tuple[str, Sequence[int]]], texts: Sequence[Sequence[str]], width: int) -> Figure:
    """Return rows x 24 local hours as cells whose depth is their share of the greatest.

    Args:
        rows: label and 24 counts.
        texts: rows x 24 texts for the cells; shown where they fit.
        width: of the figure, pixels.
    """
    left = min(max(text_width(label) for label, _ in rows) + 12, width * 0.24)
    cell = (width - left) / 24
    high = 34
    drawn = figure(width, high * len(rows) + 28)
    area = axes(drawn, left, 0, 2, 26)
    area.spines["bottom"].set_visible(False)
    area.set_xlim(0, 24)
    area.set_ylim(len(rows), 0)
    most = max((count for _, counts in rows for count in counts), default=0) or 1
    for place, (label, counts) in enumerate(rows):
        area.text(-left / cell, place + 0.5, fit(label, left - 12), va="center", fontsize=FONT, color=INK)
        for hour, count in enumerate(counts):
            depth = count / most
            area.add_patch(
                Rectangle(
                    (hour + 1 / cell, place + 1 / high),
                    1 - 2 / cell,
                    1 - 2 / high,
                    linewidth=0,
                    facecolor=ACCENT if count else RULE,
                    alpha=0.12 + 0.88 * depth if count else 0.35,
                )
            )
            text = texts[place][hour]
            if count and text_width(text, 10) < cell - 4:
                colour = ON_ACCENT if depth > 0.5 else INK
                area.text(hour + 0.5, place + 0.5, text, ha="center", va="center", fontsize=10, color=colour)
    step = 3 if width > 500 else 6
    area.set_xticks(
        [hour + 0.5 for hour in range(0, 24, step)], [f"{hour:02d}" for hour in range(0, 24, step)]
    )
    area.set_yticks([])
    return drawn
