"""A global holdout: what all messages together changed, since its start and in every quarter or month."""

from __future__ import annotations

from math import isfinite, nan

from homing.report.canvas import ACCENT, BAD, GOOD, MUTED
from homing.report.facts import Estimate
from homing.report.holdout import HoldoutDifference, HoldoutFacts, HoldoutMetric
from homing.report.numbers import change, compact, difference, moment, percent, span, split
from homing.report.plots.forest import Row, forest
from homing.report.plots.lines import Line, lines
from homing.report.sections.checks import checks_table
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    Tile,
    count_cell,
    difference_cell,
    number_cell,
    picture,
    slug,
)
from homing.report.words import ANSWERS, TONES

_COLOURS = {"better": GOOD, "worse": BAD}
_HEIGHT = 210


def holdout_tiles(facts: HoldoutFacts) -> tuple[Tile, ...]:
    """Return what the holdout is of."""
    last = facts.periods[-1]
    return (
        Tile("Held out", compact(last.held), f"{percent(facts.share)} of users; {facts.policy} for them"),
        Tile("Others", compact(last.rest)),
        Tile("Read", span(facts.starts_at, facts.until)),
        Tile(f"{facts.every.title()}s", f"{sum(each.length for each in facts.periods):.3g}"),
    )


def holdout_sections(facts: HoldoutFacts) -> tuple[Section, ...]:
    """Return the sections: since the start, by period, quality, and how to read them."""
    return (_cumulative(facts), _by_period(facts), _quality(facts), _reading(facts))


def _cumulative(facts: HoldoutFacts) -> Section:
    lead = (
        f"Other users less those held out, per user and {facts.every} since each user's entry, until "
        f"{moment(facts.until)}. Intervals hold for all metrics and every time of looking together."
    )
    rows = [
        Row(
            each.metric,
            each.cumulative[-1].relative,
            change(each.cumulative[-1].relative),
            _COLOURS.get(each.answer, MUTED),
            word=ANSWERS[each.answer] if each.direction != "none" else "",
        )
        for each in facts.metrics
        if isfinite(each.cumulative[-1].relative.value)
    ]
    blocks: list[Block] = []
    if rows:
        blocks.append(
            picture(
                "holdout",
                "Other users against those held out, relative difference",
                lambda width: forest(rows, width, "change", reference=0.0),
                description="; ".join(f"{row.label} {row.text}" for row in rows),
            )
        )
    table = tuple(
        (
            Cell(each.metric, detail=each.meaning + _less(each)),
            Cell(ANSWERS[each.answer], chip=TONES[each.answer]) if each.direction != "none" else Cell(""),
            *_numbers(each.cumulative[-1], each),
        )
        for each in facts.metrics
    )
    columns = ("Metric", "Finding", "Others", "Held out", "Difference", "Relative")
    blocks.append(Table(columns, table, caption="Since the start"))
    return Section("cumulative", "Since the start", lead, tuple(blocks))


def _by_period(facts: HoldoutFacts) -> Section:
    lead = (
        f"Each {facts.every} alone, over users who had entered by its end, with intervals of its own. Plots "
        "have what had been found since the start by each of them."
    )
    blocks: list[Block] = [
        plot for each in facts.metrics if (plot := _figure(facts, each)) is not None
    ]  # fmt: skip
    rows = tuple(
        (
            Cell(each.metric),
            Cell(period.label, detail="" if period.length == 1 else "a part"),
            *_numbers(found, each),
            count_cell(period.held),
        )
        for each in facts.metrics
        for period, found in zip(facts.periods, each.by_period, strict=True)
    )
    columns = (
        "Metric",
        facts.every.title(),
        "Others",
        "Held out",
        "Difference",
        "Relative",
        "Held-out users",
    )
    alone = Table(columns, rows, f"Every metric, each {facts.every} alone", folded=True)
    return Section("periods", f"By {facts.every}", lead, (*blocks, alone))


def _figure(facts: HoldoutFacts, each: HoldoutMetric) -> Picture | None:
    """Return the cumulative difference at the end of each period; None where there is no line to draw."""
    relative = all(isfinite(found.relative.low) for found in each.cumulative)
    points = [found.relative if relative else found.absolute for found in each.cumulative]
    points = [found if isfinite(found.low) else Estimate(nan, nan, nan) for found in points]
    if len(points) < 2 or not any(isfinite(point.value) for point in points):
        return None
    x = list(range(len(points)))
    drawn = Line(
        "",
        x,
        [p.value for p in points],
        ACCENT,
        [p.low for p in points],
        [p.high for p in points],
        marker=True,
    )
    step = -(-len(x) // 4)
    return picture(
        f"holdout-{slug([each.metric])}",
        f"{each.metric}, since the start",
        lambda width: lines(
            [drawn],
            width,
            _HEIGHT,
            kind="change" if relative else "number",
            x_ticks=[(place, facts.periods[place].label) for place in x[::step]],
            level=0.0,
        ),
        description="; ".join(
            f"{period.label} {change(point) if relative else difference(point, each.unit)}"
            for period, point in zip(facts.periods, points, strict=True)
        ),
        half=True,
        note="relative" if relative else "per user",
    )


def _numbers(found: HoldoutDifference, each: HoldoutMetric) -> tuple[Cell, ...]:
    number, bracket = split(change(found.relative))
    value = found.relative.value if isfinite(found.relative.value) else None
    return (
        number_cell(found.level, each.unit),
        number_cell(found.held, each.unit),
        difference_cell(found.absolute, each.unit),
        Cell(number, value, detail=bracket),
    )


def _less(each: HoldoutMetric) -> str:
    return f", {percent(each.noise_taken, 2)} less variance" if each.noise_taken >= 0.01 else ""


def _quality(facts: HoldoutFacts) -> Section:
    lead = "Where a check fails, the sides differ by more than messages, and nothing here may be read."
    return Section("quality", "Quality", lead, (checks_table(facts.checks),))


def _reading(facts: HoldoutFacts) -> Section:
    texts = (
        "Who is held out is told by a hash of the user's id, for good. Users count from the start, or from "
        "their sign-up, and never cease to: who leaves has nothing, which is an effect.",
        "Differences are less what users had done in the four weeks before anybody was held out (CUPED), "
        "where both sides have users enough; levels are as they were seen.",
        f"For users who are held out decides `{facts.policy}`; the others had all that was decided, by "
        "experiments, too. The difference is of all messages together, not of what each is worth.",
    )
    return Section("reading", "How to read this", "", tuple(Text(text) for text in texts))
