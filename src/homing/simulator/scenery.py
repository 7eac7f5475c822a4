"""What is there before the first day, and how a world of one's own makes it from plain columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError, Messages, Opportunities, Users, Vocabularies, Vocabulary
from homing.schema.errors import nearest
from homing.schema.times import MISSING
from homing.simulator.identifiers import md5_words
from homing.simulator.latents import NEVER, Reach
from homing.simulator.opportunities import opportunity_ids
from homing.simulator.population import user_ids
from homing.simulator.setup import Setup

#: A column: one value a row, rows of numbers (an embedding), or names and each row's place among them.
Column = NDArray[Any] | Sequence[Any] | tuple[Sequence[str], NDArray[Any]]

_USERS: Final = {"timezone": True, "signed_up_at": True}
_MESSAGES: Final = {
    "message_id": True,
    "domain": True,
    "category": True,
    "channels": True,
    "valid_from": False,
    "valid_until": False,
}
_OPPORTUNITIES: Final = {
    "user": True,
    "message": True,
    "generator": True,
    "created_at": True,
    "expires_at": True,
    "earliest_at": False,
    "domain_value": False,
}


@dataclass(frozen=True)
class Scenery:
    """What is there before the first day, as a platform sees it."""

    vocabularies: Vocabularies
    users: Users
    messages: Messages
    opportunities: Opportunities  # of the whole period; each is known from its `created_at` on
    opportunity_ids: NDArray[np.uint8]  # [opportunities, length] ASCII
    reach: Reach  # at the start, as far as people have signed up by then


@dataclass(frozen=True)
class _Features:
    numeric: NDArray[np.float32]  # [n, numbers]
    categorical: NDArray[np.int32]  # [n, features]
    numbers: tuple[str, ...]
    values: dict[str, Vocabulary]


def make_scenery(
    setup: Setup,
    *,
    users: Mapping[str, Column],
    messages: Mapping[str, Column],
    opportunities: Mapping[str, Column],
    opted_in: NDArray[np.bool_],
) -> Scenery:
    """Return the scenery that columns describe; ids, hashes and codes are made here.

    A column of a few names, such as `timezone` or a categorical feature, is a pair: the names, and each
    row's place among them (int [n], -1: missing), so that names have the same codes in every part.
    Features are further columns whose names start with `x_`: numbers [n], embeddings [n, d], or such a pair.

    Args:
        setup: of the part.
        users: `timezone` (a pair, IANA names) and `signed_up_at` (us), a row for each of `setup.users`.
        messages: `message_id`, `domain`, `category` (text), `channels` (a tuple of names each), and as
            wanted `valid_from` and `valid_until` (us). They must be the same in every part.
        opportunities: `user` (row in users), `message` (row in messages), `generator` (a pair), `created_at`
            and `expires_at` (us), and as wanted `earliest_at` (us; else `created_at`) and `domain_value`.
        opted_in: [users, channels] who can be reached from sign-up on, channels as in `setup.channels`.

    Raises:
        InputError: a column is missing or not known, has another length, or names a row that is not there.
    """
    _check("users", users, _USERS, setup.users)
    _check("messages", messages, _MESSAGES, len(messages.get("message_id", ())))
    _check("opportunities", opportunities, _OPPORTUNITIES, len(opportunities.get("user", ())))
    if np.shape(opted_in) != (setup.users, len(setup.channels)):
        raise InputError(
            f"opted_in has shape {np.shape(opted_in)}, must be [users, channels]: "
            f"({setup.users}, {len(setup.channels)})"
        )
    of_users = _features(users, setup.users)
    of_messages = _features(messages, len(messages["message_id"]))
    of_opportunities = _features(opportunities, len(opportunities["user"]))
    zones, zone = users["timezone"]
    generators, generator = opportunities["generator"]
    domains, domain = _coded(messages["domain"])
    categories, category = _coded(messages["category"])
    signed_up = np.asarray(users["signed_up_at"], np.int64)
    shown = [[name in row for name in setup.channels] for row in messages["channels"]]
    offers, number = _opportunities(setup, opportunities, of_opportunities, np.asarray(generator), len(shown))
    return Scenery(
        vocabularies=Vocabularies(
            channels=Vocabulary(setup.channels),
            zones=Vocabulary(tuple(zones)),
            messages=Vocabulary(tuple(str(name) for name in messages["message_id"])),
            domains=domains,
            categories=categories,
            generators=Vocabulary(tuple(generators)),
            numeric={
                "users": of_users.numbers,
                "messages": of_messages.numbers,
                "opportunities": of_opportunities.numbers,
            },
            categorical={
                "users": of_users.values,
                "messages": of_messages.values,
                "opportunities": of_opportunities.values,
            },
        ),
        users=Users(
            hash=md5_words(user_ids(setup.first + np.arange(setup.users))),
            zone=np.asarray(zone, np.int32),
            signed_up_at=signed_up,
            numeric=of_users.numeric,
            categorical=of_users.categorical,
        ),
        messages=Messages(
            domain=domain,
            category=category,
            channels=np.array(shown, np.bool_).reshape(-1, len(setup.channels)),
            valid_from=_times(messages, "valid_from", len(shown)),
            valid_until=_times(messages, "valid_until", len(shown)),
            transactional=np.zeros(len(shown), np.bool_),
            numeric=of_messages.numeric,
            categorical=of_messages.categorical,
        ),
        opportunities=offers,
        opportunity_ids=opportunity_ids(setup, number),
        reach=Reach(
            since=np.where(opted_in, signed_up[:, None], NEVER),
            until=np.full(np.shape(opted_in), NEVER),
            lost=np.zeros(np.shape(opted_in), np.bool_),
        ),
    )


def _opportunities(
    setup: Setup,
    table: Mapping[str, Column],
    features: _Features,
    generator: NDArray[np.int64],
    messages: int,
) -> tuple[Opportunities, NDArray[np.int64]]:
    """Return opportunities sorted by (user, hash of the id), and the row that each has in the table."""
    user, message = (np.asarray(table[name], np.int64) for name in ("user", "message"))
    for name, column, size in (("user", user, setup.users), ("message", message, messages)):
        if ((column < 0) | (column >= size)).any():
            raise InputError(f"opportunities: {name} must be a row in [0, {size})")
    created = np.asarray(table["created_at"], np.int64)
    value = np.asarray(table.get("domain_value", np.full(len(user), np.nan)), np.float32)
    digest = md5_words(opportunity_ids(setup, np.arange(len(user))))[:, 0]
    order = np.lexsort((digest, user))
    return (
        Opportunities(
            offsets=np.concatenate([[0], np.cumsum(np.bincount(user, minlength=setup.users))]),
            hash=digest[order],
            message=message[order].astype(np.int32),
            generator=generator[order].astype(np.int32),
            domain_value=value[order],
            created_at=created[order],
            earliest_at=np.asarray(table.get("earliest_at", created), np.int64)[order],
            expires_at=np.asarray(table["expires_at"], np.int64)[order],
            numeric=features.numeric[order],
            categorical=features.categorical[order],
        ),
        order,
    )


def _check(table: str, columns: Mapping[str, Column], known: Mapping[str, bool], rows: int) -> None:
    missing = [name for name, required in known.items() if required and name not in columns]
    unknown = [name for name in columns if name not in known and not name.startswith("x_")]
    if missing or unknown:
        hint = nearest(unknown[0], known) if unknown else ""
        raise InputError(
            f"{table}: columns {missing} are missing and {unknown} not known{hint}; features start with x_"
        )
    for name, column in columns.items():
        length = len(column[1] if _is_pair(column) else column)
        if length != rows:
            raise InputError(f"{table}: {name} has {length} rows, must have {rows}")


def _is_pair(column: Column) -> bool:
    return isinstance(column, tuple) and len(column) == 2 and isinstance(column[1], np.ndarray)


def _coded(names: Column) -> tuple[Vocabulary, NDArray[np.int32]]:
    words = Vocabulary(tuple(dict.fromkeys(str(name) for name in names)))
    return words, np.array([words.code(str(name)) for name in names], np.int32)


def _times(table: Mapping[str, Column], name: str, rows: int) -> NDArray[np.int64]:
    return np.asarray(table.get(name, np.full(rows, MISSING)), np.int64)


def _features(table: Mapping[str, Column], rows: int) -> _Features:
    numeric: list[NDArray[np.float32]] = []
    codes: list[NDArray[np.int32]] = []
    numbers: list[str] = []
    values: dict[str, Vocabulary] = {}
    for name, column in table.items():
        if not name.startswith("x_"):
            continue
        if _is_pair(column):
            values[name] = Vocabulary(tuple(column[0]))
            codes.append(np.asarray(column[1], np.int32))
        else:
            array = np.asarray(column, np.float32)
            wide = array.ndim == 2
            numeric.append(array if wide else array[:, None])
            numbers += [f"{name}[{place}]" for place in range(array.shape[1])] if wide else [name]
    return _Features(
        numeric=np.column_stack(numeric) if numeric else np.empty((rows, 0), np.float32),
        categorical=np.column_stack(codes) if codes else np.empty((rows, 0), np.int32),
        numbers=tuple(numbers),
        values=values,
    )
