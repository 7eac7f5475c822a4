"""The world's log as the tables of the data contract, with ids as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, Consents, format_ids
from homing.simulator.catalogue import CATEGORIES, DOMAINS, TONES, Catalogue
from homing.simulator.identifiers import id_bytes, id_text
from homing.simulator.latents import NEVER, Mood
from homing.simulator.log import Block
from homing.simulator.opportunities import GENERATORS, ID_DIGITS, Generated
from homing.simulator.population import CATEGORICAL, NUMERIC, VALUES, ZONES, Population, id_digits

Table = dict[str, NDArray[Any]]

_EVENT_DIGITS = 10


def consents_so_far(mood: Mood, now: int) -> tuple[Consents, NDArray[np.bool_]]:
    """Return opt-ins and opt-outs before `now` (us), and which rows are opt-outs."""
    users, channels = mood.reachable_from.shape
    at = np.stack([mood.reachable_from, mood.unreachable_from], axis=2).reshape(-1)
    user = np.repeat(np.arange(users), channels * 2)
    channel = np.tile(np.repeat(np.arange(channels), 2), users)
    reachable = np.tile(np.array([True, False]), users * channels)
    known = np.flatnonzero((at != NEVER) & (at < now))
    order = known[np.lexsort((channel[known], at[known], user[known]))]
    counts = np.bincount(user[order], minlength=users)
    return (
        Consents(
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            at=at[order],
            channel=channel[order].astype(np.int16),
            reachable=reachable[order],
        ),
        ~reachable[order],
    )


def users_table(population: Population) -> Table:
    """Return the columns of `users`."""
    users = population.users
    table: Table = {
        "user_id": _user_ids(np.arange(len(users)), len(users)),
        "timezone": np.array([name for name, _, _ in ZONES])[users.zone],
        "signed_up_at": users.signed_up_at,
    }
    table |= {name: users.numeric[:, column] for column, name in enumerate(NUMERIC)}
    table |= {
        name: np.array(VALUES[column])[users.categorical[:, column]]
        for column, name in enumerate(CATEGORICAL)
    }
    return table


def consents_table(mood: Mood, now: int, channels: tuple[str, ...]) -> Table:
    """Return the columns of `consents` before `now` (us)."""
    consents, out = consents_so_far(mood, now)
    user = np.repeat(np.arange(len(mood.habit)), np.diff(consents.offsets))
    return {
        "user_id": _user_ids(user, len(mood.habit)),
        "channel": np.array(channels)[consents.channel],
        "at": consents.at,
        "reachable": consents.reachable,
        "reason": np.where(out, "opt_out", "opt_in"),
    }


def messages_table(catalogue: Catalogue, channels: tuple[str, ...]) -> Table:
    """Return the columns of `messages`; `channels` holds lists, `x_topic` is float32 [messages, topics]."""
    messages = catalogue.messages
    shown = np.empty(len(messages), object)
    for row, mask in enumerate(messages.channels):
        shown[row] = [name for name, yes in zip(channels, mask, strict=True) if yes]
    return {
        "message_id": np.array(catalogue.ids),
        "domain": np.array([domain.name for domain in DOMAINS])[messages.domain],
        "category": np.array(CATEGORIES)[messages.category],
        "channels": shown,
        "valid_from": messages.valid_from,
        "valid_until": messages.valid_until,
        "priority": np.full(len(messages), "normal"),
        "x_topic": messages.numeric[:, :-1],
        "x_quality": messages.numeric[:, -1],
        "x_tone": np.array(TONES)[messages.categorical[:, 0]],
    }


def opportunities_table(generated: Generated, users: int, catalogue: Catalogue) -> Table:
    """Return the columns of `opportunities`; a missing domain value is NaN."""
    rows = generated.opportunities
    return {
        "opportunity_id": id_text(id_bytes("opp-", generated.number, ID_DIGITS)),
        "user_id": _user_ids(np.repeat(np.arange(users), np.diff(rows.offsets)), users),
        "message_id": np.array(catalogue.ids)[rows.message],
        "generator": np.array(GENERATORS)[rows.generator],
        "domain_value": rows.domain_value,
        "created_at": rows.created_at,
        "earliest_at": rows.earliest_at,
        "expires_at": rows.expires_at,
    }


def events_table(
    block: Block, first: int, users: int, catalogue: Catalogue, channels: tuple[str, ...]
) -> Table:
    """Return the columns of `events`; ids count from `first`, references of organic events are empty."""
    decision = np.full(len(block), "", "U32")
    has = np.flatnonzero(block.message >= 0)
    decision[has] = format_ids(block.decision[has])
    return {
        "event_id": id_text(id_bytes("evt-", first + np.arange(len(block)), _EVENT_DIGITS)),
        "user_id": _user_ids(block.user, users),
        "at": block.at,
        "type": np.array(EVENT_TYPES)[block.type],
        "decision_id": decision,
        "message_id": np.array([*catalogue.ids, ""])[block.message],
        "channel": np.array([*channels, ""])[block.channel],
        "value": block.value,
    }


def _user_ids(user: NDArray[np.integer[Any]], users: int) -> NDArray[np.str_]:
    return id_text(id_bytes("user-", user.astype(np.int64), id_digits(users)))
