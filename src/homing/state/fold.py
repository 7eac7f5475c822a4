"""Fold each user's events into a fixed-size state, as of any instant."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from homing.schema.decisions import Instants
from homing.schema.errors import InputError
from homing.schema.shard import Shard
from homing.schema.times import DAY, MISSING
from homing.state.accumulate import Reading, fold_users, plan_of, stream_of
from homing.state.layout import StateLayout
from homing.state.local_time import HOURS_OF_WEEK, ZoneTable, local_hour_of_week
from homing.state.snapshot import Snapshot, check_shard, kept_of
from homing.state.threads import over_users


@dataclass(frozen=True)
class UserStates:
    """The state of one user at one instant a row, from what happened strictly before the instant."""

    rows: Instants
    counts: NDArray[np.float32]  # [rows, types * sources * half-lives] decayed counts of events
    values: NDArray[np.float32]  # [rows, types * half-lives] decayed sums of events' values
    since: NDArray[np.float32]  # [rows, types * sources] hours since the last event; NaN: never
    rhythm: NDArray[
        np.float32
    ]  # [rows, 168] share of activity by local hour of the week, smoothed; sums to 1
    exposure: NDArray[np.float32]  # [rows, categories] decayed deliveries
    response: NDArray[np.float32]  # [rows, categories] decayed opens, clicks and conversions
    category_since: NDArray[np.float32]  # [rows, categories] hours since the last delivery; NaN: never
    reachable: NDArray[np.int8]  # [rows, channels] 1: yes, 0: no, -1: nothing was ever said
    tenure: NDArray[np.float32]  # [rows] days since sign-up; NaN: unknown, or signed up later
    hour_of_week: NDArray[np.int16]  # [rows] of the instant, in local time

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: slice) -> UserStates:
        """Return consecutive rows, without copying."""
        instants = Instants(self.rows.user[rows], self.rows.at[rows])
        columns = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "rows"}
        return UserStates(instants, **{name: column[rows] for name, column in columns.items()})


def fold(
    shard: Shard,
    instants: Instants,
    layout: StateLayout,
    rhythm: NDArray[np.float32],
    snapshot: Snapshot | None = None,
    into: UserStates | None = None,
) -> UserStates:
    """Return the state of each instant's user from the events and consents strictly before the instant.

    Args:
        shard: users with their events.
        instants: rows, sorted by (user, at); users may have none, one or many.
        layout: what the state consists of.
        rhythm: float32 [168] the population's activity by local hour of the week, on any scale; where
            all are zero, the week is taken as even.
        snapshot: accumulators of an earlier run, by which only newer events are folded. Users for whom
            it does not hold (a late event, an instant before its watermark, another time zone) are
            folded from their first event, so the result never depends on it.
        into: states of an earlier call that are no longer needed; their memory is written again where
            it suffices. Fresh memory costs more than the fold where there are many instants.

    Raises:
        InputError: instants are not sorted, name no user of the shard, or the rhythm is no activity;
            or the snapshot has another layout.
    """
    check_shard(shard, layout)
    _check(shard, instants, rhythm)
    plan, rows = plan_of(layout), len(instants)
    zones = _zones_over(shard, instants)
    stream = stream_of(shard, zones)
    types, sources, h = len(layout.event_types), len(layout.sources), len(layout.half_lives)
    out = Reading(
        counts=_room(into, "counts", rows, types * sources * h),
        values=_room(into, "values", rows, types * h),
        since=_room(into, "since", rows, types * sources),
        rhythm=_room(into, "rhythm", rows, HOURS_OF_WEEK),
        exposure=_room(into, "exposure", rows, layout.categories),
        response=_room(into, "response", rows, layout.categories),
        category_since=_room(into, "category_since", rows, layout.categories),
        reachable=np.empty((rows, len(layout.channels)), np.int8),
    )
    total = float(rhythm.sum(dtype=np.float64))
    population = (
        np.full(HOURS_OF_WEEK, 1 / HOURS_OF_WEEK) if total == 0 else rhythm.astype(np.float64) / total
    )
    first = np.searchsorted(instants.user, np.arange(len(shard.users) + 1)).astype(np.int64)
    kept = kept_of(plan, shard, layout, snapshot)

    def chunk(low: int, high: int) -> None:
        fold_users(plan, stream, kept, low, high, first, instants.at, population, out)

    over_users(chunk, len(shard.users), layout.threads)
    signed_up = shard.users.signed_up_at[instants.user]
    known = (signed_up != MISSING) & (signed_up <= instants.at)
    tenure = np.full(rows, np.nan, np.float32)
    tenure[known] = (instants.at[known] - signed_up[known]) / DAY
    return UserStates(
        rows=instants,
        **out._asdict(),
        tenure=tenure,
        hour_of_week=local_hour_of_week(shard.users.zone[instants.user], instants.at, zones),
    )


def population_rhythm(shard: Shard, layout: StateLayout, before: int) -> NDArray[np.float32]:
    """Return how often the rhythm's event type happened before an instant, by local hour of the week.

    Counts are float32 [168]; add them over shards and give the sum to `fold`. `before` should be the
    first instant of the fold, so that nothing later reaches a state.
    """
    events = shard.events
    chosen = np.flatnonzero((events.type == layout.rhythm_type) & (events.at < before))
    if len(chosen) == 0:
        return np.zeros(HOURS_OF_WEEK, np.float32)
    at = events.at[chosen]
    user = np.searchsorted(events.offsets, chosen, side="right") - 1
    zones = ZoneTable.build(shard.vocabularies.zones.names, int(at.min()), int(at.max()))
    hours = local_hour_of_week(shard.users.zone[user], at, zones)
    return np.bincount(hours, minlength=HOURS_OF_WEEK).astype(np.float32)


def _check(shard: Shard, instants: Instants, rhythm: NDArray[np.float32]) -> None:
    user, at = instants.user, instants.at
    if len(user) and (user[0] < 0 or user[-1] >= len(shard.users)):
        raise InputError(f"instants.user in {user[0]}..{user[-1]}, must be in 0..{len(shard.users) - 1}")
    rising = (user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (at[1:] >= at[:-1]))
    if not rising.all():
        place = int(np.argmin(rising)) + 1
        raise InputError(f"instants row {place} is before row {place - 1}; sort them by (user, at)")
    if rhythm.shape != (HOURS_OF_WEEK,) or not np.isfinite(rhythm).all() or (rhythm < 0).any():
        raise InputError(
            f"rhythm of shape {rhythm.shape} must be {HOURS_OF_WEEK} finite numbers of at least 0; "
            "sum population_rhythm over the shards"
        )


def _room(into: UserStates | None, name: str, rows: int, columns: int) -> NDArray[np.float32]:
    old = None if into is None else getattr(into, name)
    whole = old if old is None or old.base is None else old.base
    if isinstance(whole, np.ndarray) and whole.shape[1:] == (columns,) and len(whole) >= rows:
        return whole[:rows]
    return np.empty((rows, columns), np.float32)


def _zones_over(shard: Shard, instants: Instants) -> ZoneTable:
    times = [each for each in (shard.events.at, instants.at) if len(each)]
    start = min((int(each.min()) for each in times), default=0)
    end = max((int(each.max()) for each in times), default=0)
    return ZoneTable.build(shard.vocabularies.zones.names, start, end)
