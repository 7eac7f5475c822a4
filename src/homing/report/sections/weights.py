"""What other weights would do: each objective over each weight, and objectives against each other."""

from __future__ import annotations

from math import nan

from homing.report.canvas import ACCENT, CYCLE
from homing.report.facts import (
    Estimate,
    ObjectiveValues,
    PointValue,
    TradeOffs,
    Unit,
    Values,
    WeightPoint,
    WeightSweep,
)
from homing.report.numbers import confidence, plain, significant
from homing.report.plots.curves import Panel, Path, curves, paths
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    difference_cell,
    interval_cell,
    judgement_cell,
    number_cell,
    picture,
    slug,
)

_NOTE = (
    "Hollow: do not trust. Dashed: today. Bands and crosses are of the change from today’s weights, which is "
    "paired and known better than the value itself."
)


def weights_section(found: TradeOffs, values: Values | None) -> Section:
    """Trade-offs: nothing is retrained, because values are vectors until the last moment."""
    known = {one.objective: one for one in values.objectives} if values else {}
    lead = (
        "What the same model would do with other weights, on decisions that training never saw. One weight "
        "at a time is multiplied, and the temperature goes along, so that all explore alike; the utility is "
        f"that of today’s weights. {confidence(found.confidence)} intervals of one objective hold for all "
        "points together."
    )
    down = [name for name, one in known.items() if one.direction == "down"]
    lead += f" Less is better for {', '.join(down)}." if down else ""
    blocks: list[Block] = [Text(found.choice.sentence)] if found.choice is not None else []
    blocks += [_sweep(sweep, known, place) for place, sweep in enumerate(found.sweeps)]
    blocks += _pairs(found, known)
    names = [value.objective for value in found.sweeps[0].points[0].values]
    blocks += [_settings(found), *(_table(found, name, _unit(known, name)) for name in names)]
    return Section("weights", "If weights changed", lead, tuple(blocks))


def _of(point: WeightPoint, name: str) -> PointValue:
    return next(value for value in point.values if value.objective == name)


def _today(sweep: WeightSweep) -> int:
    return next(place for place, point in enumerate(sweep.points) if point.factor == 1)


def _around(sweep: WeightSweep, name: str) -> list[Estimate]:
    """Return values at a sweep's points, with the intervals of their changes from today's weights."""
    rows = [_of(point, name) for point in sweep.points]
    start = rows[_today(sweep)].value.value
    return [Estimate(row.value.value, start + row.change.low, start + row.change.high) for row in rows]


def _sweep(sweep: WeightSweep, known: dict[str, ObjectiveValues], place: int) -> Picture:
    trusted, here = [not point.doubt for point in sweep.points], _today(sweep)
    names = [value.objective for value in sweep.points[0].values]
    panels = [
        Panel(name, _around(sweep, name), _unit(known, name), trusted, _guardrail(known, name))
        for name in names
    ]
    steps = [f"×{point.factor:g}" for point in sweep.points]
    last = [_of(sweep.points[-1], name).value.value for name in names]
    return picture(
        f"weights-{place}-{slug([sweep.objective])}",
        f"Weight of {sweep.objective}, today {significant(sweep.points[here].weight)}",
        lambda width: curves(panels, steps, here, width),
        description="; ".join(
            f"{name} {plain(value, _unit(known, name))} at {steps[-1]}"
            for name, value in zip(names, last, strict=True)
        ),
        note=_NOTE if place == 0 else "",
    )


def _pairs(found: TradeOffs, known: dict[str, ObjectiveValues]) -> list[Picture]:
    """Return what is guarded, or better when less, against each objective that is not."""
    names = [sweep.objective for sweep in found.sweeps if sweep.objective in known]
    careful = [n for n in names if known[n].direction == "down" or known[n].guardrail is not None]
    pairs = [(across, up) for across in careful for up in names if up not in careful]
    return [_pair(found, known, place, across, up) for place, (across, up) in enumerate(pairs)]


def _pair(found: TradeOffs, known: dict[str, ObjectiveValues], place: int, across: str, up: str) -> Picture:
    drawn, here = [], (nan, nan)
    for name, colour in ((across, ACCENT), (up, CYCLE[1])):
        sweep = next(one for one in found.sweeps if one.objective == name)
        points = list(zip(_around(sweep, across), _around(sweep, up), strict=True))
        x, y = points[_today(sweep)]
        here = x.value, y.value
        trusted = [not point.doubt for point in sweep.points]
        labels = [f"{name} ×{point.factor:g}" for point in sweep.points]
        drawn.append(Path(labels, colour, points, trusted))
    return picture(
        f"frontier-{place}-{slug([up, across])}",
        f"{up} against {across}",
        lambda width: paths(
            drawn,
            width,
            (_unit(known, across), _unit(known, up)),
            (across, up),
            here=here,
            guardrail=_guardrail(known, across),
        ),
        description=f"{up} and {across} as the weight of either rises, from ×0 to the named end",
        half=True,
    )


def _points(found: TradeOffs) -> list[tuple[str, WeightPoint]]:
    """Return today's point, and then every other one with the objective whose weight it changes."""
    points = [(sweep.objective, point) for sweep in found.sweeps for point in sweep.points]
    here = next(point for _, point in points if point.factor == 1)
    return [("today", here), *((name, point) for name, point in points if point.factor != 1)]


def _name(name: str, point: WeightPoint) -> Cell:
    return Cell(name if point.factor == 1 else f"{name} ×{point.factor:g}")


def _table(found: TradeOffs, name: str, unit: Unit) -> Table:
    rows = []
    for weighted, point in _points(found):
        one = _of(point, name)
        change = None if one.judgement == "reference" else one.change
        rows.append(
            (
                _name(weighted, point),
                interval_cell(one.value, unit),
                judgement_cell(one.judgement, point.doubt),
                difference_cell(change, unit),
            )
        )
    caption = f"Numbers, per decision: {name}"
    return Table(("Weight of", "Worth", "Against today", "Change"), tuple(rows), caption, folded=True)


def _settings(found: TradeOffs) -> Table:
    return Table(
        ("Weight of", "Weight", "Temperature", "Decisions that send"),
        tuple(
            (
                _name(weighted, point),
                Cell("") if point.factor == 1 else number_cell(point.weight),
                number_cell(point.temperature),
                number_cell(point.send_share, "rate"),
            )
            for weighted, point in _points(found)
        ),
        caption="Numbers: weights",
        folded=True,
    )


def _unit(known: dict[str, ObjectiveValues], name: str) -> Unit:
    return known[name].unit if name in known else "number"


def _guardrail(known: dict[str, ObjectiveValues], name: str) -> float | None:
    return known[name].guardrail if name in known else None
