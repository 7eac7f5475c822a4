"""Ingest: files of the contract into the ledger, all in one commit, bad rows into quarantine.

1. Every file is read in batches, and each row is checked by itself (`validate`).
2. Good rows are regrouped by the partition of their user (`shuffle`).
3. Partition by partition, rows are checked against users, opportunities and ids (`settle`), and staged.
4. Quarantine is published, and the commit makes all rows visible at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema import InputError
from homing.schema.tables import INGESTED, Table
from homing.store.columns import PROBLEM
from homing.store.features import FeatureTypes
from homing.store.hashing import hash_ids, partition_of
from homing.store.identity import Claimed, claimed_ids, packed
from homing.store.ledger_writer import LedgerWriter
from homing.store.parsing import check_columns
from homing.store.quarantine import Example, Quarantine, as_json
from homing.store.readers import Batch, read_batches
from homing.store.settle import ORIGIN, Settled, check_references, settle
from homing.store.shuffle import Shuffle
from homing.store.sources import Source, discover
from homing.store.validate import Names, check_rows
from homing.store.workspace import Workspace

#: Called with the table and the share of its work that is done.
Progress = Callable[[str, float], None]
_READING = 0.6  # share of the time that reading takes, for the progress only


@dataclass(frozen=True)
class TableSummary:
    """What became of the rows of one table: read == added + repeated + quarantined."""

    read: int
    added: int
    repeated: int
    quarantined: int


@dataclass(frozen=True)
class ReasonSummary:
    """How many rows broke a rule, and one of them."""

    table: str
    reason: str
    count: int
    example: Example


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest did."""

    tables: Mapping[str, TableSummary]  # in the order in which they were ingested
    reasons: tuple[ReasonSummary, ...]  # the most frequent first
    quarantine: Path | None  # folder of the bad rows, None when there are none
    elapsed: float  # seconds

    def to_dict(self) -> dict[str, Any]:
        """Return the summary in types that JSON has."""
        return {**asdict(self), "quarantine": None if self.quarantine is None else str(self.quarantine)}


def ingest(
    workspace: Workspace,
    paths: Iterable[Path | str],
    table: str | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> IngestSummary:
    """Add files to the ledger: all of their good rows, or nothing.

    Args:
        workspace: an open workspace.
        paths: files or folders; see `sources.discover` for how a file's table is found.
        table: of all files.
        strict: any bad row is an error.
        progress: is told how far a table is.

    Raises:
        InputError: a path, file, column or (if strict) row cannot be used; the ledger is as it was.
        LedgerBusyError: another process is writing.
    """
    started = time.monotonic()
    sources = discover(paths, table)
    ingest_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}"
    with workspace.ledger.write() as writer:
        quarantine = Quarantine(workspace.quarantine_path, ingest_id)
        try:
            run = _Run(workspace, writer, quarantine, sources, progress or (lambda _table, _share: None))
            given = [kind for kind in INGESTED if any(source.table is kind for source in sources)]
            tables = {kind.name: run.table(kind) for kind in given}
            reasons = _reasons(quarantine)
            if strict and reasons:
                raise InputError(_strict_message(reasons))
            # before the commit, so that no row that was left out can be without its reason
            folder = quarantine.publish()
        finally:
            quarantine.discard()
    return IngestSummary(tables, reasons, folder, time.monotonic() - started)


@dataclass(frozen=True)
class _Run:
    workspace: Workspace
    writer: LedgerWriter
    quarantine: Quarantine
    sources: list[Source]
    progress: Progress

    def table(self, table: Table) -> TableSummary:
        partitions = self.writer.partitions if table.by_user else 1
        shuffle = Shuffle(self.writer.staging_path / f"shuffle-{table.name}", partitions)
        bad = len(self.quarantine)
        read, claims = self._stage(table, shuffle)
        added, repeated = self._settle(table, shuffle, claims, partitions)
        shuffle.remove()
        self.progress(table.name, 1.0)
        return TableSummary(read, added, repeated, len(self.quarantine) - bad)

    def _stage(self, table: Table, shuffle: Shuffle) -> tuple[int, list[NDArray[np.uint64]]]:
        """Check rows by themselves and regroup the good ones; return the rows read and the ids claimed."""
        features = FeatureTypes.of(table.name, self.writer.vocabularies)
        names = Names.of(self.workspace.config, self.writer.vocabularies)
        mine = [place for place, source in enumerate(self.sources) if source.table is table]
        read, claims = 0, []
        for nth, place in enumerate(mine):
            source = self.sources[place]
            for batch in read_batches(source):
                whole = source.format != "ndjson" or (not batch.frame.is_empty() and batch.rows[0] == 1)
                check_columns(source, batch.frame.columns, whole)
                read += len(batch.frame) + len(batch.rejected)
                checked = check_rows(source, batch.frame, features, names, batch.marked)
                self._refuse(source, batch, checked[PROBLEM].alias("reason"))
                good = checked.with_columns(batch.rows.alias("row"), pl.lit(place, pl.Int32).alias("source"))
                good = good.filter(pl.col(PROBLEM).is_null()).drop(PROBLEM)
                partition = self._partition(table, good)
                shuffle.write(good, partition)
                if table.by_user and len(table.key) == 1:
                    claims.append(packed(good[table.key[0]], partition))
                self.progress(table.name, _READING * (nth + batch.done) / len(mine))
        return read, claims

    def _partition(self, table: Table, rows: pl.DataFrame) -> pl.Series:
        if not table.by_user:
            return pl.repeat(0, len(rows), dtype=pl.Int32, eager=True)
        return partition_of(hash_ids(rows["user_id"])["hash_lo"], self.writer.partitions)

    def _settle(
        self, table: Table, shuffle: Shuffle, claims: list[NDArray[np.uint64]], partitions: int
    ) -> tuple[int, int]:
        """Check rows against each other and the ledger, and stage the new ones; return added, repeated."""
        ledger, writer = self.workspace.ledger, self.writer
        place = [part if table.by_user else None for part in range(partitions)]
        committed = {part: ledger.files(table.name, place[part]) for part in range(partitions)}
        single = table.by_user and len(table.key) == 1

        def checked(part: int) -> pl.DataFrame:
            staged = shuffle.read(part)
            if staged.is_empty():
                return staged.with_columns(pl.Series(PROBLEM, [], dtype=pl.String))
            users = [*ledger.files("users", part), *writer.staged("users", part)]
            named = [*ledger.files("opportunities", part), *writer.staged("opportunities", part)]
            return check_references(table, staged, users, named)

        def good(part: int) -> pl.DataFrame:
            return checked(part).filter(pl.col(PROBLEM).is_null())

        claimed = Claimed(met=committed)
        if single and table.name != "users":
            claimed = claimed_ids(table.key[0], good, claims, committed)
        nothing = pl.Series([], dtype=pl.String)
        added = repeated = 0
        for part in range(partitions):
            rows = checked(part)
            if not rows.is_empty():
                met, foreign = claimed.met.get(part, ()), claimed.foreign.get(part, nothing)
                settled = settle(table, rows, committed[part], met, foreign)
                writer.add_partition(table.name, place[part], settled.fresh)
                self._refuse_settled(table, settled)
                added += len(settled.fresh)
                repeated += settled.repeated
            self.progress(table.name, _READING + (1 - _READING) * (part + 1) / partitions)
        return added, repeated

    def _refuse(self, source: Source, batch: Batch, reason: pl.Series) -> None:
        path = pl.lit(str(source.path)).alias("source_file")
        self.quarantine.add(
            source.table.name,
            batch.rejected.select(
                "reason", path, pl.col("row").alias("source_row"), pl.col("text").alias("row")
            ),
        )
        broken = reason.is_not_null()
        if broken.any():
            origin = pl.DataFrame([reason, batch.rows.alias("source_row")]).filter(broken)
            rows = as_json(batch.frame.filter(broken))
            self.quarantine.add(source.table.name, origin.with_columns(path, rows))

    def _refuse_settled(self, table: Table, settled: Settled) -> None:
        if settled.bad.is_empty():
            return
        paths = pl.Series([str(source.path) for source in self.sources])
        rows = as_json(settled.bad.drop(*ORIGIN, PROBLEM))
        self.quarantine.add(
            table.name,
            settled.bad.select(
                pl.col(PROBLEM).alias("reason"),
                paths.gather(settled.bad["source"]).alias("source_file"),
                pl.col("row").alias("source_row"),
            ).with_columns(rows),
        )


def _reasons(quarantine: Quarantine) -> tuple[ReasonSummary, ...]:
    found = [
        ReasonSummary(table, reason, count, quarantine.examples[table, reason])
        for (table, reason), count in quarantine.counts.items()
    ]
    return tuple(sorted(found, key=lambda item: (-item.count, item.table, item.reason)))


def _strict_message(reasons: tuple[ReasonSummary, ...]) -> str:
    lines = [
        f"  {item.table}: {item.reason}: {item.count} rows, such as row {item.example.source_row} of "
        f"{item.example.source_file}"
        for item in reasons
    ]
    total = sum(item.count for item in reasons)
    return "\n".join([f"{total} bad rows, and strict allows none; nothing was ingested:", *lines])
