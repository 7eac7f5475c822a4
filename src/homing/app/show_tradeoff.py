"""Trade-offs and journeys for people: short tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from rich.console import Console
from rich.text import Text

from homing.app.show import table
from homing.lifecycle.tradeoff import TradeOff, points_of, value_of
from homing.report.facts import Estimate, Journeys, PointValue, StageValue, WeightChoice, WeightPoint

_TOLD = {"better": "green", "worse": "red", "do_not_trust": "yellow"}
_SIGNS = {"reference": "", "better": " better", "worse": " worse", "cannot_tell": " ~", "do_not_trust": " !"}


def traded(console: Console, found: TradeOff, *, fixed_temperature: bool) -> None:
    """Print what each point brings, how it stands to the guardrails, and the weights for homing.toml.

    Args:
        console: where to.
        found: the trade-offs.
        fixed_temperature: training does not set the temperature, so the weights need theirs.
    """
    names = [value.objective for value in found.found.sweeps[0].points[0].values]
    points = list(points_of(found.found))
    rows = [
        (_label(weighted, point), *(_worth(value_of(point, name)) for name in names))
        for weighted, point in points
    ]
    table(console, "Worth per decision with other weights, against today's", ("weight of", *names), rows)
    for one in found.objectives:
        if one.objective in names:
            console.print(Text(f"{one.objective}: {one.meaning}", "dim"))
    console.print(Text("~ cannot be told from today's; ! do not trust: the log hardly covers it.\n", "dim"))
    if found.choice is None:
        console.print(Text("No guardrail is set: name one as --guardrail OBJECTIVE=WORST.", "dim"))
        return
    guarded = [names[0], *(rail.name for rail in found.choice.guardrails)]
    details = [
        (_label(weighted, point), *(_interval(value_of(point, name).value) or "none" for name in guarded))
        for weighted, point in points
    ]
    title = f"Intervals that hold for all of a column ({found.found.confidence:.0%})"
    table(console, title, ("weight of", *guarded), details)
    _chosen(console, found.choice, fixed_temperature)


def _chosen(console: Console, choice: WeightChoice, fixed_temperature: bool) -> None:
    console.print(Text(choice.sentence, "bold"))
    if choice.objective is None:
        return
    lines = [f"[objectives.{choice.objective}]", f"weight = {choice.weight:.6g}"]
    if fixed_temperature:
        lines += ["", "[exploration]", f"temperature = {choice.temperature:.6g}"]
    console.print("\n" + "\n".join(lines), markup=False, highlight=False)
    console.print(Text("\nIn homing.toml; it decides from the next 'homing train' on.", "dim"))


def _label(weighted: str, point: WeightPoint) -> str:
    return "today" if point.factor == 1 else f"{weighted} x {point.factor:g}"


def _worth(found: PointValue) -> Text:
    return Text(f"{found.value.value:.4g}{_SIGNS[found.judgement]}", _TOLD.get(found.judgement, ""))


def travelled(console: Console, found: Journeys) -> None:
    """Print flows between stages, and what decisions are followed by in each stage."""
    ends = [share.name for share in found.shares]
    shares = {share.name: f"{share.value:.1%}" for share in found.shares}
    flows = {(flow.start, flow.end): flow for flow in found.flows}
    starts = list(dict.fromkeys(flow.start for flow in found.flows))
    rows: list[tuple[object, ...]] = []
    for start in starts:
        mine = [flows[start, end] for end in ends]
        rows.append((start, shares.get(start, ""), *(f"{flow.logged.value:.1%}" for flow in mine)))
        told = [
            f"{100 * flow.change.value:+.2f} pp {_interval(flow.change, 100)}"
            if flow.judgement in ("more", "less")
            else flow.judgement.replace("_", " ")
            for flow in mine
        ]
        rows.append((Text("  learned", "dim"), "", *(Text(text, "dim") for text in told)))
    title = f"Stage at a decision, and {found.after} later, of {found.decisions:,} decisions"
    table(console, title, ("from", "share", *ends), rows)
    for name in dict.fromkeys(row.objective for row in found.values):
        _valued(console, name, [row for row in found.values if row.objective == name])
    console.print(
        Text(
            "Learned: had the learned policy made this one decision, and the logging policy those after it. "
            f"{found.confidence:.0%} intervals hold for all flows together, and for all stages of an "
            "objective.",
            "dim",
        )
    )


def _valued(console: Console, objective: str, values: Sequence[StageValue]) -> None:
    rows = [
        (
            row.stage,
            Text(row.judgement.replace("_", " "), _TOLD.get(row.judgement, "dim")),
            f"{row.logged.value:.3g} {_interval(row.logged)}",
            "" if isnan(row.change.low) else f"{row.change.value:+.2g} {_interval(row.change)}",
        )
        for row in values
    ]
    heads = ("stage", "learned is", "log", "difference from log")
    table(console, f"{objective}, by stage", heads, rows, left=2)


def _interval(estimate: Estimate, scale: float = 1.0) -> str:
    """Return the bounds; empty where there are none."""
    if isnan(estimate.low):
        return ""
    return f"[{scale * estimate.low:.3g}, {scale * estimate.high:.3g}]"
