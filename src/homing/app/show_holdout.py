"""A global holdout for people: short tables on a terminal."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from homing.app.show import table
from homing.app.show_experiment import checks_table, estimate, number
from homing.report.words import ANSWERS

if TYPE_CHECKING:
    from homing.report.holdout import HoldoutDifference, HoldoutFacts

_COLOURS = {"good": "green", "bad": "red", "neutral": ""}


def holdout(console: Console, found: HoldoutFacts, page: Path) -> None:
    """Print what all messages together changed, since the start and by period, and the quality checks."""
    style = f"bold {_COLOURS.get(found.header.tone, '')}".strip()
    console.print(Text(found.header.verdict, style), highlight=False)
    console.print()
    checks_table(console, found.checks)
    heads = ("others", "held out", "difference", "in %")
    last = found.periods[-1]
    total = [
        (each.metric, ANSWERS[each.answer] if each.direction != "none" else "", *_row(each.cumulative[-1]))
        for each in found.metrics
    ]
    title = (
        f"Since {found.starts_at}, per user and {found.every}: {last.held:,} held out, {last.rest:,} others"
    )
    table(console, title, ("metric", "finding", *heads), total, left=2)
    rows = [
        (each.metric, period.label, *_row(apart))
        for each in found.metrics
        for period, apart in zip(found.periods, each.by_period, strict=True)
    ]
    table(console, f"Each {found.every}, per user", ("metric", found.every, *heads), rows, left=2)
    for alert in found.alerts:
        colour = "yellow" if alert.level == "warning" else "dim"
        console.print(f"{alert.level}:", alert.sentence, style=colour, markup=False, highlight=False)
    console.print(f"page: {page}", markup=False, soft_wrap=True)


def _row(apart: HoldoutDifference) -> tuple[str, ...]:
    share = "-"
    if isfinite(apart.relative.value):
        value, low, high = (100 * x for x in (apart.relative.value, apart.relative.low, apart.relative.high))
        share = f"{value:+.3g} [{low:.3g}, {high:.3g}]"
    return number(apart.level), number(apart.held), estimate(apart.absolute, sign="+"), share
