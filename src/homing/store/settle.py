"""The rules about several rows: references to users and opportunities, order in time, and repeated ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from homing.schema.tables import Table
from homing.store.columns import PROBLEM, TIME, newest, scan

#: Columns that say where a row came from; they are not part of its content.
ORIGIN: Final = ("source", "row")
_HASHES: Final = ("hash", "hash_hi", "hash_lo")
DUPLICATE: Final = "another row with the same {} and different content"


@dataclass(frozen=True)
class Settled:
    """What becomes of the rows of one partition. Every row is in exactly one place."""

    fresh: pl.DataFrame  # columns of the ledger
    repeated: int
    bad: pl.DataFrame  # columns of the ledger, ORIGIN and PROBLEM


def check_references(
    table: Table, staged: pl.DataFrame, users: Sequence[Path], opportunities: Sequence[Path]
) -> pl.DataFrame:
    """Add PROBLEM: String, null where the user and opportunity that a row names are known.

    Args:
        table: of the rows.
        staged: rows of one partition.
        users: files of this partition's users, the ones of this ingest included.
        opportunities: files of this partition's opportunities, likewise; used for decisions.
    """
    rows = staged.with_columns(pl.lit(None, pl.String).alias(PROBLEM))
    if table.by_user and table.name != "users":
        rows = _check_user(table, rows, users)
    return _check_opportunity(rows, opportunities) if table.name == "decisions" else rows


def settle(
    table: Table,
    checked: pl.DataFrame,
    committed: Sequence[Path],
    met: Sequence[Path],
    foreign: pl.Series,
) -> Settled:
    """Decide about rows of one partition.

    Args:
        table: of the rows.
        checked: from `check_references`: columns of the ledger, ORIGIN and PROBLEM, in the order in which
            the rows came.
        committed: files of this table and partition in the ledger, the oldest first.
        met: of those, the ones that may have the key of a row.
        foreign: String, ids of this table that belong to a row of another partition.
    """
    rows = checked
    if len(foreign):
        clash = pl.col(table.key[0]).is_in(foreign.implode()) & pl.col(PROBLEM).is_null()
        reason = pl.lit(DUPLICATE.format(", ".join(table.key)))
        rows = rows.with_columns(pl.when(clash).then(reason).otherwise(PROBLEM).alias(PROBLEM))
    good = rows.filter(pl.col(PROBLEM).is_null()).drop(PROBLEM)
    bad = rows.filter(pl.col(PROBLEM).is_not_null())
    fresh, repeated, clashing = _repeats(table, good, met)
    fresh, second = _once(table, fresh, committed)
    return Settled(fresh.drop(ORIGIN), repeated, pl.concat([bad, clashing, second], how="diagonal"))


def _check_user(table: Table, rows: pl.DataFrame, users: Sequence[Path]) -> pl.DataFrame:
    columns: dict[str, pl.DataType] = {"user_id": pl.String(), "signed_up_at": TIME}
    known = newest(scan(users, columns, order="order"), "user_id", "order").with_columns(known=True).collect()
    joined = rows.join(known, on="user_id", how="left", maintain_order="left")
    reason = pl.when(pl.col("known").is_null()).then(pl.lit("user_id: unknown user")).otherwise(PROBLEM)
    if table.name == "events":
        early = pl.col("at") < pl.col("signed_up_at")
        reason = pl.when(early).then(pl.lit("at: before the user's sign-up")).otherwise(reason)
    return joined.with_columns(reason.alias(PROBLEM)).drop("known", "signed_up_at")


def _check_opportunity(rows: pl.DataFrame, opportunities: Sequence[Path]) -> pl.DataFrame:
    key = ["opportunity_id", "user_id"]
    named = rows.select(key).drop_nulls().lazy()
    known = scan(opportunities, dict.fromkeys([*key, "message_id"], pl.String()))
    known = known.join(named, on=key, how="semi").rename({"message_id": "known"})
    joined = rows.join(known.collect(), on=key, how="left", maintain_order="left")
    reason = (
        pl.when(pl.col(PROBLEM).is_not_null() | pl.col("opportunity_id").is_null())
        .then(PROBLEM)
        .when(pl.col("known").is_null())
        .then(pl.lit("opportunity_id: unknown opportunity of this user"))
        .when(pl.col("known") != pl.col("message_id"))
        .then(pl.lit("message_id: not the one of the opportunity"))
    )
    return joined.with_columns(reason.alias(PROBLEM)).drop("known")


def _repeats(
    table: Table, rows: pl.DataFrame, committed: Sequence[Path]
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """Split rows into new ones, a count of equal ones, and ones that contradict an earlier row.

    Where the newest row wins, rows that a later one of the same ingest replaces count as repeated.
    """
    key = list(table.key)
    total = len(rows)
    before = _same_keys(key, rows, committed)
    content = sorted({*rows.columns, *before.columns} - {*ORIGIN, *_HASHES, "order"})
    digest = _digest(rows, before, content)
    rows = rows.with_columns(digest)
    if before.is_empty():
        rows = rows.with_columns(pl.lit(None, pl.UInt64).alias("known"))
    else:
        last = before.with_columns(_digest(before, rows, content)).unique(
            key, keep="last", maintain_order=True
        )
        known = last.select(*key, pl.col("digest").alias("known"))
        rows = rows.join(known, on=key, how="left", maintain_order="left")
    repeats = rows.select(pl.struct(key).is_duplicated().any()).item() if len(rows) else False
    if table.newest_wins:
        if repeats:
            rows = rows.filter(pl.struct(key).is_last_distinct())
        fresh = rows.filter(pl.col("digest").ne_missing(pl.col("known")))
        clashing = rows.clear()
    else:
        if repeats:
            rows = rows.with_columns(
                first=pl.struct(key).is_first_distinct(),
                known=pl.coalesce("known", pl.col("digest").first().over(key)),
                new=pl.col("known").is_null(),
            )
            fresh = rows.filter("first", "new").drop("first", "new")
            rows = rows.filter(~(pl.col("first") & pl.col("new"))).drop("first", "new")
        else:
            fresh, rows = rows.filter(pl.col("known").is_null()), rows.filter(pl.col("known").is_not_null())
        clashing = rows.filter(pl.col("digest") != pl.col("known"))
    reason = pl.lit(DUPLICATE.format(", ".join(key)))
    clashing = clashing.drop("digest", "known").with_columns(reason.alias(PROBLEM))
    return fresh.drop("digest", "known"), total - len(fresh) - len(clashing), clashing


def _once(table: Table, fresh: pl.DataFrame, committed: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split new rows into good ones and ones whose `table.once` an earlier row has."""
    if not table.once or fresh.is_empty():
        return fresh, fresh.clear()
    taken = _same_keys(list(table.once), fresh, committed).select(table.once).unique()
    marked = fresh.join(taken.with_columns(taken=True), on=table.once, how="left", maintain_order="left")
    second = (
        marked["taken"].is_not_null() | ~marked.select(pl.struct(table.once).is_first_distinct()).to_series()
    )
    reason = pl.lit(f"another row with the same {', '.join(table.once)}").alias(PROBLEM)
    return fresh.filter(~second), fresh.filter(second).with_columns(reason)


def _same_keys(key: list[str], rows: pl.DataFrame, committed: Sequence[Path]) -> pl.DataFrame:
    """Return the rows of the ledger that have a key of `rows`, the oldest first, with all their columns."""
    wanted = rows.select(key).unique().lazy()
    parts = []
    for path in committed:
        keys = pl.scan_parquet(path).select(key).join(wanted, on=key, how="semi")
        if keys.head(1).collect().is_empty():  # most files have none, and their other columns stay unread
            continue
        found = pl.scan_parquet(path).join(wanted, on=key, how="semi", maintain_order="left").collect()
        found = found.drop(_HASHES, strict=False)
        # planning writes some columns in narrower types than ingest does
        parts.append(found.cast({name: rows.schema[name] for name in found.columns if name in rows.columns}))
    return pl.concat(parts, how="diagonal") if parts else rows.clear().drop(ORIGIN)


def _digest(rows: pl.DataFrame, other: pl.DataFrame, content: list[str]) -> pl.Series:
    """Return a 64-bit digest of the columns `content`, of which `rows` may lack some that `other` has."""
    columns = [
        pl.col(name) if name in rows.columns else pl.lit(None, other.schema[name]).alias(name)
        for name in content
    ]
    return rows.select(pl.struct(columns).hash(seed=0).alias("digest"))["digest"]
