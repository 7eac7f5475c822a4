"""Rows regrouped by partition through files, so that one partition at a time is in memory."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa


class Shuffle:
    """Batches go in, partitions come out, in the order in which their rows came."""

    def __init__(self, folder: Path, partitions: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._partitions = partitions
        self._files: list[Path] = []

    def write(self, frame: pl.DataFrame, partition: pl.Series) -> None:
        """Add rows; `partition` is Int32 [n]. One file: a record batch for each partition."""
        ordered = frame.with_columns(partition.alias("partition")).sort("partition", maintain_order=True)
        counts = ordered["partition"].value_counts()
        lengths = [0] * self._partitions
        for number, count in counts.iter_rows():
            lengths[number] = count
        table = ordered.drop("partition").to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
        path = self._folder / f"{len(self._files):06d}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            start = 0
            for length in lengths:
                # an empty table has no batches, but every partition needs one
                batches = table.slice(start, length).to_batches() or [_empty(table.schema)]
                writer.write_batch(batches[0])
                start += length
        self._files.append(path)

    def read(self, partition: int) -> pl.DataFrame:
        """Return the rows of a partition. A column that a batch lacked is null there."""
        parts = []
        for path in self._files:
            with pa.memory_map(str(path)) as file:
                batch = pa.ipc.open_file(file).get_batch(partition)
                parts.append(pl.DataFrame(pa.Table.from_batches([batch])))
        return pl.concat(parts, how="diagonal") if parts else pl.DataFrame()

    def remove(self) -> None:
        """Delete the files."""
        for path in self._files:
            path.unlink()


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)
