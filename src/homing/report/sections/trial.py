"""A trial of the learned policy against another: by person, and beside what the log had promised."""

from __future__ import annotations

from math import isfinite
from typing import Final

from homing.report.canvas import ACCENT, BAD, GOOD, INK, MUTED
from homing.report.facts import ArmMeasure, Promise, Trial
from homing.report.numbers import change, confidence, count, day, interval, split
from homing.report.plots.forest import Row, forest
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    difference_cell,
    interval_cell,
    picture,
    slug,
)

#: What an estimate from a log does and does not say about a trial.
COVERS: Final = (
    "The promise is an estimate from the log: what one decision by the learned policy would have brought in "
    "the situations that the log's policy had led to, in the log's weeks. The trial is another thing in two "
    "ways, so the two may differ without either being wrong. There the policy also made all the decisions "
    "before, so people come to each one less or more tired, with other habits, and fewer or more of them "
    "reachable; and those are later weeks, with other messages and newcomers. The promise covers neither. "
    "The arms of the trial differ by policy alone: what a policy is worth in the long run is read there."
)


def trial_section(trial: Trial) -> Section:
    """The arms on every measure, then promise and outcome by objective."""
    lead = (
        f"From {day(trial.starts_at)} on, for {trial.days} days, `{trial.treatment}` decided for "
        f"{count(trial.people[0])} people and `{trial.control}` for {count(trial.people[1])}, split by "
        f"a hash of the user. Numbers are a person, with {confidence(trial.confidence)} intervals, "
        "adjusted by what each person did before."
    )
    figures = tuple(_promise(trial, promise, place) for place, promise in enumerate(trial.promises))
    blocks: list[Block] = [_arms(trial), _measures(trial), Text(COVERS), *figures, _promises(trial)]
    return Section("trial", "Learned, then deployed on half", lead, tuple(blocks))


def _arms(trial: Trial) -> Picture:
    rows = [
        Row(
            measure.name,
            measure.relative,
            change(measure.relative),
            _colour(measure),
        )
        for measure in trial.measures
        if isfinite(measure.relative.value)
    ]
    return picture(
        "trial-arms",
        f"{trial.treatment} against {trial.control}",
        lambda width: forest(rows, width, "change", reference=0.0),
        description="; ".join(f"{row.label} {row.text}" for row in rows),
        note="Relative difference; green is better, red is worse, grey is neither or may be chance.",
    )


def _colour(measure: ArmMeasure) -> str:
    low, high = measure.difference.low, measure.difference.high
    if measure.direction == "none" or low <= 0 <= high:
        return MUTED
    return GOOD if (low > 0) == (measure.direction == "up") else BAD


def _measures(trial: Trial) -> Table:
    return Table(
        ("Measure", trial.treatment, trial.control, "Difference", "Relative"),
        tuple(
            (
                Cell(measure.name, detail=measure.meaning),
                interval_cell(measure.treatment, measure.unit),
                interval_cell(measure.control, measure.unit),
                difference_cell(measure.difference, measure.unit),
                Cell(*_apart(change(measure.relative))),
            )
            for measure in trial.measures
        ),
        caption="Numbers a person",
        folded=True,
    )


def _apart(text: str) -> tuple[str, None, str, str]:
    number, bracket = split(text)
    return number, None, "", bracket


def _promise(trial: Trial, promise: Promise, place: int) -> Picture:
    named = (
        ("the log", promise.log, INK),
        ("promised", promise.promised, MUTED),
        (f"{trial.treatment}, in the trial", promise.realised, ACCENT),
        (f"{trial.control}, in the trial", promise.control, MUTED),
    )
    rows = [
        Row(label, estimate, interval(estimate, promise.unit), colour) for label, estimate, colour in named
    ]
    title = f"{promise.objective[:1].upper()}{promise.objective[1:]}: promise and outcome"
    return picture(
        f"trial-promise-{place}-{slug([promise.objective])}",
        title,
        lambda width: forest(rows, width, promise.unit),
        description="; ".join(f"{row.label} {row.text}" for row in rows),
        half=True,
        note=f"Per decision{f': {promise.meaning}' if promise.meaning else ''}.",
    )


def _promises(trial: Trial) -> Table:
    return Table(
        ("Objective", "The log", "Promised", f"{trial.treatment}, realised", f"{trial.control}, realised"),
        tuple(
            (
                Cell(promise.objective),
                interval_cell(promise.log, promise.unit),
                interval_cell(promise.promised, promise.unit),
                interval_cell(promise.realised, promise.unit),
                interval_cell(promise.control, promise.unit),
            )
            for promise in trial.promises
        ),
        caption="Promise and outcome, per decision",
        folded=True,
    )
