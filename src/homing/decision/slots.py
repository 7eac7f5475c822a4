"""Slots: when a channel may send within an epoch's horizon, by zone. Computed once per (zone, epoch).

A slot starts at a local clock time. Where the clock skips that time there is no slot on that day; where
the clock shows it twice the first one counts. A slot lasts its length in elapsed time, so its local end
may move with the clock; it is quiet when any instant in it is, by the clock that holds at that instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.decision.ragged import offsets_of, spans
from homing.schema import Config, Instants, Shard
from homing.schema.times import DAY, HOUR, MINUTE, MISSING, SECOND, parse_duration
from homing.state import ZoneTable, local_hour_of_week

#: UTC is always within this of local time, and no zone changes its clock twice within twice of it.
_REACH: Final = 15 * HOUR


@dataclass(frozen=True)
class Slots:
    """Slots of every (zone, epoch) pair and channel, sorted by time within a cell."""

    pair: NDArray[np.int64]  # [rows] the (zone, epoch) pair of each row
    channels: int
    length: int  # us
    offsets: NDArray[np.int64]  # [pairs * channels + 1]; cell = pair * channels + channel
    start: NDArray[np.int64]  # [slots] us
    hour_of_week: NDArray[np.int16]  # [slots] local, of the start
    quiet: NDArray[np.bool_]  # [slots] whether any part lies in the channel's quiet hours
    epoch_hour: NDArray[np.int16]  # [pairs] local hour of the week at the epoch


def build_slots(shard: Shard, rows: Instants, config: Config) -> Slots:
    """Return the slots that rows can use: epoch <= start < epoch + horizon.

    Args:
        shard: for the users' zones and the codes of channels.
        rows: users and epochs.
        config: slots, and each channel's own starts and quiet hours. A channel that is not in it has none.
    """
    names = shard.vocabularies.channels.names
    horizon, length = parse_duration(config.slots.horizon), parse_duration(config.slots.length)
    zone, epoch, pair = _pairs(shard.users.zone[rows.user], rows.at)
    first, last = (int(epoch[0]), int(epoch[-1])) if len(epoch) else (0, 0)
    zones = ZoneTable.build(shard.vocabularies.zones.names, first - 3 * DAY, last + horizon + 3 * DAY)
    cells, starts, hours, quiets = [], [], [], []
    for code, name in enumerate(names):
        channel = config.channels.get(name)
        if channel is None:
            continue
        clocks = [clock_time(text) for text in (channel.slots or config.slots.starts)]
        at, start = local_starts(zone, epoch, np.array(clocks, np.int64), horizon, zones)
        hours.append(local_hour_of_week(zone[at], start, zones))
        quiet = np.zeros(len(start), np.bool_)
        if channel.quiet_hours:
            since, until = (clock_time(text) for text in channel.quiet_hours)
            quiet = is_quiet(zone[at], start, length, since, until, zones)
        quiets.append(quiet)
        starts.append(start)
        cells.append(at * len(names) + code)
    cell = np.concatenate([np.zeros(0, np.int64), *cells])
    order = np.argsort(cell, kind="stable")
    return Slots(
        pair=pair,
        channels=len(names),
        length=length,
        offsets=offsets_of(np.bincount(cell, minlength=len(zone) * len(names))),
        start=np.concatenate([np.zeros(0, np.int64), *starts])[order],
        hour_of_week=np.concatenate([np.zeros(0, np.int16), *hours])[order],
        quiet=np.concatenate([np.zeros(0, np.bool_), *quiets])[order],
        epoch_hour=local_hour_of_week(zone, epoch, zones),
    )


def clock_time(text: str) -> int:
    """Return 'HH:MM' in us after local midnight."""
    hours, minutes = text.split(":")
    return int(hours) * HOUR + int(minutes) * MINUTE


def local_starts(
    zone: NDArray[np.int32],
    epoch: NDArray[np.int64],
    clocks: NDArray[np.int64],
    horizon: int,
    zones: ZoneTable,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the instants in [epoch, epoch + horizon) at which a local clock first shows a time of `clocks`.

    Args:
        zone: int32 [pairs] code in `zones`.
        epoch: int64 [pairs] us.
        clocks: int64 [clocks] us after local midnight, rising.
        horizon: us.
        zones: covers the epochs and the horizon with three days around them.

    Returns:
        int64 [slots] pair, rising; int64 [slots] start in us, rising within a pair.
    """
    if len(epoch) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    today = (epoch + zones.offsets_at(zone, epoch)) // DAY
    ahead = np.arange(-(-horizon // DAY) + 2)  # a clock that jumps a day ahead reaches one day further
    origin = int(today.min())
    span = int(today.max()) - origin + len(ahead)
    # many epochs share a local day, whose starts are looked up once
    days = np.unique((zone.astype(np.int64) * span + today - origin)[:, None] + ahead)
    where = np.repeat((days // span).astype(np.int32), len(clocks))
    start = _first_showing(where, (((days % span + origin) * DAY)[:, None] + clocks).ravel(), zones)
    where, start = where[start != MISSING], start[start != MISSING]
    base, width = (origin - 2) * DAY, (span + 4) * DAY  # every start lies within two days of these days
    key = where * np.int64(width) + start - base
    order = np.argsort(key, kind="stable")
    first = zone * np.int64(width) + epoch - base
    low, high = np.searchsorted(key, [first, first + horizon], sorter=order)
    return np.repeat(np.arange(len(epoch)), high - low), start[order[spans(low, high - low)]]


def is_quiet(
    zone: NDArray[np.int32], start: NDArray[np.int64], length: int, since: int, until: int, zones: ZoneTable
) -> NDArray[np.bool_]:
    """Return whether any instant in [start, start + length) shows a local time in [since, until).

    Args:
        zone: int32 [n] code in `zones`.
        start: int64 [n] us, whole seconds.
        length: us, at most a day.
        since: us after local midnight; may lie after `until`, then the hours wrap midnight.
        until: us after local midnight; equal to `since`, there are no quiet hours.
        zones: covers the slots.
    """
    width = (until - since) % DAY
    if width == 0:
        return np.zeros(len(start), np.bool_)
    end = start + length
    change = end.copy()  # where the clock changes within the slot; its end where it does not
    first, last = zones.offsets_at(zone, start), zones.offsets_at(zone, end - 1)
    changed = np.flatnonzero(first != last)
    change[changed] = _change(zone[changed], start[changed], end[changed] - SECOND, zones)

    def touches(
        instant: NDArray[np.int64], offset: NDArray[np.int64], until: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        clock = (instant + offset) % DAY
        return (until > instant) & (
            ((clock - since) % DAY < width) | ((since - clock) % DAY < until - instant)
        )

    return touches(start, first, change) | touches(change, last, end)


def _pairs(
    zone: NDArray[np.int32], epoch: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Return zone [pairs] and epoch [pairs] of the distinct pairs, by rising epoch, and each row's pair."""
    epochs, place = np.unique(epoch, return_inverse=True)
    zones = int(zone.max(initial=0)) + 1
    key, pair = np.unique(place * zones + zone, return_inverse=True)
    return (key % zones).astype(np.int32), epochs[key // zones], pair


def _first_showing(zone: NDArray[np.int32], local: NDArray[np.int64], zones: ZoneTable) -> NDArray[np.int64]:
    """Return the first instant whose local time is `local`, MISSING where the clock skips it: int64 [n]."""
    earlier = local - zones.offsets_at(zone, local - _REACH)
    later = local - zones.offsets_at(zone, local + _REACH)
    found = np.where(later + zones.offsets_at(zone, later) == local, later, MISSING)
    return np.where(earlier + zones.offsets_at(zone, earlier) == local, earlier, found)


def _change(
    zone: NDArray[np.int32], low: NDArray[np.int64], high: NDArray[np.int64], zones: ZoneTable
) -> NDArray[np.int64]:
    """Return the first whole second at which the offset of `low` no longer holds, by bisection."""
    before = zones.offsets_at(zone, low)
    while (high - low > SECOND).any():
        middle = (low + (high - low) // 2) // SECOND * SECOND
        same = zones.offsets_at(zone, middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high
