"""The fold itself: an accumulator a user, `advance` over events, `read` at instants. All compiled.

An accumulator is two vectors. `sums` (float64) holds every decayed sum, `marks` (int64) every time, and
where the fold stands. A decayed sum is kept as `S = sum_i x_i 2^((t_i - b) / h)` with a landmark `b`
before its events, so an event costs one power of two a half-life and no sum that it does not touch is
written; reading at t multiplies all by `2^(-(t - b) / h)`. (Forward decay: Cormode, Shkapenyuk,
Srivastava, Xu, ICDE 2009, section III.) The landmark is the start of the block of time, 256 of the
shortest half-lives long, in which the last event lies. It follows from that event alone, never from how
the stream was cut, so any chunking gives the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
    rhythm: int
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


def plan_of(layout: StateLayout) -> Plan:
    """Return the places of `layout`'s accumulator."""
    types, sources, h = len(layout.event_types), len(layout.sources), len(layout.half_lives)
    cells, categories, channels = types * sources, layout.categories, len(layout.channels)
    half_lives = np.array([*layout.half_lives, layout.rhythm_half_life, layout.category_half_life], float)
    values = cells * h
    rhythm = values + types * h
    exposure = rhythm + HOURS_OF_WEEK
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
    return Stream(
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


@njit(nogil=True, cache=True)
def clear(plan, sums, marks):  # type: ignore[no-untyped-def]
    """Make an accumulator that has seen nothing."""
    sums[:] = 0.0
    marks[:] = MISSING
    marks[TAKEN_EVENTS] = 0
    marks[TAKEN_CONSENTS] = 0
    marks[ZONE] = -1
    marks[plan.reach : plan.marks] = -1


@njit(nogil=True, cache=True)
def lower_bound(at, low, high, instant):  # type: ignore[no-untyped-def]
    """Return the first place in `low:high` of the sorted `at` that is not before `instant`."""
    while low < high:
        middle = (low + high) >> 1
        if at[middle] < instant:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True)
def advance(plan, stream, user, until, sums, marks):  # type: ignore[no-untyped-def]
    """Take the user's events and consents that are not taken yet and lie before `until`."""
    zone = stream.zone[user]
    marks[ZONE] = zone
    first = stream.offsets[user]
    last = stream.offsets[user + 1]
    place = first + marks[TAKEN_EVENTS]
    while place < last and stream.at[place] < until:
        _take_event(plan, stream, zone, place, sums, marks)
        place += 1
    marks[TAKEN_EVENTS] = place - first

    first = stream.consent_offsets[user]
    last = stream.consent_offsets[user + 1]
    place = first + marks[TAKEN_CONSENTS]
    while place < last and stream.consent_at[place] < until:
        reachable = 1 if stream.consent_reachable[place] else 0
        _reach(plan, marks, stream.consent_channel[place], stream.consent_at[place], reachable)
        place += 1
    marks[TAKEN_CONSENTS] = place - first


@njit(nogil=True, cache=True)
def _take_event(plan, stream, zone, place, sums, marks):  # type: ignore[no-untyped-def]
    at = stream.at[place]
    landmark = (at // plan.block) * plan.block
    if landmark != marks[LANDMARK]:
        if marks[LANDMARK] != MISSING:
            _scale(plan, sums, marks[LANDMARK] - landmark)
        marks[LANDMARK] = landmark
    age = float(at - landmark)

    kind = stream.type[place]
    channel = stream.channel[place]
    cell = kind * (plan.channels + 1) + (channel if channel >= 0 else plan.channels)
    marks[plan.cell_last + cell] = at
    h = len(plan.half_lives) - 2
    value = stream.value[place]
    for i in range(h):
        weight = np.exp2(age / plan.half_lives[i])
        sums[cell * h + i] += weight
        sums[plan.values + kind * h + i] += weight * value

    if kind == plan.rhythm_type:
        shift = offset_at(
            stream.zone_start,
            stream.zone_offset,
            stream.zone_first[zone],
            stream.zone_first[zone + 1],
            at,
        )
        sums[plan.rhythm + hour_of_week(at + shift)] += np.exp2(age / plan.half_lives[h])

    message = stream.message[place]
    if message >= 0 and (kind == _DELIVERED or plan.response[kind]):
        category = min(stream.category[message], plan.categories - 1)
        weight = np.exp2(age / plan.half_lives[h + 1])
        if kind == _DELIVERED:
            sums[plan.exposure + category] += weight
            marks[plan.category_last + category] = at
        else:
            sums[plan.answer + category] += weight

    if kind == _OPTED_OUT or (kind == _OPTED_IN and channel >= 0):
        reachable = 1 if kind == _OPTED_IN else 0
        if channel >= 0:
            _reach(plan, marks, channel, at, reachable)
        else:  # an opt-out that names no channel is from all of them; an opt-in must name its channel
            for each in range(plan.channels):
                _reach(plan, marks, each, at, reachable)


@njit(nogil=True, cache=True)
def _reach(plan, marks, channel, at, reachable):  # type: ignore[no-untyped-def]
    # The newest wins. Of two at one time the refusal wins, so their order does not matter.
    known = marks[plan.reach_at + channel]
    if at > known:
        marks[plan.reach_at + channel] = at
        marks[plan.reach + channel] = reachable
    elif at == known:
        marks[plan.reach + channel] = min(marks[plan.reach + channel], reachable)


@njit(nogil=True, cache=True)
def _scale(plan, sums, elapsed):  # type: ignore[no-untyped-def]
    h = len(plan.half_lives) - 2
    for i in range(h):
        factor = np.exp2(elapsed / plan.half_lives[i])
        for place in range(i, plan.rhythm, h):
            sums[place] *= factor
    sums[plan.rhythm : plan.exposure] *= np.exp2(elapsed / plan.half_lives[h])
    sums[plan.exposure : plan.sums] *= np.exp2(elapsed / plan.half_lives[h + 1])


@njit(nogil=True, cache=True)
def read(plan, sums, marks, population, at, row, out):  # type: ignore[no-untyped-def]
    """Write the state at `at` of an accumulator, which holds only what lies before, to row `row`."""
    h = len(plan.half_lives) - 2
    cells = plan.types * (plan.channels + 1)
    elapsed = float(at - marks[LANDMARK]) if marks[LANDMARK] != MISSING else 0.0
    for i in range(h):
        factor = np.exp2(-elapsed / plan.half_lives[i])
        for cell in range(cells):
            out.counts[row, cell * h + i] = sums[cell * h + i] * factor
        for kind in range(plan.types):
            out.values[row, kind * h + i] = sums[plan.values + kind * h + i] * factor

    factor = np.exp2(-elapsed / plan.half_lives[h])
    total = 0.0
    for hour in range(HOURS_OF_WEEK):
        total += sums[plan.rhythm + hour]
    scale = 1.0 / (total * factor + plan.rhythm_prior)
    for hour in range(HOURS_OF_WEEK):
        activity = sums[plan.rhythm + hour] * factor + plan.rhythm_prior * population[hour]
        out.rhythm[row, hour] = activity * scale

    factor = np.exp2(-elapsed / plan.half_lives[h + 1])
    for category in range(plan.categories):
        out.exposure[row, category] = sums[plan.exposure + category] * factor
        out.response[row, category] = sums[plan.answer + category] * factor
        out.category_since[row, category] = _hours(at, marks[plan.category_last + category])
    for cell in range(cells):
        out.since[row, cell] = _hours(at, marks[plan.cell_last + cell])
    for channel in range(plan.channels):
        out.reachable[row, channel] = marks[plan.reach + channel]


@njit(nogil=True, cache=True)
def _hours(at, last):  # type: ignore[no-untyped-def]
    return np.float32((at - last) / HOUR) if last != MISSING else np.float32(np.nan)
