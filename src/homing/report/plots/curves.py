"""Curves over steps, each on its own scale; and two numbers against each other along such curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from homing.report.canvas import ACCENT, INK, MUTED, PAPER, RULE, SMALL, axes, figure, fit
from homing.report.facts import Estimate
from homing.report.plots.ticks import Kind, room_for, ticks

_LEAST = 150  # pixels of a panel's width
_HIGH, _GAP = 132, 22
_TOP, _BOTTOM = 24, 24


@dataclass(frozen=True)
class Panel:
    """One number over evenly spaced steps, with its intervals."""

    title: str
    estimates: Sequence[Estimate]
    kind: Kind
    trusted: Sequence[bool]
    guardrail: float | None = None  # a dotted line, where it is on the scale


def curves(panels: Sequence[Panel], steps: Sequence[str], here: int, width: int) -> Figure:
    """Return one small plot for each panel.

    Args:
        panels: from left to right and from top to bottom.
        steps: texts of the steps; a few are written under each panel.
        here: the step at which things are today, marked on every curve.
        width: of the figure, pixels.
    """
    columns = max(1, min(len(panels), width // _LEAST))
    rows = -(-len(panels) // columns)
    drawn = figure(width, _HIGH * rows - 4)
    wide = (width - _GAP * (columns - 1)) / columns
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        start = column * (wide + _GAP)
        box = (start, width - start - wide, row * _HIGH + _TOP, (rows - 1 - row) * _HIGH + _BOTTOM)
        _panel(drawn, panel, steps, here, box)
    return drawn


def _panel(
    drawn: Figure, panel: Panel, steps: Sequence[str], here: int, box: tuple[float, float, float, float]
) -> None:
    low, high = _limits(panel)
    places, texts = ticks(low, high, 3, panel.kind)
    left, right, top, bottom = box
    inset = room_for(texts) + 10
    area = axes(drawn, left + inset, right, top, bottom)
    area.set_ylim(low, high)
    area.set_xlim(-0.3, len(steps) - 0.7)
    area.set_yticks(places, texts)
    area.grid(axis="y", color=RULE, linewidth=1, alpha=0.7)
    marks = sorted({0, here, len(steps) - 1})
    area.set_xticks(marks, [steps[mark] for mark in marks])
    x = np.arange(len(steps))
    ends = np.array([(one.low, one.high) for one in panel.estimates], float)
    area.fill_between(x, ends[:, 0], ends[:, 1], color=ACCENT, alpha=0.18, linewidth=0)
    y = [one.value for one in panel.estimates]
    _line(area, x.tolist(), y, ACCENT, panel.trusted)
    if isfinite(y[here]):
        area.axhline(y[here], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    if panel.guardrail is not None and low <= panel.guardrail <= high:
        area.axhline(panel.guardrail, color=INK, linewidth=1.4, linestyle=(0, (1, 2)))
    _today(area, here, y[here])
    size = drawn.get_size_inches() * 72
    room = float(size[0]) - left - right
    drawn.text(left / size[0], 1 - (top - _TOP + 4) / size[1], fit(panel.title, room), color=INK, va="top")


def _line(area: Axes, x: Sequence[float], y: Sequence[float], colour: str, trusted: Sequence[bool]) -> None:
    """Draw a line through all points; those that are not to be trusted are hollow."""
    area.plot(x, y, color=colour, linewidth=1.6, marker="o", markersize=4.5, clip_on=False)
    hollow = [place for place, sound in enumerate(trusted) if not sound]
    if hollow:
        at = [x[place] for place in hollow], [y[place] for place in hollow]
        area.plot(*at, "o", markersize=4.5, color=colour, markerfacecolor=PAPER, clip_on=False)


def _today(area: Axes, x: float, y: float) -> None:
    if isfinite(x) and isfinite(y):
        area.plot(x, y, marker="o", markersize=8, color=INK, markeredgewidth=0, zorder=4, clip_on=False)


def _limits(panel: Panel) -> tuple[float, float]:
    """Return a scale that shows what can be trusted, and a guardrail that is near."""
    sound = [one for one, trusted in zip(panel.estimates, panel.trusted, strict=True) if trusted]
    numbers = [n for one in sound or panel.estimates for n in (one.value, one.low, one.high) if isfinite(n)]
    if not numbers:
        return 0.0, 1.0
    low, high = min(numbers), max(numbers)
    reach = (high - low) or abs(high) * 0.1 or 1.0
    if panel.guardrail is not None and low - reach <= panel.guardrail <= high + reach:
        low, high = min(low, panel.guardrail), max(high, panel.guardrail)
    return low - 0.08 * reach, high + 0.08 * reach


@dataclass(frozen=True)
class Path:
    """Points in the order of a weight."""

    labels: Sequence[str]  # of the points; that of the last one to be trusted is written
    colour: str
    points: Sequence[tuple[Estimate, Estimate]]  # across and up
    trusted: Sequence[bool]


def paths(
    drawn_paths: Sequence[Path],
    width: int,
    kinds: tuple[Kind, Kind],
    labels: tuple[str, str],
    *,
    here: tuple[float, float],
    guardrail: float | None = None,
) -> Figure:
    """Return two numbers against each other along paths that meet where things are today.

    Args:
        drawn_paths: with intervals of both numbers as thin crosses.
        width: of the figure, pixels.
        kinds: of the axes, across and up.
        labels: of the axes.
        here: the point of today.
        guardrail: a dotted vertical line, where it is on the scale.
    """
    height = round(width * 0.78)
    drawn = figure(width, height)
    (left_end, right_end), (low, high) = (_extent(drawn_paths, axis) for axis in (0, 1))
    places, texts = ticks(low, high, 4, kinds[1])
    area = axes(drawn, room_for(texts) + 12, 12, 24, 42)
    area.set_xlim(left_end, right_end)
    area.set_ylim(low, high)
    area.set_yticks(places, texts)
    area.set_xticks(*ticks(left_end, right_end, 4, kinds[0]))
    area.grid(color=RULE, linewidth=1, alpha=0.6)
    if guardrail is not None and left_end <= guardrail <= right_end:
        area.axvline(guardrail, color=INK, linewidth=1.4, linestyle=(0, (1, 2)))
    for path in drawn_paths:
        _path(area, path, here)
    _today(area, *here)
    area.set_xlabel(labels[0], labelpad=6)
    drawn.text(0, 1 - 4 / height, fit(labels[1], width, SMALL), fontsize=SMALL, color=MUTED, va="top")
    return drawn


def _path(area: Axes, path: Path, here: tuple[float, float]) -> None:
    across, up = ([one[axis].value for one in path.points] for axis in (0, 1))
    crosses: list[tuple[float, float]] = []
    for (x, y), trusted in zip(path.points, path.trusted, strict=True):
        if trusted:
            crosses += [(x.low, y.value), (x.high, y.value), (nan, nan)]
            crosses += [(x.value, y.low), (x.value, y.high), (nan, nan)]
    if crosses:
        area.plot(*zip(*crosses, strict=True), color=path.colour, linewidth=1, alpha=0.35)
    _line(area, across, up, path.colour, path.trusted)
    sound = [k for k, trusted in enumerate(path.trusted) if trusted and isfinite(across[k] + up[k])]
    if sound:
        end = sound[-1]
        right, above = across[end] > here[0], up[end] > here[1]
        area.annotate(
            path.labels[end],
            (across[end], up[end]),
            xytext=(8 if right else -8, 6 if above else -14),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=SMALL,
            color=path.colour,
        )


def _extent(drawn_paths: Sequence[Path], axis: int) -> tuple[float, float]:
    numbers = [
        number
        for path in drawn_paths
        for point, trusted in zip(path.points, path.trusted, strict=True)
        for number in (point[axis].value, point[axis].low, point[axis].high)
        if isfinite(number) and trusted
    ]
    if not numbers:
        return 0.0, 1.0
    low, high = min(numbers), max(numbers)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin
