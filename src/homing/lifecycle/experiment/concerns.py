"""What speaks against an experiment before its start."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Final

from homing.lifecycle.experiment.running import next_epoch, overlapping
from homing.schema.experiment import SENT, Design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY, format_time, parse_duration
from homing.store import Workspace, read_records

if TYPE_CHECKING:
    from homing.lifecycle.experiment.designing import Designed

_FEW_EVENTS: Final = 30  # fewer in an arm make a normal interval a hope
_WEEK: Final = 7


def concerns(
    workspace: Workspace, made: Design, found: Designed, level: Mapping[str, float], before: int
) -> list[str]:
    """Return what speaks against an experiment as it is designed, in sentences.

    Args:
        workspace: where it is to run.
        made: the design.
        found: what it takes.
        level: of each metric in the past, a user.
        before: days that are known before the past that stands for it.
    """
    notes = []
    fewest = min(cost.users for cost in found.costs)
    for name, metric in made.metrics.items():
        if metric.aggregate in ("any", "count") and not metric.per and metric.event != SENT:
            events = fewest * level[name]
            if events < _FEW_EVENTS:
                notes.append(f"{name} is too rare: {max(events, 0):.0f} are expected in the smallest arm")
    if found.needed > found.available:
        notes.append(
            f"{found.needed:,} users are needed, and {found.available:,} are expected in {made.days} days; "
            "take more days or traffic, larger effects, or metrics with less noise"
        )
    if made.days < _WEEK:
        notes.append(f"{made.days} days are less than a week, so days of the week do not even out")
    elif made.days % _WEEK:
        notes.append(f"{made.days} days are no whole weeks; {ceil(made.days / _WEEK) * _WEEK} would be")
    if found.past_days < made.days:
        notes.append(
            f"the past stands for {found.past_days} of {made.days} days; sums over all of them are larger, "
            "and vary less in proportion"
        )
    pre = parse_duration(made.pre_period) // DAY
    if before < pre:
        notes.append(
            f"{before} of the {pre} days before entry are known, so less noise is taken away than later"
        )
    if made.exposure == "triggered":
        notes.append("users who count are those for whom arms differ; how many those are is not known yet")
    return notes + _beside(workspace, made, found.name)


def _beside(workspace: Workspace, made: Design, name: str) -> list[str]:
    """Return what to know about experiments that have some of the same users."""
    at = next_epoch(workspace)
    mine = Record(name, made, (Change("start", at, "", made.traffic),))
    notes = []
    for other in overlapping(mine, read_records(workspace)):
        both = sorted(made.parameters & other.design.parameters)
        verb = f"sets {', '.join(both)}, too, so this one cannot start" if both else "changes nothing here"
        notes.append(
            f"{other.name} has some of the same users until {format_time(other.ends_at)}, and {verb}"
        )
    return notes
