"""Trade-offs and journeys for people: short tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from rich.console import Console
from rich.text import Text

from homing.app.show import table
from homing.lifecycle.tradeoff import TradeOff, points_of, value_of
from homing.report.facts import Estimate, Journeys, PointValue, StageValue

_TOLD = {"better": "green", "worse": "red", "do_not_trust": "yellow"}


def traded(console: Console, found: TradeOff, *, fixed_temperature: bool) -> None:
    """Print what each point brings, and the weights to put into homing.toml.

    Args:
        console: where to.
        found: the trade-offs.
        fixed_temperature: training does not set the temperature, so the weights need theirs.
    """
    names = [one.objective for one in found.objectives]
    names = [
        name for name in names if any(v.objective == name for v in found.found.sweeps[0].points[0].values)
    ]
    rows = []
    for objective, point in points_of(found.found):
        label = "today" if point.factor == 1 else f"{objective} x {point.factor:g}"
        rows.append((label, *(_point(value_of(point, name)) for name in names)))
    title = (
        f"Worth with other weights, per decision ({found.found.confidence:.0%} over all points of a column)"
    )
    table(console, title, ("weight of", *names), rows)
    for one in found.objectives:
        if one.objective in names and one.meaning:
            console.print(Text(f"{one.objective}: {one.meaning}", "dim"))
    if found.choice is None:
        console.print(Text("No guardrail is set: name one as --guardrail OBJECTIVE=WORST.", "dim"))
        return
    choice = found.choice
    console.print(Text(choice.sentence, "bold"))
    if choice.objective is not None:
        console.print(f"\n[objectives.{choice.objective}]\nweight = {choice.weight:.6g}", markup=False)
        if fixed_temperature:
            console.print(f"\n[exploration]\ntemperature = {choice.temperature:.6g}", markup=False)
        console.print(Text("\nIn homing.toml; it decides from the next 'homing train' on.", "dim"))


def _point(found: PointValue) -> Text:
    """Return the worth with its interval, and the change from today where it can be told."""
    text = f"{found.value.value:.4g} {_interval(found.value)}"
    if found.judgement == "reference":
        return Text(text)
    word = found.judgement.replace("_", " ")
    change = "" if isnan(found.change.low) else f"{found.change.value:+.2g} {_interval(found.change)}, "
    return Text(f"{text}\n{change}{word}", _TOLD.get(found.judgement, ""))


def travelled(console: Console, found: Journeys) -> None:
    """Print flows between stages, and what decisions are followed by in each stage."""
    ends = [share.name for share in found.shares]
    shares = {share.name: f"{share.value:.1%}" for share in found.shares}
    flows = {(flow.start, flow.end): flow for flow in found.flows}
    starts = list(dict.fromkeys(flow.start for flow in found.flows))
    rows = []
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
            f"{found.confidence:.0%} intervals hold for all flows, and for all stages of an objective, together.",
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
    table(
        console, f"{objective}, by stage", ("stage", "learned is", "log", "difference from log"), rows, left=2
    )


def _interval(estimate: Estimate, scale: float = 1.0) -> str:
    return f"[{scale * estimate.low:.3g}, {scale * estimate.high:.3g}]"
