"""Numeric columns of candidates, computed in one compiled pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from homing.schema.decisions import Candidates
from homing.schema.read_only import read_only
from homing.schema.shard import Shard
from homing.schema.times import DAY, HOUR
from homing.schema.vocabulary import EVENT_TYPES
from homing.state.accumulate import lower_bound
from homing.state.fold import UserStates
from homing.state.layout import StateLayout
from homing.state.threads import over_users

_DELIVERED = EVENT_TYPES.index("delivered")
_OPENED = EVENT_TYPES.index("opened")
_CLICKED = EVENT_TYPES.index("clicked")
_CONVERTED = EVENT_TYPES.index("converted")
_DISMISSED = EVENT_TYPES.index("dismissed")

#: How far back the last delivery of the same message is looked for; a state has no memory by message.
_MESSAGE_MEMORY = 28 * DAY
_HOURS_OF_WEEK = 168
_CHANNEL_COLUMNS = 8
_OPPORTUNITY_COLUMNS = 6
_OWN_COLUMNS = 6


def candidate_names(layout: StateLayout) -> tuple[str, ...]:
    """Return the names of the columns that `candidate_columns` writes, in order."""
    short, long = (layout.half_life_names[place] for place in _ends(layout))
    return (
        "channel.since.delivered",
        "channel.since.opened",
        f"channel.delivered.{short}",
        f"channel.delivered.{long}",
        f"channel.opened_rate.{long}",
        f"channel.clicked_rate.{long}",
        f"channel.converted_rate.{long}",
        f"channel.dismissed_rate.{long}",
        "domain_value",
        "category.exposure",
        "category.response",
        "category.response_rate",
        "category.since.delivered",
        "message.since.delivered",
        "opportunity.age",
        "opportunity.expires_in",
        "slot.delay",
        "slot.activity",
        "slot.activity.neighbours",
        "slot.activity.hour",
    )


def candidate_columns(
    shard: Shard,
    candidates: Candidates,
    states: UserStates,
    layout: StateLayout,
    out: NDArray[np.float32],
) -> None:
    """Write `len(candidate_names(layout))` columns to the first of `out`, float32 [n, >= columns].

    Times and counts stand as log(1 + x), times in hours; a rate is x / (1 + deliveries), so that it is
    0 without any; activity is log(1 + r), where r = 1 is the user's mean hour. A domain value v, in its
    domain's unit, stands as sign(v) log(1 + |v|). All are NaN for hold.
    """
    columns = _Inputs(
        offsets=candidates.offsets,
        user=candidates.rows.user,
        instant=candidates.rows.at,
        opportunity=candidates.opportunity,
        message=candidates.message,
        channel=candidates.channel,
        slot_start=candidates.slot_start,
        hour_of_week=candidates.hour_of_week,
        domain_value=shard.opportunities.domain_value,
        created_at=shard.opportunities.created_at,
        expires_at=shard.opportunities.expires_at,
        category=shard.messages.category,
        event_offsets=shard.events.offsets,
        event_at=shard.events.at,
        event_type=shard.events.type,
        event_message=shard.events.message,
        counts=states.counts,
        since=states.since,
        rhythm=states.rhythm,
        exposure=states.exposure,
        response=states.response,
        category_since=states.category_since,
    )
    inputs = _Inputs(**{name: read_only(column) for name, column in columns._asdict().items()})
    short, long = _ends(layout)
    sources, h = len(layout.sources), len(layout.half_lives)
    over_users(
        lambda low, high: _write(inputs, low, high, sources, h, short, long, out),
        len(candidates.rows),
        layout.threads,
    )


class _Inputs(NamedTuple):
    """Columns of the shard, its candidates and its states, for compiled code."""

    offsets: NDArray[np.int64]
    user: NDArray[np.int32]
    instant: NDArray[np.int64]
    opportunity: NDArray[np.int32]
    message: NDArray[np.int32]
    channel: NDArray[np.int16]
    slot_start: NDArray[np.int64]
    hour_of_week: NDArray[np.int16]
    domain_value: NDArray[np.float32]
    created_at: NDArray[np.int64]
    expires_at: NDArray[np.int64]
    category: NDArray[np.int32]
    event_offsets: NDArray[np.int64]
    event_at: NDArray[np.int64]
    event_type: NDArray[np.int16]
    event_message: NDArray[np.int32]
    counts: NDArray[np.float32]
    since: NDArray[np.float32]
    rhythm: NDArray[np.float32]
    exposure: NDArray[np.float32]
    response: NDArray[np.float32]
    category_since: NDArray[np.float32]


def _ends(layout: StateLayout) -> tuple[int, int]:
    half_lives = layout.half_lives
    return half_lives.index(min(half_lives)), half_lives.index(max(half_lives))


@njit(nogil=True, cache=True)
def _write(inputs, low, high, sources, h, short, long, out):  # type: ignore[no-untyped-def]
    by_channel = np.empty((sources, _CHANNEL_COLUMNS), np.float32)
    by_opportunity = np.empty(_OPPORTUNITY_COLUMNS, np.float32)
    first_own = _CHANNEL_COLUMNS + _OPPORTUNITY_COLUMNS
    # Numba counts references whenever a member of a tuple is read, so members are read once, out here.
    offsets, messages, opportunities, channels = (
        inputs.offsets,
        inputs.message,
        inputs.opportunity,
        inputs.channel,
    )
    slot_start, instant, hour_of_week = inputs.slot_start, inputs.instant, inputs.hour_of_week
    created_at, expires_at, rhythm = inputs.created_at, inputs.expires_at, inputs.rhythm
    for row in range(low, high):
        _channels(inputs.counts, inputs.since, row, sources, h, short, long, by_channel)
        known = -2  # opportunity that by_opportunity is about
        known_hour = -1
        for n in range(offsets[row], offsets[row + 1]):
            if messages[n] < 0:
                for column in range(first_own + _OWN_COLUMNS):
                    out[n, column] = np.nan
                continue
            opportunity = opportunities[n]
            if opportunity != known or opportunity < 0:
                _opportunity(inputs, row, opportunity, messages[n], by_opportunity)
                known = opportunity
            for column in range(_CHANNEL_COLUMNS):
                out[n, column] = by_channel[channels[n], column]
            for column in range(_OPPORTUNITY_COLUMNS):
                out[n, _CHANNEL_COLUMNS + column] = by_opportunity[column]
            slot = slot_start[n]
            if opportunity >= 0:
                out[n, first_own] = _log_hours(slot - created_at[opportunity])
                out[n, first_own + 1] = _log_hours(expires_at[opportunity] - slot)
            else:
                out[n, first_own] = np.nan
                out[n, first_own + 1] = np.nan
            out[n, first_own + 2] = _log_hours(slot - instant[row])
            if hour_of_week[n] != known_hour:
                known_hour = hour_of_week[n]
                here, near, daily = _activity(rhythm, row, known_hour)
            out[n, first_own + 3] = here
            out[n, first_own + 4] = near
            out[n, first_own + 5] = daily


@njit(nogil=True, cache=True)
def _channels(all_counts, all_since, row, sources, h, short, long, out):  # type: ignore[no-untyped-def]
    counts, since = all_counts[row], all_since[row]
    for channel in range(sources):
        delivered = counts[(_DELIVERED * sources + channel) * h + long]
        out[channel, 0] = np.log1p(since[_DELIVERED * sources + channel])
        out[channel, 1] = np.log1p(since[_OPENED * sources + channel])
        out[channel, 2] = np.log1p(counts[(_DELIVERED * sources + channel) * h + short])
        out[channel, 3] = np.log1p(delivered)
        scale = np.float32(1.0) / (np.float32(1.0) + delivered)
        out[channel, 4] = counts[(_OPENED * sources + channel) * h + long] * scale
        out[channel, 5] = counts[(_CLICKED * sources + channel) * h + long] * scale
        out[channel, 6] = counts[(_CONVERTED * sources + channel) * h + long] * scale
        out[channel, 7] = counts[(_DISMISSED * sources + channel) * h + long] * scale


@njit(nogil=True, cache=True)
def _opportunity(inputs, row, opportunity, message, out):  # type: ignore[no-untyped-def]
    value = inputs.domain_value[opportunity] if opportunity >= 0 else np.float32(np.nan)
    category = min(inputs.category[message], inputs.exposure.shape[1] - 1)
    exposure, response = inputs.exposure[row, category], inputs.response[row, category]
    out[0] = np.copysign(np.log1p(np.abs(value)), value)
    out[1] = np.log1p(exposure)
    out[2] = np.log1p(response)
    out[3] = response / (np.float32(1.0) + exposure)
    out[4] = np.log1p(inputs.category_since[row, category])
    out[5] = _log_hours_since_message(inputs, inputs.user[row], inputs.instant[row], message)


@njit(nogil=True, cache=True)
def _log_hours_since_message(inputs, user, instant, message):  # type: ignore[no-untyped-def]
    at, message_of, kind = inputs.event_at, inputs.event_message, inputs.event_type
    first = inputs.event_offsets[user]
    place = lower_bound(at, first, inputs.event_offsets[user + 1], instant) - 1
    while place >= first and at[place] >= instant - _MESSAGE_MEMORY:
        if message_of[place] == message and kind[place] == _DELIVERED:
            return _log_hours(instant - at[place])
        place -= 1
    return np.float32(np.nan)


@njit(nogil=True, cache=True)
def _activity(rhythm, row, hour):  # type: ignore[no-untyped-def]
    before, after = (hour + _HOURS_OF_WEEK - 1) % _HOURS_OF_WEEK, (hour + 1) % _HOURS_OF_WEEK
    week = np.float32(0.0)
    for day in range(7):
        week += rhythm[row, day * 24 + hour % 24]
    scale = np.float32(_HOURS_OF_WEEK)
    return (
        np.log1p(rhythm[row, hour] * scale),
        np.log1p((rhythm[row, before] + rhythm[row, after]) * scale / np.float32(2.0)),
        np.log1p(week * scale / np.float32(7.0)),
    )


@njit(nogil=True, cache=True)
def _log_hours(duration):  # type: ignore[no-untyped-def]
    return np.log1p(np.float32(max(duration, 0) / HOUR))
