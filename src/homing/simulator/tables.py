"""A world's log as the tables of the data contract, with ids as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, Messages, Opportunities, Users, Vocabularies, format_ids
from homing.simulator.log import REASONS, Block, ConsentRows

Table = dict[str, NDArray[Any]]
Text = NDArray[np.str_]


def users_table(words: Vocabularies, users: Users, user_id: Text) -> Table:
    """Return the columns of `users`."""
    return {
        "user_id": user_id,
        "timezone": np.array(words.zones.names)[users.zone],
        "signed_up_at": users.signed_up_at,
        **_features(words, "users", users.numeric, users.categorical),
    }


def consents_table(words: Vocabularies, rows: ConsentRows, user_id: Text) -> Table:
    """Return the columns of `consents`."""
    consents = rows.consents
    return {
        "user_id": np.repeat(user_id, np.diff(consents.offsets)),
        "channel": np.array(words.channels.names)[consents.channel],
        "at": consents.at,
        "reachable": consents.reachable,
        "reason": np.array(REASONS)[rows.reason],
    }


def messages_table(words: Vocabularies, messages: Messages) -> Table:
    """Return the columns of `messages`; `channels` holds lists."""
    shown = np.empty(len(messages), object)
    for row, mask in enumerate(messages.channels):
        shown[row] = [name for name, yes in zip(words.channels.names, mask, strict=True) if yes]
    return {
        "message_id": np.array(words.messages.names),
        "domain": np.array(words.domains.names)[messages.domain],
        "category": np.array(words.categories.names)[messages.category],
        "channels": shown,
        "valid_from": messages.valid_from,
        "valid_until": messages.valid_until,
        "priority": np.where(messages.transactional, "transactional", "normal"),
        **_features(words, "messages", messages.numeric, messages.categorical),
    }


def opportunities_table(
    words: Vocabularies, rows: Opportunities, opportunity_id: Text, user_id: Text
) -> Table:
    """Return the columns of `opportunities`; a missing domain value is NaN."""
    return {
        "opportunity_id": opportunity_id,
        "user_id": np.repeat(user_id, np.diff(rows.offsets)),
        "message_id": np.array(words.messages.names)[rows.message],
        "generator": np.array(words.generators.names)[rows.generator],
        "domain_value": rows.domain_value,
        "created_at": rows.created_at,
        "earliest_at": rows.earliest_at,
        "expires_at": rows.expires_at,
        **_features(words, "opportunities", rows.numeric, rows.categorical),
    }


def events_table(words: Vocabularies, block: Block, event_id: Text, user_id: Text) -> Table:
    """Return the columns of `events`; references of organic events are empty."""
    decision = np.full(len(block), "", "U32")
    has = np.flatnonzero(block.message >= 0)
    decision[has] = format_ids(block.decision[has])
    return {
        "event_id": event_id,
        "user_id": user_id[block.user],
        "at": block.at,
        "type": np.array(EVENT_TYPES)[block.type],
        "decision_id": decision,
        "message_id": np.array([*words.messages.names, ""])[block.message],
        "channel": np.array([*words.channels.names, ""])[block.channel],
        "value": block.value,
    }


def _features(
    words: Vocabularies, table: str, numeric: NDArray[np.float32], categorical: NDArray[np.int32]
) -> Table:
    """Return feature columns; numbers of one name with places in brackets become one embedding."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(words.numeric.get(table, ())):
        places.setdefault(re.sub(r"\[\d+\]$", "", name), []).append(place)
    columns: Table = {
        name: numeric[:, of] if f"{name}[0]" in words.numeric[table] else numeric[:, of[0]]
        for name, of in places.items()
    }
    for place, (name, values) in enumerate(words.categorical.get(table, {}).items()):
        columns[name] = np.array([*values.names, ""])[categorical[:, place]]
    return columns
