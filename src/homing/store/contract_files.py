"""Files in the shape of the data contract, which `homing ingest` reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from homing.schema.tables import TABLES, Column, Table
from homing.store.columns import timestamps


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file aside, then rename it, so that no reader sees half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        frame.write_parquet(aside, compression="zstd", compression_level=1)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_tables(folder: Path, tables: Mapping[str, Mapping[str, NDArray[Any]]]) -> list[Path]:
    """Write columns of a simulated world as Parquet files that `homing ingest` reads.

    Args:
        folder: is made if it is not there; gets `<table>.parquet` for each table.
        tables: table -> column -> [rows]. Strings are str or object arrays, "" and None meaning empty;
            timestamps are int64 us with MISSING for empty; NaN is empty in optional number columns;
            lists are object arrays of sequences of str; a 2-dimensional `x_` array is an embedding.

    Raises:
        ValueError: a table or column is not in the contract.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, columns in tables.items():
        if name not in TABLES:
            raise ValueError(f"{name!r} is not a table of the contract; it has {', '.join(TABLES)}")
        frame = pl.DataFrame(
            [_column(TABLES[name], column, array).alias(column) for column, array in columns.items()]
        )
        path = folder / f"{name}.parquet"
        write_parquet(frame, path)
        paths.append(path)
    return paths


def _column(table: Table, name: str, values: NDArray[Any]) -> pl.Series:
    if name.startswith("x_") and table.features:
        return _feature(values)
    column = _contract_column(table, name)
    series: pl.Series
    match column.kind:
        case "timestamp":
            series = timestamps(values)
        case "id" | "string":
            series = _strings(values)
            series = series if column.required else series.replace("", None)
        case "list":
            series = pl.Series([list(value) for value in values], dtype=pl.List(pl.String))
        case "binary":
            series = pl.Series(values.tolist(), dtype=pl.Binary)
        case "float" if not column.required:
            series = pl.Series(values).fill_nan(None)
        case _:
            series = pl.Series(values)
    return series


def _feature(values: NDArray[Any]) -> pl.Series:
    if values.dtype == object or values.dtype.kind == "U":
        return _strings(values).replace("", None)
    series = pl.Series(values)
    return series.fill_nan(None) if series.dtype.is_float() else series


def _contract_column(table: Table, name: str) -> Column:
    for column in table.columns:
        if column.name == name or (column.name.endswith("*") and name.startswith(column.name[:-1])):
            return column
    known = ", ".join(column.name for column in table.columns)
    raise ValueError(f"{table.name}.{name} is not a column of the contract; it has {known}")


def _strings(values: NDArray[Any]) -> pl.Series:
    return pl.Series(values.tolist() if values.dtype == object else values, dtype=pl.String)
