"""The rules that remove candidates, in the order of asking. The first one that holds is the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, Config, Instants, Shard, Vocabularies
from homing.schema.config import Cap
from homing.schema.times import parse_duration
from homing.state import FrequencyLimits

#: No rule removes the candidate.
ELIGIBLE: Final = -1
#: Rules that do not depend on a slot; with the others they are in the order of asking.
UNSLOTTED: Final = ("expired", "not_reachable")
RULES: Final = (
    "expired",  # the opportunity expired by the epoch
    "message_not_valid",  # the slot does not lie in [valid_from, valid_until)
    "not_reachable",  # no consent, or no address, in this channel
    "quiet_hours",  # a part of the slot lies in the channel's quiet hours
    "before_earliest",  # the slot starts before earliest_at
    "after_expiry",  # the slot ends after expires_at
)


@dataclass(frozen=True)
class Frequency:
    """Frequency caps and spacings as one list of limits, and the rule that each stands for."""

    limits: FrequencyLimits
    rules: tuple[str, ...]  # names of the rules, in the order of asking, after RULES
    rule_of: NDArray[np.int16]  # [limits] place in `rules`


def frequency_limits(config: Config, vocabularies: Vocabularies) -> Frequency:
    """Return the limits of `config`: each channel's caps and spacing, then those over all channels."""
    limits: list[tuple[int, int, int, str]] = []

    def add(channel: int, name: str, caps: tuple[Cap, ...], spacing: str) -> None:
        limits.extend((channel, cap.max, parse_duration(cap.per), f"cap:{name}") for cap in caps)
        if parse_duration(spacing) > 0:
            limits.append((channel, 1, parse_duration(spacing), f"spacing:{name}"))

    for name, channel in config.channels.items():
        if name in vocabularies.channels:  # another channel has no candidates and no sends
            add(vocabularies.channels.code(name), name, channel.caps, channel.spacing)
    add(-1, "total", config.limits.caps, config.limits.spacing)
    rules = tuple(dict.fromkeys(rule for *_, rule in limits))
    return Frequency(
        limits=FrequencyLimits(
            channel=np.array([limit[0] for limit in limits], np.int16),
            maximum=np.array([limit[1] for limit in limits], np.int32),
            window=np.array([limit[2] for limit in limits], np.int64),
        ),
        rules=rules,
        rule_of=np.array([rules.index(limit[3]) for limit in limits], np.int16),
    )


def reachable(shard: Shard, rows: Instants) -> NDArray[np.bool_]:
    """Return whether a row's user may be reached through each channel: bool [rows, channels].

    The newest of consents, `opted_in` and `opted_out` events strictly before the row's instant decides;
    of two at one time the refusal wins. Without any, the user is not reachable. An opt-out that names no
    channel is from all of them; an opt-in must name its channel. (The user state reads it the same way.)
    """
    channels = len(shard.vocabularies.channels)
    cell, at, closed = _reachability(shard, channels)
    times = np.unique(at)
    span = 2 * (len(times) + 1)  # a key sorts by (cell, at, closed)
    keys = np.sort(cell * span + 2 * np.searchsorted(times, at) + closed)
    asked = rows.user.astype(np.int64)[:, None] * channels + np.arange(channels)
    bound = asked * span + 2 * np.searchsorted(times, rows.at)[:, None]
    last = np.searchsorted(keys, bound) - 1  # the newest key before the instant, perhaps another cell's
    if len(keys) == 0:
        return np.zeros(asked.shape, np.bool_)
    newest: NDArray[np.int64] = keys[np.maximum(last, 0)]
    open_still: NDArray[np.bool_] = (last >= 0) & (newest // span == asked) & (newest % 2 == 0)
    return open_still


def _reachability(
    shard: Shard, channels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return all changes of reachability: user x channel [k], time in us [k], whether it closes [k]."""
    consents, events = shard.consents, shard.events
    users = np.arange(len(shard.users))
    consent_user = np.repeat(users, np.diff(consents.offsets))
    out, opted_in = (EVENT_TYPES.index(name) for name in ("opted_out", "opted_in"))
    event_user = np.repeat(users, np.diff(events.offsets))
    named = np.flatnonzero(((events.type == out) | (events.type == opted_in)) & (events.channel >= 0))
    unnamed = np.repeat(np.flatnonzero((events.type == out) & (events.channel < 0)), channels)
    each = np.tile(np.arange(channels), len(unnamed) // max(channels, 1))
    cell = np.concatenate(
        [
            consent_user * channels + consents.channel,
            event_user[named] * channels + events.channel[named],
            event_user[unnamed] * channels + each,
        ]
    )
    at = np.concatenate([consents.at, events.at[named], events.at[unnamed]])
    closed = np.concatenate([~consents.reachable, events.type[named] == out, np.ones(len(unnamed), np.bool_)])
    return cell, at, closed


def first_broken(size: int, questions: tuple[Callable[[], NDArray[np.bool_]], ...]) -> NDArray[np.int16]:
    """Return the place of the first question whose answer is yes: int16 [size], ELIGIBLE where none is."""
    rule = np.full(size, ELIGIBLE, np.int16)
    for place, question in reversed(list(enumerate(questions))):
        rule[question()] = place
    return rule
