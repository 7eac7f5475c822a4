"""The fold itself: an accumulator a user, `advance` over events, `read` at instants. All compiled.

An accumulator is two vectors. `sums` (float64) holds every decayed sum, `marks` (int64) every time, and
where the fold stands. A decayed sum is kept as `S = sum_i x_i 2^((t_i - b) / h)` with a landmark `b`
before its events, so an event costs one power of two a half-life and no sum that it does not touch is
written; reading at t multiplies all by `2^(-(t - b) / h)`. (Forward decay: Cormode, Shkapenyuk,
Srivastava, Xu, ICDE 2009, section III.) The landmark is the start of the block of time, 256 of the
shortest half-lives long, in which the last event lies. It follows from that event alone, never from how
the stream was cut, so any chunking gives the same bits.

All compiled code of the fold is in this file, because Numba's cache on disk notices a changed file only
where the outermost function is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from homing.schema.read_only import read_only
from homing.schema.shard import Shard
from homing.schema.times import HOUR, MISSING
from homing.schema.vocabulary import EVENT_TYPES
from homing.state.layout import RESPONSES, StateLayout
from homing.state.local_time import HOURS_OF_WEEK, ZoneTable, hour_of_week, offset_at

#: The shortest half-lives in a block: a weight stays under 2^256, far from the end of float64 (2^1024).
_BLOCK = 256

_DELIVERED = EVENT_TYPES.index("delivered")
_OPTED_OUT = EVENT_TYPES.index("opted_out")
_OPTED_IN = EVENT_TYPES.index("opted_in")

#: The first marks: landmark, events and consents taken, zone that the rhythm was told in.
LANDMARK, TAKEN_EVENTS, TAKEN_CONSENTS, ZONE = range(4)
_HEAD = 4


class Plan(NamedTuple):
    """Sizes and places within an accumulator, for compiled code."""

    types: int
    channels: int
    categories: int
    rhythm_type: int
    rhythm_prior: float
    half_lives: NDArray[np.float64]  # [h + 2] us: of counts, then rhythm, then categories
    block: int  # us
    response: NDArray[np.bool_]  # [types] whether the type is a category's response
    values: int  # places in sums; counts are at 0
    rhythm: int  # 168 hours, then their total
    exposure: int
    answer: int
    sums: int
    cell_last: int  # places in marks
    category_last: int
    reach_at: int
    reach: int
    marks: int


class Stream(NamedTuple):
    """What the fold reads of a shard, for compiled code."""

    offsets: NDArray[np.int64]
    at: NDArray[np.int64]
    type: NDArray[np.int16]
    channel: NDArray[np.int16]
    message: NDArray[np.int32]
    value: NDArray[np.float32]
    consent_offsets: NDArray[np.int64]
    consent_at: NDArray[np.int64]
    consent_channel: NDArray[np.int16]
    consent_reachable: NDArray[np.bool_]
    category: NDArray[np.int32]  # [messages]
    zone: NDArray[np.int32]  # [users]
    zone_first: NDArray[np.int64]
    zone_start: NDArray[np.int64]
    zone_offset: NDArray[np.int64]


class Reading(NamedTuple):
    """Output columns of `read`, one row an instant; see UserStates."""

    counts: NDArray[np.float32]
    values: NDArray[np.float32]
    since: NDArray[np.float32]
    rhythm: NDArray[np.float32]
    exposure: NDArray[np.float32]
    response: NDArray[np.float32]
    category_since: NDArray[np.float32]
    reachable: NDArray[np.int8]


class Kept(NamedTuple):
    """A snapshot as the compiled fold reads it."""

    row: NDArray[np.int64]  # [users] row in the snapshot, -1: not in it
    watermark: int
    sums: NDArray[np.float64]
    marks: NDArray[np.int64]


def plan_of(layout: StateLayout) -> Plan:
    """Return the places of `layout`'s accumulator."""
    types, sources, h = len(layout.event_types), len(layout.sources), len(layout.half_lives)
    cells, categories, channels = types * sources, layout.categories, len(layout.channels)
    half_lives = np.array([*layout.half_lives, layout.rhythm_half_life, layout.category_half_life], float)
    values = cells * h
    rhythm = values + types * h
    exposure = rhythm + HOURS_OF_WEEK + 1
    category_last = _HEAD + cells
    reach_at = category_last + categories
    return Plan(
        types=types,
        channels=channels,
        categories=categories,
        rhythm_type=layout.rhythm_type,
        rhythm_prior=float(layout.rhythm_prior),
        half_lives=half_lives,
        block=int(_BLOCK * half_lives.min()),
        response=np.array([kind in RESPONSES for kind in layout.event_types]),
        values=values,
        rhythm=rhythm,
        exposure=exposure,
        answer=exposure + categories,
        sums=exposure + 2 * categories,
        cell_last=_HEAD,
        category_last=category_last,
        reach_at=reach_at,
        reach=reach_at + channels,
        marks=reach_at + 2 * channels,
    )


def stream_of(shard: Shard, zones: ZoneTable) -> Stream:
    """Return the columns of `shard` that the fold reads."""
    events, consents = shard.events, shard.consents
    columns = Stream(
        offsets=events.offsets,
        at=events.at,
        type=events.type,
        channel=events.channel,
        message=events.message,
        value=events.value,
        consent_offsets=consents.offsets,
        consent_at=consents.at,
        consent_channel=consents.channel,
        consent_reachable=consents.reachable,
        category=shard.messages.category,
        zone=shard.users.zone,
        zone_first=zones.first,
        zone_start=zones.start,
        zone_offset=zones.offset,
    )
    return Stream(**{name: read_only(column) for name, column in columns._asdict().items()})


@njit(nogil=True, cache=True, error_model="numpy")
def clear(plan, sums, marks):  # type: ignore[no-untyped-def]
    """Make an accumulator that has seen nothing."""
    sums[:] = 0.0
    marks[:] = MISSING
    marks[TAKEN_EVENTS] = 0
    marks[TAKEN_CONSENTS] = 0
    marks[ZONE] = -1
    marks[plan.reach : plan.marks] = -1


@njit(nogil=True, cache=True, error_model="numpy")
def lower_bound(at, low, high, instant):  # type: ignore[no-untyped-def]
    """Return the first place in `low:high` of the sorted `at` that is not before `instant`."""
    while low < high:
        middle = (low + high) >> 1
        if at[middle] < instant:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True, error_model="numpy")
def advance(plan, stream, user, until, sums, marks):  # type: ignore[no-untyped-def]
    """Take the user's events and consents that are not taken yet and lie before `until`."""
    _take_consents(plan, stream, user, until, marks)
    zone = stream.zone[user]
    marks[ZONE] = zone
    first, last = stream.offsets[user], stream.offsets[user + 1]
    start = first + marks[TAKEN_EVENTS]
    if start >= last or stream.at[start] >= until:
        return
    # Numba counts references whenever a member of a tuple is read, so members are read once, out here.
    at, kinds, channels, messages = stream.at, stream.type, stream.channel, stream.message
    values, message_category = stream.value, stream.category
    zone_start, zone_offset = stream.zone_start, stream.zone_offset
    zone_low, zone_high = stream.zone_first[zone], stream.zone_first[zone + 1]
    half_lives, response = plan.half_lives, plan.response
    h = len(half_lives) - 2
    organic, categories = plan.channels, plan.categories
    value_place, rhythm_place, answer_place = plan.values, plan.rhythm, plan.answer

    place = start
    while place < last and at[place] < until:
        now, kind, channel = at[place], kinds[place], channels[place]
        if now - marks[LANDMARK] >= plan.block or marks[LANDMARK] == MISSING:
            _move_landmark(plan, sums, marks, now)
        age = float(now - marks[LANDMARK])

        cell = kind * (organic + 1) + (channel if channel >= 0 else organic)
        marks[plan.cell_last + cell] = now
        for i in range(h):
            weight = np.exp2(age / half_lives[i])
            sums[cell * h + i] += weight
            sums[value_place + kind * h + i] += weight * values[place]

        if kind == plan.rhythm_type:
            local = now + offset_at(zone_start, zone_offset, zone_low, zone_high, now)
            weight = np.exp2(age / half_lives[h])
            sums[rhythm_place + hour_of_week(local)] += weight
            sums[rhythm_place + HOURS_OF_WEEK] += weight

        message = messages[place]
        if message >= 0 and (kind == _DELIVERED or response[kind]):
            category = min(message_category[message], categories - 1)
            weight = np.exp2(age / half_lives[h + 1])
            if kind == _DELIVERED:
                sums[plan.exposure + category] += weight
                marks[plan.category_last + category] = now
            else:
                sums[answer_place + category] += weight

        if kind == _OPTED_OUT or (kind == _OPTED_IN and channel >= 0):
            # An opt-out that names no channel is from all of them; an opt-in must name its channel.
            for each in range(plan.channels):
                if channel < 0 or each == channel:
                    _reach(plan, marks, each, now, 1 if kind == _OPTED_IN else 0)
        place += 1
    marks[TAKEN_EVENTS] = place - first


@njit(nogil=True, cache=True, error_model="numpy")
def _take_consents(plan, stream, user, until, marks):  # type: ignore[no-untyped-def]
    first, last = stream.consent_offsets[user], stream.consent_offsets[user + 1]
    start = first + marks[TAKEN_CONSENTS]
    if start >= last:
        return
    at, channel, reachable = stream.consent_at, stream.consent_channel, stream.consent_reachable
    place = start
    while place < last and at[place] < until:
        _reach(plan, marks, channel[place], at[place], 1 if reachable[place] else 0)
        place += 1
    marks[TAKEN_CONSENTS] = place - first


@njit(nogil=True, cache=True, error_model="numpy")
def _move_landmark(plan, sums, marks, now):  # type: ignore[no-untyped-def]
    landmark = (now // plan.block) * plan.block
    if marks[LANDMARK] != MISSING:
        elapsed = float(marks[LANDMARK] - landmark)
        h = len(plan.half_lives) - 2
        for i in range(h):
            factor = np.exp2(elapsed / plan.half_lives[i])
            for place in range(i, plan.rhythm, h):
                sums[place] *= factor
        factor = np.exp2(elapsed / plan.half_lives[h])
        for place in range(plan.rhythm, plan.exposure):
            sums[place] *= factor
        factor = np.exp2(elapsed / plan.half_lives[h + 1])
        for place in range(plan.exposure, plan.sums):
            sums[place] *= factor
    marks[LANDMARK] = landmark


@njit(nogil=True, cache=True, error_model="numpy")
def _reach(plan, marks, channel, at, reachable):  # type: ignore[no-untyped-def]
    # The newest wins. Of two at one time the refusal wins, so their order does not matter.
    known = marks[plan.reach_at + channel]
    if at > known:
        marks[plan.reach_at + channel] = at
        marks[plan.reach + channel] = reachable
    elif at == known:
        marks[plan.reach + channel] = min(marks[plan.reach + channel], reachable)


@njit(nogil=True, cache=True, error_model="numpy")
def read(plan, sums, marks, population, at, row, out):  # type: ignore[no-untyped-def]
    """Write the state at `at` of an accumulator, which holds only what lies before, to row `row`."""
    h = len(plan.half_lives) - 2
    cells, types, categories = plan.types * (plan.channels + 1), plan.types, plan.categories
    elapsed = float(at - marks[LANDMARK]) if marks[LANDMARK] != MISSING else 0.0
    # As in `advance`: members of tuples are read once.
    counts, values, since = out.counts, out.values, out.since
    value_place = plan.values
    for i in range(h):
        factor = np.exp2(-elapsed / plan.half_lives[i])
        for cell in range(cells):
            counts[row, cell * h + i] = sums[cell * h + i] * factor
        for kind in range(types):
            values[row, kind * h + i] = sums[value_place + kind * h + i] * factor

    factor = np.exp2(-elapsed / plan.half_lives[h])
    rhythm, hours, prior = out.rhythm, plan.rhythm, plan.rhythm_prior
    scale = 1.0 / (sums[hours + HOURS_OF_WEEK] * factor + prior)
    for hour in range(HOURS_OF_WEEK):
        rhythm[row, hour] = (sums[hours + hour] * factor + prior * population[hour]) * scale

    factor = np.exp2(-elapsed / plan.half_lives[h + 1])
    exposure, response, category_since = out.exposure, out.response, out.category_since
    exposure_place, answer, last = plan.exposure, plan.answer, plan.category_last
    for category in range(categories):
        exposure[row, category] = sums[exposure_place + category] * factor
        response[row, category] = sums[answer + category] * factor
        category_since[row, category] = _hours(at, marks[last + category])
    last = plan.cell_last
    for cell in range(cells):
        since[row, cell] = _hours(at, marks[last + cell])
    reachable = out.reachable
    for channel in range(plan.channels):
        reachable[row, channel] = marks[plan.reach + channel]


@njit(nogil=True, cache=True, error_model="numpy")
def _hours(at, last):  # type: ignore[no-untyped-def]
    return np.float32((at - last) / HOUR) if last != MISSING else np.float32(np.nan)


@njit(nogil=True, cache=True, error_model="numpy")
def restore(plan, stream, kept, user, instant, sums, marks):  # type: ignore[no-untyped-def]
    """Set the accumulator to the snapshot's where that holds at `instant`, else to nothing seen.

    It holds when the ledger has no more rows before the watermark than the snapshot took: the ledger is
    append-only, so an equal count is an equal history.
    """
    row = kept.row[user]
    if row >= 0 and instant >= kept.watermark:
        events, consents = stream.offsets, stream.consent_offsets
        first, last = events[user], events[user + 1]
        due = lower_bound(stream.at, first, last, kept.watermark) - first
        first, last = consents[user], consents[user + 1]
        consents_due = lower_bound(stream.consent_at, first, last, kept.watermark) - first
        if (
            due == kept.marks[row, TAKEN_EVENTS]
            and consents_due == kept.marks[row, TAKEN_CONSENTS]
            and stream.zone[user] == kept.marks[row, ZONE]
        ):
            sums[:] = kept.sums[row]
            marks[:] = kept.marks[row]
            return
    clear(plan, sums, marks)


@njit(nogil=True, cache=True, error_model="numpy")
def take_users(plan, stream, kept, low, high, until, sums, marks):  # type: ignore[no-untyped-def]
    """Write the accumulators of users `low:high` with all that lies before `until`."""
    for user in range(low, high):
        restore(plan, stream, kept, user, until, sums[user], marks[user])
        advance(plan, stream, user, until, sums[user], marks[user])


@njit(nogil=True, cache=True, error_model="numpy")
def fold_users(plan, stream, kept, low, high, first, at, population, out):  # type: ignore[no-untyped-def]
    """Write the states of users `low:high`; the rows of user u are `first[u]:first[u + 1]`."""
    sums = np.empty(plan.sums, np.float64)
    marks = np.empty(plan.marks, np.int64)
    for user in range(low, high):
        if first[user] == first[user + 1]:
            continue
        restore(plan, stream, kept, user, at[first[user]], sums, marks)
        for row in range(first[user], first[user + 1]):
            advance(plan, stream, user, at[row], sums, marks)
            read(plan, sums, marks, population, at[row], row, out)
