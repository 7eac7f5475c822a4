"""Rows that cannot enter the ledger, kept with the reason."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from homing.schema.times import DAY
from homing.store.commits import sync_folder

_CALENDAR: Final = 5_000 * 365 * DAY  # around 1970
_SCHEMA = pa.schema(
    [
        ("reason", pa.large_string()),
        ("source_file", pa.large_string()),
        ("source_row", pa.int64()),
        ("row", pa.large_string()),
    ]
)


@dataclass(frozen=True)
class Example:
    """One of the rows that broke a rule."""

    source_file: str
    source_row: int
    row: str

    def __str__(self) -> str:
        return f"{Path(self.source_file).name} row {self.source_row}: {self.row}"


class Quarantine:
    """Bad rows of one ingest, written aside until `publish`."""

    def __init__(self, folder: Path, ingest_id: str) -> None:
        """Start an ingest. Only the holder of the ledger's lock may: it removes what killed ones left."""
        for left in folder.glob(".*"):
            shutil.rmtree(left)
        self.path = folder / ingest_id
        self.counts: dict[tuple[str, str], int] = {}  # (table, reason) -> rows
        self.examples: dict[tuple[str, str], Example] = {}
        self._aside = folder / f".{ingest_id}"
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __len__(self) -> int:
        return sum(self.counts.values())

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Keep bad rows: String reason, String source_file, Int64 source_row, String row (JSON text)."""
        if rows.is_empty():
            return
        rows = rows.select("reason", "source_file", "source_row", "row")
        for reason, count in rows["reason"].value_counts().iter_rows():
            key = (table, reason)
            self.counts[key] = self.counts.get(key, 0) + count
            if key not in self.examples:
                first = rows.filter(pl.col("reason") == reason).row(0, named=True)
                self.examples[key] = Example(first["source_file"], first["source_row"], first["row"])
        if table not in self._writers:
            self._aside.mkdir(parents=True, exist_ok=True)
            self._writers[table] = pq.ParquetWriter(
                self._aside / f"{table}.parquet", _SCHEMA, compression="zstd"
            )
        self._writers[table].write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_SCHEMA))

    def publish(self) -> Path | None:
        """Make the rows visible at once; return their folder, or None when there are none."""
        self._close()
        if not self.counts:
            return None
        self._aside.rename(self.path)
        sync_folder(self.path.parent)
        return self.path

    def discard(self) -> None:
        """Remove what is not published."""
        self._close()
        shutil.rmtree(self._aside, ignore_errors=True)

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def as_json(frame: pl.DataFrame) -> pl.Series:
    """Return each row as JSON text, String [n]. Bytes become hexadecimal, and what JSON lacks text."""
    shown = frame.with_columns(_for_json(frame[name]) for name in frame.columns)
    return shown.select(pl.struct(pl.all()).struct.json_encode().alias("row"))["row"]


def _for_json(values: pl.Series) -> pl.Series:
    kind = values.dtype
    if kind == pl.Binary:
        return values.bin.encode("hex")
    if isinstance(kind, pl.Datetime) or kind == pl.Date:
        # Polars panics when it formats a time beyond its calendar
        at = values.cast(pl.Datetime("us"), strict=False).to_physical()
        inside = (at.abs() < _CALENDAR).fill_null(False)
        return (
            values.set(~inside, None).cast(pl.String).zip_with(inside, values.to_physical().cast(pl.String))
        )
    if kind.is_float() and not values.is_finite().all():
        return values.cast(pl.String)
    return values
