"""For whom the effect is another one, and whether it depends on experiments that ran at the same time."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from homing.report.canvas import ACCENT, MUTED
from homing.report.experiment import Crossing, Readout, Segment
from homing.report.facts import Estimate
from homing.report.numbers import change, difference, split
from homing.report.plots.forest import Row, forest
from homing.report.view import Block, Cell, Section, Table, count_cell, number_cell, picture, slug
from homing.report.words import crossings_in_words, segments_in_words


def segments_section(facts: Readout) -> Section | None:
    """Return the effect on each metric in every segment, with what may be said of it first."""
    if not facts.segments:
        return None
    lead = (
        f"{segments_in_words(facts)} Users are split by what they were at entry. Plots have the effect in "
        "each segment, with the interval of this look alone; what differs is judged for all together (Holm)."
    )
    blocks: list[Block] = []
    for metric, arm in dict.fromkeys((each.metric, each.arm) for each in facts.segments):
        mine = [each for each in facts.segments if (each.metric, each.arm) == (metric, arm)]
        blocks += [*_figure(facts, metric, arm, mine), _table(facts, metric, arm, mine)]
    return Section("segments", "Segments", lead, tuple(blocks))


def crossings_section(facts: Readout) -> Section | None:
    """Return how effects depend on the arms of other experiments; None where there were none."""
    if not facts.crossings:
        return None
    rows = tuple(
        (
            Cell(each.metric, detail=each.arm),
            Cell(f"{each.other_arm} of {each.other}", detail=f"against {each.other_control}"),
            _effect(facts, Estimate(each.alone)),
            _effect(facts, Estimate(each.together)),
            _compared(facts, each),
            number_cell(each.p_value),
            count_cell(each.users),
        )
        for each in facts.crossings
    )
    columns = ("Metric", "Other experiment", "Effect without", "Effect with", "Difference", "p", "Users")
    lead = (
        f"{crossings_in_words(facts)} Each effect under the other experiment's control and under its arm, "
        f"and {_scale(facts)}. Intervals hold for all of them together; p is of each alone."
    )
    return Section("crossings", "Other experiments", lead, (Table(columns, rows),))


def _figure(facts: Readout, metric: str, arm: str, segments: list[Segment]) -> list[Block]:
    whole = next((s for s in facts.scores if (s.metric, s.arm) == (metric, arm)), None)
    reference = None
    if whole is not None:
        reference = (whole.relative if facts.scale == "relative" else whole.absolute).value
    rows = [
        Row(
            f"{each.column}: {each.name}",
            each.effect,
            _text(facts, each.effect),
            ACCENT if each.differs else MUTED,
            word="differs" if each.differs else "",
            strong=each.differs,
        )
        for each in segments
        if isfinite(each.effect.low)
    ]
    if not rows:
        return []
    drawn = picture(
        f"segments-{slug([metric, arm])}",
        f"{metric}: {arm} against {facts.control}, by segment",
        lambda width: forest(
            rows, width, "change" if facts.scale == "relative" else "number", reference=reference
        ),
        description="; ".join(f"{row.label} {row.text}" for row in rows),
        note="Dashed: the effect on all.",
    )
    return [drawn]


def _table(facts: Readout, metric: str, arm: str, segments: list[Segment]) -> Table:
    rows = tuple(
        (
            Cell(each.name, detail=each.column),
            _effect(facts, each.effect),
            _effect(facts, Estimate(each.rest)),
            _compared(facts, each),
            number_cell(each.p_value),
            count_cell(each.users),
        )
        for each in segments
    )
    columns = ("Segment", "Effect", "In all others", "Difference", "p", "Users")
    return Table(columns, rows, caption=f"{metric} of {arm}; {_scale(facts)}", folded=True)


def _scale(facts: Readout) -> str:
    if facts.scale == "relative":
        return "their difference as (1 + one) / (1 + other) - 1"
    return "their difference"


def _effect(facts: Readout, effect: Estimate) -> Cell:
    number, bracket = split(_text(facts, effect))
    return Cell(number, effect.value if isfinite(effect.value) else None, detail=bracket)


def _compared(facts: Readout, each: Segment | Crossing) -> Cell:
    return replace(_effect(facts, each.difference), chip="neutral" if each.differs else "")


def _text(facts: Readout, estimate: Estimate) -> str:
    return change(estimate) if facts.scale == "relative" else difference(estimate, "number")
