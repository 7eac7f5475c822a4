"""Candidates: opportunities x channels x slots that a user may receive, and always hold.

Planning asks at one epoch, replay at many past ones. Both call `build_candidates`, which sees only what
was known at a row's instant: opportunities created at or before it, consents and opt-outs strictly before
it, sends known strictly before it. So a replay regenerates the set that was logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from homing.decision.eligibility import (
    ELIGIBLE,
    RULES,
    UNSLOTTED,
    first_broken,
    frequency_limits,
    reachable,
)
from homing.decision.ragged import offsets_of, spans
from homing.decision.slots import Slots, build_slots
from homing.schema import Candidates, Config, Exclusions, Instants, Opportunities, Sends, Shard
from homing.schema.mixing import mix64
from homing.schema.times import MISSING, parse_duration
from homing.state import frequency_rule

_FOREVER: Final = np.iinfo(np.int64).max
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class _Grid:
    """Every opportunity x channel x slot that is asked about, sorted by (row, opportunity, channel, slot).

    An item is an opportunity in a channel; its slots lie side by side.
    """

    row: NDArray[np.int64]  # [items]
    opportunity: NDArray[np.int64]  # [items] row in the shard's opportunities
    channel: NDArray[np.int16]  # [items] code
    item: NDArray[np.int64]  # [n]
    slot: NDArray[np.int64]  # [n] place in Slots


def build_candidates(
    shard: Shard, rows: Instants, config: Config, sends: Sends | None = None
) -> tuple[Candidates, Exclusions]:
    """Return what each row may receive, and what rules removed from it.

    An opportunity counts as `expired` when it expired within the horizon before the epoch; those that
    expired earlier are history and are not asked about. A message is asked about in its own channels
    only, and only in slots that the horizon has. A slot must lie as a whole within [earliest_at,
    expires_at) and the message's validity. Transactional messages skip quiet hours, caps and spacing.

    Args:
        shard: all that is known of the users.
        rows: users and epochs; one epoch in a plan, many in a replay.
        config: channels, limits, slots, and the share of users whose exclusions are returned.
        sends: what caps count; by default `shard.sends()`.
    """
    slots = build_slots(shard, rows, config)
    row, opportunity = known(shard.opportunities, rows, parse_duration(config.slots.horizon))
    grid = _expand(shard, slots, row, opportunity)
    rule = _slot_rules(shard, rows, slots, grid)

    frequency = frequency_limits(config, shard.vocabularies)
    transactional = shard.messages.transactional[shard.opportunities.message[grid.opportunity]]
    asked = np.flatnonzero((rule == ELIGIBLE) & ~transactional[grid.item])
    item = grid.item[asked]
    broken = frequency_rule(
        shard.sends() if sends is None else sends,
        rows,
        grid.row[item],
        grid.channel[item],
        slots.start[grid.slot[asked]],
        frequency.limits,
    )
    hit = broken >= 0
    rule[asked[hit]] = len(RULES) + frequency.rule_of[broken[hit]]

    candidates = _with_hold(shard, rows, slots, grid, np.flatnonzero(rule == ELIGIBLE))
    rules = RULES + frequency.rules
    return candidates, _exclusions(shard, rows, slots, grid, rule, rules, config.exclusions.share)


def known(
    opportunities: Opportunities, rows: Instants, horizon: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (row, opportunity) pairs with created_at <= epoch and expires_at > epoch - horizon, sorted."""
    user = rows.user.astype(np.int64)
    first, counts = opportunities.offsets[user], np.diff(opportunities.offsets)[user]
    if counts.sum() <= 2 * len(opportunities):
        row, place = np.repeat(np.arange(len(rows)), counts), spans(first, counts)
    else:  # many epochs: only those created within the longest life before each
        row, place = _recent(opportunities, rows, horizon)
    at = rows.at[row]
    now = (opportunities.created_at[place] <= at) & (opportunities.expires_at[place] > at - horizon)
    return row[now], place[now]


def _recent(
    opportunities: Opportunities, rows: Instants, horizon: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    created = opportunities.created_at
    longest = int((opportunities.expires_at - created).max()) + horizon
    owner = np.repeat(np.arange(len(opportunities.offsets) - 1), np.diff(opportunities.offsets))
    times, rank = np.unique(created, return_inverse=True)
    key = owner * (len(times) + 1) + rank
    order = np.argsort(key, kind="stable")
    user = rows.user.astype(np.int64) * (len(times) + 1)
    low = np.searchsorted(key[order], user + np.searchsorted(times, rows.at - longest))
    high = np.searchsorted(key[order], user + np.searchsorted(times, rows.at, side="right"))
    row = np.repeat(np.arange(len(rows)), high - low)
    place = order[spans(low, high - low)]
    by_row = np.argsort(row * len(opportunities) + place, kind="stable")
    return row[by_row], place[by_row]


def _expand(shard: Shard, slots: Slots, row: NDArray[np.int64], opportunity: NDArray[np.int64]) -> _Grid:
    """Return the grid of the pairs' messages in their channels and slots."""
    shown, channel = np.nonzero(shard.messages.channels[shard.opportunities.message[opportunity]])
    cell = slots.pair[row[shown]] * slots.channels + channel
    first = slots.offsets[cell]
    counts = slots.offsets[cell + 1] - first
    return _Grid(
        row=row[shown],
        opportunity=opportunity[shown],
        channel=channel.astype(np.int16),
        item=np.repeat(np.arange(len(shown)), counts),
        slot=spans(first, counts),
    )


def _slot_rules(shard: Shard, rows: Instants, slots: Slots, grid: _Grid) -> NDArray[np.int16]:
    """Return the first of RULES that removes each place of the grid: int16 [n], ELIGIBLE where none does."""
    messages, opportunities, item = shard.messages, shard.opportunities, grid.item
    message = opportunities.message[grid.opportunity]
    until = np.where(messages.valid_until == MISSING, _FOREVER, messages.valid_until)[message]
    expired = opportunities.expires_at[grid.opportunity] <= rows.at[grid.row]
    lost = ~reachable(shard, rows)[grid.row, grid.channel]
    start = slots.start[grid.slot]
    end = start + slots.length
    return first_broken(
        len(item),
        (
            lambda: expired[item],
            lambda: (start < messages.valid_from[message][item]) | (end > until[item]),
            lambda: lost[item],
            lambda: slots.quiet[grid.slot] & ~messages.transactional[message][item],
            lambda: start < opportunities.earliest_at[grid.opportunity][item],
            lambda: end > opportunities.expires_at[grid.opportunity][item],
        ),
    )


def _with_hold(
    shard: Shard, rows: Instants, slots: Slots, grid: _Grid, kept: NDArray[np.int64]
) -> Candidates:
    """Return the kept places of the grid as candidates, each row's behind its hold."""
    item, slot = grid.item[kept], grid.slot[kept]
    row, opportunity = grid.row[item], grid.opportunity[item]
    offsets = offsets_of(np.bincount(row, minlength=len(rows)) + 1)
    hold, sent = offsets[:-1], np.arange(len(kept)) + row + 1

    def column(held: NDArray[Any] | int, chosen: NDArray[Any], dtype: type[T]) -> NDArray[T]:
        out = np.empty(offsets[-1], dtype)
        out[hold], out[sent] = held, chosen
        return out

    start = slots.start[slot]
    return Candidates(
        rows=rows,
        offsets=offsets,
        opportunity=column(-1, opportunity, np.int32),
        message=column(-1, shard.opportunities.message[opportunity], np.int32),
        channel=column(-1, grid.channel[item], np.int16),
        slot_start=column(rows.at, start, np.int64),
        slot_end=column(rows.at, start + slots.length, np.int64),
        hour_of_week=column(slots.epoch_hour[slots.pair], slots.hour_of_week[slot], np.int16),
    )


def _exclusions(
    shard: Shard,
    rows: Instants,
    slots: Slots,
    grid: _Grid,
    rule: NDArray[np.int16],
    rules: tuple[str, ...],
    share: float,
) -> Exclusions:
    """Count what each rule removed, and return the rows of a share of users, the same users every time.

    A rule that does not ask about a slot removes all slots of an item, counts them, and has one row.
    """
    sampled = mix64(shard.users.hash[:, 1]) / 2.0**64 < share
    place = np.flatnonzero((rule != ELIGIBLE) & sampled[rows.user[grid.row]][grid.item])
    unslotted = np.array([name in UNSLOTTED for name in rules])[rule[place]]
    once = ~unslotted
    _, first = np.unique(grid.item[place[unslotted]], return_index=True)
    once[np.flatnonzero(unslotted)[first]] = True
    place, unslotted = place[once], unslotted[once]
    item = grid.item[place]
    return Exclusions(
        rules=rules,
        counts=np.bincount(rule[rule != ELIGIBLE], minlength=len(rules)),
        user=rows.user[grid.row[item]],
        opportunity=grid.opportunity[item].astype(np.int32),
        channel=grid.channel[item],
        slot_start=np.where(unslotted, MISSING, slots.start[grid.slot[place]]),
        rule=rule[place],
    )
