"""What the ledger and the quarantine hold, day by day and reason by reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from homing.schema.tables import TABLES
from homing.store.columns import contract_types, scan
from homing.store.workspace import Workspace

#: The column that tells when a row of each table happened.
_TIME_OF = {
    "users": "signed_up_at",
    "consents": "at",
    "opportunities": "created_at",
    "events": "at",
    "decisions": "epoch_at",
}


@dataclass(frozen=True)
class TableSpan:
    """One table of the ledger."""

    table: str
    rows: int
    first_at: int | None  # us; None: no rows, or no time
    last_at: int | None


@dataclass(frozen=True)
class Daily:
    """Counts by day (UTC) and name."""

    days: tuple[str, ...]  # ISO dates, without gaps
    counts: Mapping[str, tuple[int, ...]]  # name -> one count a day


def table_spans(workspace: Workspace) -> tuple[TableSpan, ...]:
    """Return rows and time span of every table that the ledger has rows of."""
    spans = []
    for table, rows in workspace.ledger.counts().items():
        column = _TIME_OF.get(table)
        first = last = None
        if column is not None and rows:
            times = scan(workspace.ledger.files(table), contract_types(table, (column,))).select(
                pl.col(column).min().alias("first").to_physical(),
                pl.col(column).max().alias("last").to_physical(),
            )
            first, last = times.collect().row(0)
        spans.append(TableSpan(table, rows, first, last))
    order = list(TABLES)
    return tuple(sorted(spans, key=lambda span: order.index(span.table)))


def events_by_day(workspace: Workspace) -> Daily:
    """Return how many events of each type happened on each day."""
    files = workspace.ledger.files("events")
    if not files:
        return Daily((), {})
    counted = (
        scan(files, contract_types("events", ("at", "type")))
        .group_by(pl.col("at").dt.date().alias("day"), pl.col("type").alias("name"))
        .agg(pl.len().alias("count"))
        .collect()
    )
    return _daily(counted, cumulative=False)


def reachable_by_day(workspace: Workspace) -> Daily:
    """Return how many users each channel could reach at the end of each day."""
    files = workspace.ledger.files("consents")
    if not files:
        return Daily((), {})
    changes = (
        scan(files, contract_types("consents", ("user_id", "channel", "at", "reachable")))
        .rename({"channel": "name"})
        .sort("name", "user_id", "at")
        .with_columns(before=pl.col("reachable").shift(1).over("name", "user_id").fill_null(value=False))
        .with_columns(change=pl.col("reachable").cast(pl.Int64) - pl.col("before").cast(pl.Int64))
        .group_by(pl.col("at").dt.date().alias("day"), "name")
        .agg(pl.col("change").sum().alias("count"))
        .collect()
    )
    return _daily(changes, cumulative=True)


def quarantined(workspace: Workspace) -> dict[tuple[str, str], int]:
    """Return rows in quarantine by (table, reason), the most first."""
    total: dict[tuple[str, str], int] = {}
    for path in sorted(workspace.quarantine_path.glob("*/*.parquet")):
        for reason, count in pl.read_parquet(path, columns=["reason"])["reason"].value_counts().iter_rows():
            total[path.stem, reason] = total.get((path.stem, reason), 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def _daily(counted: pl.DataFrame, *, cumulative: bool) -> Daily:
    span = counted.select(pl.date_range(pl.col("day").min(), pl.col("day").max()).alias("day"))
    counts = {}
    for name in sorted(counted["name"].unique().to_list()):
        series = span.join(counted.filter(pl.col("name") == name), on="day", how="left").sort("day")["count"]
        values = series.fill_null(0)
        counts[name] = tuple((values.cum_sum() if cumulative else values).to_list())
    return Daily(tuple(day.isoformat() for day in span["day"].to_list()), counts)
