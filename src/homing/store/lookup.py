"""Finding one user, one decision, and what happened around them, by id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from homing.schema import InputError
from homing.store.columns import TIME, contract_types, newest, scan
from homing.store.hashing import hash_ids, partition_of
from homing.store.workspace import Workspace


@dataclass(frozen=True)
class UserPlace:
    """Where a user is."""

    user_id: str
    partition: int
    row: int  # in `load_shard(workspace, partition).shard.users`


@dataclass(frozen=True)
class DecisionPlace:
    """A decision of the ledger, and where its user is."""

    user: UserPlace
    columns: Mapping[str, Any]  # of the contract, `value_*` included; times are aware datetimes


@dataclass(frozen=True)
class Happening:
    """One decision or event of a user."""

    at: int  # us
    table: str  # decisions or events
    columns: Mapping[str, Any]  # of the contract; times are aware datetimes


def find_user(workspace: Workspace, user_id: str) -> UserPlace:
    """Find a user by id.

    Raises:
        InputError: the ledger has no such user.
    """
    hashed = hash_ids(pl.Series([user_id]))
    partition = int(partition_of(hashed["hash_lo"], workspace.ledger.partitions)[0])
    columns = contract_types("users", ("user_id",)) | {"hash_hi": pl.UInt64(), "hash_lo": pl.UInt64()}
    files = workspace.ledger.files("users", partition)
    users = newest(scan(files, columns, order="order"), "user_id", "order").sort("hash_hi", "hash_lo")
    place = users.with_row_index("row").filter(pl.col("user_id") == user_id).collect()
    if len(place):
        return UserPlace(user_id, partition, int(place["row"][0]))
    raise InputError(f"user {user_id!r} is not in the ledger of {workspace.path}; ids are case-sensitive")


def find_decision(workspace: Workspace, decision_id: str) -> DecisionPlace:
    """Find a decision by id.

    Raises:
        InputError: the ledger has no such decision.
    """
    for partition in range(workspace.ledger.partitions):
        for path in workspace.ledger.files("decisions", partition):
            rows = pl.scan_parquet(path).filter(pl.col("decision_id") == decision_id).collect()
            if len(rows):
                columns = rows.row(0, named=True)
                return DecisionPlace(find_user(workspace, columns["user_id"]), columns)
    raise InputError(
        f"decision {decision_id!r} is not in the ledger of {workspace.path}; "
        "'homing explain --user ID' shows what a user has"
    )


def history(
    workspace: Workspace, user: UserPlace, until: int | None = None, limit: int | None = None
) -> tuple[Happening, ...]:
    """Return the decisions and events of a user, the newest first.

    Args:
        workspace: an open workspace.
        user: from `find_user`.
        until: us; leaves out what is at or after it.
        limit: how many at most, or None for all.
    """
    found = []
    for table, time in (("decisions", "epoch_at"), ("events", "at")):
        where = pl.col("user_id") == user.user_id
        if until is not None:
            where &= pl.col(time) < pl.lit(until).cast(TIME)
        for path in workspace.ledger.files(table, user.partition):
            rows = pl.scan_parquet(path).filter(where).collect()
            instants = rows[time].to_physical().to_list()
            found += [
                Happening(at, table, columns)
                for at, columns in zip(instants, rows.iter_rows(named=True), strict=True)
            ]
    found.sort(key=lambda happening: (-happening.at, happening.table, str(happening.columns)))
    return tuple(found[:limit])
