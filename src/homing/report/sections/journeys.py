"""Lifecycle stages: the flow between them, and what users are worth in each."""

from __future__ import annotations

from math import nan

from homing.report.facts import Flow, Journeys, StageValue
from homing.report.numbers import confidence, count, difference, percent, split
from homing.report.plots.matrix import matrix
from homing.report.view import (
    Cell,
    Picture,
    Section,
    Table,
    difference_cell,
    interval_cell,
    judgement_cell,
    picture,
)

_WORDS = {
    "more": ("more", "neutral"),
    "less": ("less", "neutral"),
    "cannot_tell": ("cannot tell", "neutral"),
    "do_not_trust": ("do not trust", "doubt"),
}


def journeys_section(found: Journeys) -> Section:
    """Where users are, where they go, and what they are worth on the way."""
    lead = (
        f"Users have a lifecycle stage at a decision and another one {found.after} later, both told from "
        f"their visits; {count(found.decisions)} held-out decisions know both. Under the learned policy: had "
        "it made this one decision, and the logging policy those after it. "
        f"{confidence(found.confidence)} intervals of changes hold for all flows, and for all stages of an "
        "objective, together."
    )
    values = tuple(_values(found, name) for name in dict.fromkeys(row.objective for row in found.values))
    return Section("journeys", "Journeys", lead, (_flow(found), _numbers(found), *values))


def _flow(found: Journeys) -> Picture:
    ends = tuple(share.name for share in found.shares)
    starts = tuple(dict.fromkeys(flow.start for flow in found.flows))
    flows = {(flow.start, flow.end): flow for flow in found.flows}
    shares = {share.name: share.value for share in found.shares}
    rows = [(name, percent(shares[name]) if name in shares else "of all") for name in starts]
    cells = [[flows.get((start, end)) for end in ends] for start in starts]
    moves = [flow for flow in found.flows if flow.start != flow.end and flow.start in shares]
    most = sorted(moves, key=lambda flow: -flow.logged.value)[:3]
    told = any(flow.judgement in ("more", "less") for flow in found.flows)
    note = (
        "Small: the change by the learned policy, where it can be told."
        if told
        else "No change by the learned policy can be told from zero."
    )
    return picture(
        "journeys",
        f"Stage at a decision, and {found.after} later under the logging policy",
        lambda width: matrix(
            rows,
            ends,
            [[nan if flow is None else flow.logged.value for flow in row] for row in cells],
            [[("", "") if flow is None else _texts(flow) for flow in row] for row in cells],
            width,
        ),
        description="; ".join(f"{f.start} to {f.end} {percent(f.logged.value)}" for f in most),
        note=note,
    )


def _texts(flow: Flow) -> tuple[str, str]:
    change = split(difference(flow.change, "rate"))[0] if flow.judgement in ("more", "less") else ""
    return percent(flow.logged.value, 2 if flow.logged.value < 0.1 else 3), change


def _numbers(found: Journeys) -> Table:
    rows = []
    for flow in found.flows:
        word, tone = _WORDS[flow.judgement]
        rows.append(
            (
                Cell(flow.start),
                Cell(flow.end),
                interval_cell(flow.logged, "rate"),
                Cell(word, chip=tone),
                difference_cell(flow.change, "rate"),
            )
        )
    columns = ("From", "To", "In the log", "With the learned policy", "Change")
    return Table(columns, tuple(rows), caption="Numbers: flows between stages", folded=True)


def _values(found: Journeys, objective: str) -> Table:
    shares = {share.name: share.value for share in found.shares}
    rows = [row for row in found.values if row.objective == objective]
    return Table(
        ("Stage", "In the log", "With the learned policy", "Change"),
        tuple(_value(row, shares.get(row.stage, nan)) for row in rows),
        caption=f"What a decision is followed by, by stage: {objective}",
        folded=objective != found.values[0].objective,
    )


def _value(row: StageValue, share: float) -> tuple[Cell, ...]:
    return (
        Cell(row.stage, detail=f"{percent(share)} of decisions"),
        interval_cell(row.logged, row.unit),
        judgement_cell(row.judgement, ""),
        difference_cell(row.change, row.unit),
    )
