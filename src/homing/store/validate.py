"""The rules that one row can break by itself, in bulk. A row has one reason: the first rule it breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import available_timezones

import numpy as np
import polars as pl

from homing.schema import Config, Vocabularies
from homing.schema.tables import Column, Table
from homing.schema.times import DAY, EARLIEST, LATEST, SECOND
from homing.store.columns import PROBLEM, TIME, TYPES
from homing.store.features import FeatureTypes
from homing.store.parsing import contract_column, parsed, unreadable
from homing.store.readers import BROKEN
from homing.store.sources import Source

_EARLIEST: Final = pl.lit(EARLIEST, pl.Int64).cast(TIME)
_LATEST: Final = pl.lit(LATEST, pl.Int64).cast(TIME)
_LARGEST: Final = float(np.finfo(np.float32).max)  # all but propensities are loaded as float32
_AHEAD: Final = 2 * DAY  # clocks of other systems may be wrong by this much
#: Columns that tell of something that has happened, so they cannot lie in the future.
_HAPPENED: Final = frozenset(
    {("users", "signed_up_at"), ("consents", "at"), ("events", "at"), ("decisions", "epoch_at")}
)
#: (table, later, earlier): the first has to be after the second.
_AFTER: Final = (
    ("messages", "valid_until", "valid_from"),
    ("opportunities", "expires_at", "earliest_at"),
    ("opportunities", "expires_at", "created_at"),
    ("decisions", "slot_end", "slot_start"),
    ("decisions", "slot_end", "epoch_at"),
)
_CHOSEN: Final = ("message_id", "channel", "slot_start", "slot_end")

Rule = tuple[str, pl.Expr]  # reason, and whether a row breaks the rule (null: it does not)


@dataclass(frozen=True)
class Names:
    """What the columns of small vocabularies may hold."""

    channels: tuple[str, ...]
    event_types: tuple[str, ...]
    zones: tuple[str, ...]
    messages: pl.Series

    @classmethod
    def of(cls, config: Config, vocabularies: Vocabularies) -> Names:
        """Return the names that homing.toml and the ledger know."""
        return cls(
            channels=tuple(config.channels),
            event_types=config.event_types,
            # what `localtime` is differs between machines
            zones=tuple(sorted(available_timezones() - {"localtime"})),
            messages=pl.Series(vocabularies.messages.names, dtype=pl.String),
        )


def check_rows(
    source: Source,
    frame: pl.DataFrame,
    features: FeatureTypes,
    names: Names,
    marked: bool,
    now: int | None = None,
) -> pl.DataFrame:
    """Read rows of a file in the ledger's types and check each by itself.

    Args:
        source: the file.
        frame: its rows, columns as the file has them; names of columns are checked already.
        features: types of the feature columns; grows.
        names: what columns of small vocabularies may hold.
        marked: whether text may hold `BROKEN`.
        now: us; defaults to the clock.

    Returns:
        The columns of the contract and the features, in the ledger's types, and PROBLEM: String, null
        for a good row.

    Raises:
        InputError: a column has a type that cannot be read.
    """
    features.settle(source, frame)
    table = source.table
    columns = {name: contract_column(table, name) for name in frame.columns}
    contract = {name: column for name, column in columns.items() if column is not None}
    readers = {name: parsed(source, column, name, frame.schema[name]) for name, column in contract.items()}
    readers |= features.parsed({name: kind for name, kind in frame.schema.items() if name not in contract})
    values = frame.select(readers.values())
    absent = [c for c in table.columns if c.name not in frame.columns and not c.name.endswith("*")]
    values = values.with_columns(pl.lit(None, TYPES[column.kind]).alias(column.name) for column in absent)
    rules = [
        *(_broken(frame) if marked else ()),
        *_types(frame, values, contract),
        *_contents(table, values),
        *_references(table, names),
        *_times(table, int(time.time() * SECOND) if now is None else now),
        *_meanings(table),
    ]
    reason = pl.coalesce(pl.when(broken).then(pl.lit(text)) for text, broken in rules)
    return values.with_columns(reason.alias(PROBLEM))


def _broken(frame: pl.DataFrame) -> Iterator[Rule]:
    for name, kind in frame.schema.items():
        if kind == pl.String and frame[name].str.contains(BROKEN, literal=True).any():
            yield f"{name}: broken UTF-8", pl.lit(frame[name].str.contains(BROKEN, literal=True))


def _types(frame: pl.DataFrame, values: pl.DataFrame, contract: dict[str, Column]) -> Iterator[Rule]:
    for name in values.columns:
        if name not in frame.columns or frame.schema[name] == values.schema[name]:
            continue
        given = frame[name].is_not_null()
        if frame.schema[name] == pl.String:
            given &= frame[name] != ""
        lost = given & values[name].is_null()
        if lost.any():
            column = contract.get(name)
            yield (
                (
                    f"{name}: not {_feature_word(values.schema[name])}"
                    if column is None
                    else unreadable(column, name)
                ),
                pl.lit(lost),
            )


def _feature_word(kind: pl.DataType) -> str:
    return f"a list of {kind.size} numbers" if isinstance(kind, pl.Array) else "a number"


def _contents(table: Table, values: pl.DataFrame) -> Iterator[Rule]:
    for column in table.columns:
        if column.required and column.name in values.columns:
            value = pl.col(column.name)
            empty = value.is_null() | (value == "") if column.kind in ("id", "string") else value.is_null()
            yield f"{column.name}: missing", empty
    for name, kind in values.schema.items():
        if kind.is_float():
            yield f"{name}: NaN or infinite", ~pl.col(name).is_finite()
            yield f"{name}: beyond what 32 bits hold, 3.4e38", pl.col(name).abs() > _LARGEST
        elif isinstance(kind, pl.Array):
            listed = pl.col(name).arr.to_list()
            yield f"{name}: NaN or infinite", ~listed.list.eval(pl.element().is_finite()).list.all()
        elif name == "candidate_set":
            yield "candidate_set: not 16 bytes", pl.col(name).bin.size() != 16


def _references(table: Table, names: Names) -> Iterator[Rule]:
    known: dict[str, tuple[str, ...] | pl.Series] = {
        "channels": names.channels,
        "event types": names.event_types,
        "time zones": names.zones,
        "messages": names.messages,
    }
    words = {
        "channels": "not a channel of homing.toml",
        "event types": "not an event type; declare it in events.types of homing.toml",
        "time zones": "not an IANA time zone",
        "messages": "unknown message",
    }
    for column in table.columns:
        if column.known_in not in known:
            continue
        value, allowed = pl.col(column.name), pl.Series(known[column.known_in], dtype=pl.String).implode()
        if column.kind == "list":
            unknown = value.list.set_difference(
                pl.lit(pl.Series(known[column.known_in], dtype=pl.String).implode())
            )
            yield f"{column.name}: {words[column.known_in]}", unknown.list.len() > 0
        else:
            yield f"{column.name}: {words[column.known_in]}", ~value.is_in(allowed)


def _times(table: Table, now: int) -> Iterator[Rule]:
    ahead = pl.lit(now + _AHEAD, pl.Int64).cast(TIME)
    for column in table.columns:
        if column.kind != "timestamp":
            continue
        yield f"{column.name}: before 1990", pl.col(column.name) < _EARLIEST
        if (table.name, column.name) in _HAPPENED:
            yield f"{column.name}: in the future", pl.col(column.name) > ahead
        elif table.name in ("opportunities", "decisions"):
            yield f"{column.name}: after 2100", pl.col(column.name) >= _LATEST
    for name, later, earlier in _AFTER:
        if name == table.name:
            yield f"{later}: not after {earlier}", pl.col(later) <= pl.col(earlier)


def _meanings(table: Table) -> Iterator[Rule]:
    if table.name == "messages":
        allowed = pl.Series(["normal", "transactional"]).implode()
        yield "priority: neither normal nor transactional", ~pl.col("priority").is_in(allowed)
    if table.name == "decisions":
        propensity = pl.col("propensity")
        chosen = [pl.col(name).is_not_null() for name in _CHOSEN]
        send = pl.col("action") == "send"
        yield "action: neither send nor hold", ~pl.col("action").is_in(pl.Series(["send", "hold"]).implode())
        yield "propensity: not in (0, 1]", (propensity <= 0) | (propensity > 1)
        yield "candidates: below 1", pl.col("candidates") < 1
        yield "candidates: beyond what 32 bits hold", pl.col("candidates") > np.iinfo(np.int32).max
        yield "propensity: below 1 with one candidate", (pl.col("candidates") == 1) & (propensity < 1)
        yield "send without message, channel or slot", send & ~pl.all_horizontal(chosen)
        hold = ~send & (pl.any_horizontal(chosen) | pl.col("opportunity_id").is_not_null())
        yield "hold with an opportunity, message, channel or slot", hold
