"""What events give to a decision: one number for each objective."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from homing.schema.config import Config
from homing.schema.decisions import Instants
from homing.schema.errors import InputError
from homing.schema.shard import Shard
from homing.schema.times import DAY, parse_duration
from homing.state.accumulate import lower_bound
from homing.state.threads import over_users

_AGGREGATES = ("any", "count", "sum", "active_days")
_ANY, _COUNT, _SUM, _ACTIVE_DAYS = range(4)


class _Targets(NamedTuple):
    """Objectives, for compiled code."""

    type: NDArray[np.int16]
    window: NDArray[np.int64]
    aggregate: NDArray[np.int8]
    own: NDArray[np.bool_]  # only events that name the decision


def outcomes(
    shard: Shard,
    instants: Instants,
    config: Config,
    watermark: int,
    decision: NDArray[np.int32] | None,
    until: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Return the outcomes of each instant's user within each objective's window.

    An objective sees events of its type with `instant <= at < instant + window`.

    Args:
        shard: users with their events.
        instants: rows, sorted by (user, at).
        config: its objectives, in order.
        watermark: us; events before it are all in the ledger, later ones may be missing.
        decision: int32 [rows] row in the shard's decisions, for objectives with scope 'decision'; -1
            where there is none. Not needed without such objectives.
        until: int64 [rows] us; where a row's windows end that are not over before. None: nowhere.

    Returns:
        float32 [rows, objectives]. NaN where it cannot be known: the window passes the watermark, or
        the objective asks for the events of a decision that there is not.

    Raises:
        InputError: an objective has scope 'decision', and `decision` is None; or an objective's event
            type is not in the shard's vocabulary.
    """
    objectives = config.objectives
    for name, objective in objectives.items():
        if objective.scope == "decision" and decision is None:
            raise InputError(
                f"objectives.{name}.scope == 'decision' needs the decision of every instant; "
                "ask at decisions, or set scope to 'user'"
            )
        if objective.event not in shard.vocabularies.event_types:
            raise InputError(
                f"objectives.{name}.event == {objective.event!r}, must be an event type of the ledger; "
                "see 'homing config explain objectives'"
            )
    targets = _Targets(
        type=np.array([shard.vocabularies.event_types.code(o.event) for o in objectives.values()], np.int16),
        window=np.array([parse_duration(o.window) for o in objectives.values()], np.int64),
        aggregate=np.array([_AGGREGATES.index(o.aggregate) for o in objectives.values()], np.int8),
        own=np.array([o.scope == "decision" for o in objectives.values()]),
    )
    rows = len(instants)
    decision = np.full(rows, -1, np.int32) if decision is None else decision
    until = np.full(rows, np.iinfo(np.int64).max) if until is None else until
    result = np.empty((rows, len(objectives)), np.float32)
    events = shard.events

    def chunk(low: int, high: int) -> None:
        _aggregate(
            targets,
            events.offsets,
            events.at,
            events.type,
            events.value,
            events.decision,
            instants.user[low:high],
            instants.at[low:high],
            decision[low:high],
            until[low:high],
            watermark,
            result[low:high],
        )

    over_users(chunk, rows, config.engine.threads)
    return result


@njit(nogil=True, cache=True)
def _aggregate(targets, offsets, at, kind, value, named, user, instant, decision, until, watermark, out):  # type: ignore[no-untyped-def]
    # Numba counts references whenever a member of a tuple is read, so members are read once, out here.
    types, windows, aggregates, owns = targets.type, targets.window, targets.aggregate, targets.own
    objectives = len(types)
    total = np.empty(objectives, np.float64)
    day = np.empty(objectives, np.int64)
    longest = windows.max()
    for row in range(len(user)):
        start, end = instant[row], until[row]
        total[:] = 0.0
        day[:] = -1
        last = offsets[user[row] + 1]
        place = lower_bound(at, offsets[user[row]], last, start)
        while place < last and at[place] < min(start + longest, end):
            for k in range(objectives):
                if kind[place] != types[k] or at[place] >= start + windows[k]:
                    continue
                if owns[k] and named[place] != decision[row]:
                    continue
                if aggregates[k] == _ANY:
                    total[k] = 1.0
                elif aggregates[k] == _COUNT:
                    total[k] += 1.0
                elif aggregates[k] == _SUM:
                    total[k] += value[place]
                elif (at[place] - start) // DAY != day[k]:
                    day[k] = (at[place] - start) // DAY
                    total[k] += 1.0
            place += 1
        for k in range(objectives):
            unknown = min(start + windows[k], end) > watermark or (owns[k] and decision[row] < 0)
            out[row, k] = np.nan if unknown else total[k]
