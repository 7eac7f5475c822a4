"""The rule by weights: each arm as one sum, and how the answer turns with the weight of one metric."""

from __future__ import annotations

from math import isfinite

from homing.report.canvas import CYCLE
from homing.report.experiment import ArmWorth, Readout, WeightCurve
from homing.report.numbers import difference, significant
from homing.report.plots.lines import Line, lines
from homing.report.plots.ticks import ticks
from homing.report.view import Block, Cell, Picture, Section, Table, difference_cell, picture, slug
from homing.report.words import ANSWERS, TONES

_HEIGHT = 230


def worth_section(facts: Readout) -> Section | None:
    """Return the sums of all arms, one plot for each metric, and the weights at which the answer turns."""
    if not facts.worth:
        return None
    lead = (
        "What an arm changes as one sum per user: each difference times what one unit of it is worth. The "
        "interval ends where the rule by weights looks: below with the chance to ship what is no better, "
        "above with that of a false alarm of harm."
    )
    rows = tuple(
        (
            Cell(each.arm, detail=_parts(each)),
            difference_cell(each.worth, "number"),
            Cell(ANSWERS[each.answer], chip=TONES[each.answer]),
        )
        for each in facts.worth
    )
    blocks: list[Block] = [Table(("Arm", "Worth per user", "Answer"), rows)]
    metrics = dict.fromkeys(curve.metric for each in facts.worth for curve in each.curves)
    blocks += [_figure(facts, metric) for metric in metrics]
    turns = tuple(
        (
            Cell(curve.metric),
            Cell(each.arm),
            Cell(significant(curve.weight), curve.weight),
            Cell(_turns(curve)),
        )
        for metric in metrics
        for each in facts.worth
        for curve in each.curves
        if curve.metric == metric
    )
    if turns:
        columns = ("Metric", "Arm", "Worth of one", "The answer turns at")
        blocks.append(Table(columns, turns, caption="Where the answer turns, the other weights as they are"))
    return Section("worth", "One sum", lead, tuple(blocks))


def _parts(each: ArmWorth) -> str:
    parts = [
        f"{part.metric} {significant(part.difference)} × {significant(part.weight)}"
        for part in each.parts
        if isfinite(part.difference)
    ]
    return " + ".join(parts)


def _turns(curve: WeightCurve) -> str:
    """Return the turns in words."""
    if not curve.turns:
        return "no weight"
    told = [
        f"{significant(turn.weight)}: {ANSWERS[turn.below]} to {ANSWERS[turn.above]}" for turn in curve.turns
    ]
    return "; ".join(told)


def _figure(facts: Readout, metric: str) -> Picture:
    curves = [(each, curve) for each in facts.worth for curve in each.curves if curve.metric == metric]
    drawn = [
        Line(
            each.arm,
            [point.weight for point in curve.points],
            [point.worth.value for point in curve.points],
            CYCLE[place % len(CYCLE)],
            [point.worth.low for point in curve.points],
            [point.worth.high for point in curve.points],
        )
        for place, (each, curve) in enumerate(curves)
    ]
    weight = curves[0][1].weight
    top = max(line.x[-1] for line in drawn)
    places, texts = ticks(0.0, top, 4, "number")
    told = [f"{each.arm} {difference(each.worth, 'number')}" for each, _ in curves]
    return picture(
        f"worth-{slug([metric])}",
        f"Worth per user against the weight of {metric}",
        lambda width: lines(
            drawn,
            width,
            _HEIGHT,
            kind="number",
            x_ticks=tuple(zip(places, texts, strict=True)),
            x_label=f"worth of one {metric}",
            level=0.0,
            upright=weight,
        ),
        description=f"at {weight:g}: {'; '.join(told)}",
        half=True,
        note=f"Dotted: the weight that it has, {significant(weight)}. Dashed: as good as the control.",
    )
