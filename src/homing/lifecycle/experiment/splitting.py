"""How users of an experiment are divided: by segments at entry, and by the arms of other experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from homing.experiments import Axis, Moments, assign
from homing.lifecycle.experiment.arms import split_of
from homing.lifecycle.experiment.measuring import Layout, Measured, Splitter
from homing.lifecycle.release import load_release
from homing.schema import Instants
from homing.schema.experiment import REACH, STAGE, Design
from homing.schema.experiment_record import Record
from homing.state import STAGES, fold, stages_of
from homing.store import UserNumbers, Workspace, load_shard

_MISSING, _NOWHERE = "(missing)", "no channel"


def segment_splitters(workspace: Workspace, design: Design) -> list[Splitter]:
    """Return what divides users by the segments that a design names.

    Raises:
        WorkspaceError: there is no release, whose view of users tells their stages.
    """
    of_state = [name for name in design.segments if name in (STAGE, REACH)]
    columns = [name for name in design.segments if name not in of_state]
    found = [_by_state(workspace, of_state)] if of_state else []
    return [*found, _by_columns(workspace, columns)] if columns else found


def arm_splitter(other: Record, until: int) -> Splitter:
    """Return what divides users by the arms of another experiment: who had entered it by an instant (us).

    The hash gives the arm to all whom that experiment let in, whether its arms differed for them or not.
    """
    split = split_of(other, other.traffic_at(min(until, other.ends_at) - 1))
    names = np.array([*other.design.arms, ""])

    def of(_: int, users: UserNumbers, inside: NDArray[np.bool_]) -> dict[str, NDArray[np.str_]]:
        return {_axis(other): names[assign(users.hash[inside], split, other.design.salt)]}

    return of


def parts_by_arm(measured: Measured, other: Record) -> Mapping[str, Moments]:
    """Return the moments by the arms of another experiment; empty where nobody is in both."""
    return measured.splits.get(_axis(other), {})


def beside(axis: str, parts: Mapping[str, Moments], layout: Layout) -> Moments:
    """Return parts as one axis, each less what its own users had done before, so that parts stay independent.

    Where one has too few users for that, all are left as they are.
    """
    found = [layout.adjusted(part) for part in parts.values()]
    several = list(parts.values()) if any(notes for _, notes in found) else [part for part, _ in found]
    shared = [part.shared for part in several if part.shared is not None]
    return Moments(
        arms=several[0].arms,
        columns=several[0].columns,
        count=np.stack([part.count for part in several]),
        mean=np.stack([part.mean for part in several]),
        scatter=np.stack([part.scatter for part in several]),
        axes=(Axis(axis, tuple(parts)),),
        shared=np.stack(shared) if len(shared) == len(several) else None,
    )


def _axis(other: Record) -> str:
    return f"arm of {other.name}"


def _by_state(workspace: Workspace, wanted: Sequence[str]) -> Splitter:
    vocabularies = workspace.ledger.vocabularies()
    view = load_release(workspace, vocabularies).view

    def of(partition: int, users: UserNumbers, inside: NDArray[np.bool_]) -> dict[str, NDArray[np.str_]]:
        shard = load_shard(workspace, partition, tables=("users", "consents", "events")).shard
        rows = Instants(np.flatnonzero(inside).astype(np.int32), users.entered_at[inside])
        states = fold(shard, rows, view.layout, view.rhythm)
        found = {}
        if STAGE in wanted:
            found[STAGE] = np.array(STAGES)[stages_of(states, view.layout)]
        if REACH in wanted:
            sets, code = np.unique(states.reachable > 0, axis=0, return_inverse=True)
            names = [
                " + ".join(n for n, on in zip(view.layout.channels, row, strict=True) if on) for row in sets
            ]
            found[REACH] = np.array([name or _NOWHERE for name in names])[code.reshape(-1)]
        return found

    return of


def _by_columns(workspace: Workspace, wanted: Sequence[str]) -> Splitter:
    columns = workspace.ledger.vocabularies().categorical.get("users", {})
    names = {name: np.array([*columns[name].names, _MISSING]) for name in wanted}
    place = list(columns)

    def of(partition: int, _: UserNumbers, inside: NDArray[np.bool_]) -> dict[str, NDArray[np.str_]]:
        users = load_shard(workspace, partition, tables=("users",)).shard.users
        return {name: names[name][users.categorical[inside, place.index(name)]] for name in wanted}

    return of
