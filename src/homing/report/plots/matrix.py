"""A matrix of shares as cells whose depth is the share, with a second line where it changes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from homing.report.canvas import ACCENT, FONT, INK, MUTED, ON_ACCENT, SMALL, axes, figure, fit, text_width

_HIGH = 44
_TOP = 24


def matrix(
    rows: Sequence[tuple[str, str]],
    columns: Sequence[str],
    shares: Sequence[Sequence[float]],
    texts: Sequence[Sequence[tuple[str, str]]],
    width: int,
) -> Figure:
    """Return rows x columns of cells.

    Args:
        rows: label, and a muted text under it.
        columns: labels above.
        shares: in [0, 1], by row and column; NaN: none, an empty cell.
        texts: of the cells, two lines each; shown where they fit.
        width: of the figure, pixels.
    """
    labels = max(max(text_width(label), text_width(note, SMALL)) for label, note in rows)
    left = min(labels + 12, width * 0.27)
    cell = (width - left) / len(columns)
    drawn = figure(width, _HIGH * len(rows) + _TOP)
    area = axes(drawn, left, 0, _TOP, 0)
    area.set_axis_off()
    area.set_xlim(0, len(columns))
    area.set_ylim(len(rows), 0)
    for place, name in enumerate(columns):
        text = fit(name, cell - 4, SMALL)
        area.text(place + 0.5, -7 / _HIGH, text, ha="center", fontsize=SMALL, color=MUTED)
    for row, (label, note) in enumerate(rows):
        area.text(-left / cell, row + 0.36, fit(label, left - 8), va="center", fontsize=FONT, color=INK)
        under = fit(note, left - 8, SMALL)
        area.text(-left / cell, row + 0.7, under, va="center", fontsize=SMALL, color=MUTED)
        for column, share in enumerate(shares[row]):
            if not share >= 0:
                continue
            area.add_patch(
                Rectangle(
                    (column + 1 / cell, row + 1 / _HIGH),
                    1 - 2 / cell,
                    1 - 2 / _HIGH,
                    linewidth=0,
                    facecolor=ACCENT,
                    alpha=0.06 + 0.94 * min(share, 1.0),
                )
            )
            first, second = texts[row][column]
            colour = ON_ACCENT if share > 0.5 else INK
            for text, at, size in ((first, 0.36 if second else 0.5, FONT), (second, 0.7, 10)):
                if text and text_width(text, size) < cell - 2:
                    area.text(
                        column + 0.5, row + at, text, ha="center", va="center", fontsize=size, color=colour
                    )
    return drawn
