"""From columns of the ledger's files to arrays of codes, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from homing.schema import Vocabularies, Vocabulary
from homing.schema.tables import TABLES, Kind
from homing.schema.times import MISSING

TIME: Final = pl.Datetime("us", "UTC")
TYPES: Final[Mapping[Kind, pl.DataType]] = {
    "id": pl.String(),
    "string": pl.String(),
    "timestamp": TIME,
    "bool": pl.Boolean(),
    "float": pl.Float64(),
    "int": pl.Int64(),
    "list": pl.List(pl.String()),
    "binary": pl.Binary(),
}
#: The column in which ingest keeps the rule that a row breaks; the contract has `reason` columns of its own.
PROBLEM: Final = "problem"
_DIGITS: Final = np.full(256, 255, np.uint8)  # of the bytes of hexadecimal digits; 255 of other bytes
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_ELEMENT: Final = re.compile(r"(?P<column>.+)\[(?P<place>\d+)\]")


def contract_types(table: str, names: Sequence[str]) -> dict[str, pl.DataType]:
    """Return the type of each of the columns `names` of a table of the contract."""
    return {name: TYPES[TABLES[table].column(name).kind] for name in names}


def scan(
    paths: Sequence[Path],
    columns: Mapping[str, pl.DataType],
    where: pl.Expr | None = None,
    order: str | None = None,
) -> pl.LazyFrame:
    """Scan the given columns of Parquet files that need not all have them.

    Args:
        paths: files, the oldest commit first.
        columns: name to type; `name[i]` is element i of a list column. A column that a file lacks is null.
        where: rows to keep; it may use the names in `columns` only.
        order: name of a column that numbers the rows in the order of their commits, or None.
    """
    parts = []
    schemas = [pl.read_parquet_schema(path) for path in paths]
    for start, end in _alike(schemas):
        frame = pl.scan_parquet(list(paths[start:end]), row_index_name=order)
        picked = [_pick(name, kind, schemas[start]) for name, kind in columns.items()]
        if order is not None:
            picked.append((pl.lit(start, pl.Int64) * 2**40 + pl.col(order).cast(pl.Int64)).alias(order))
        frame = frame.select(picked)
        parts.append(frame if where is None else frame.filter(where))
    if parts:
        return pl.concat(parts)
    empty = dict(columns) if order is None else {**columns, order: pl.Int64()}
    return pl.DataFrame(schema=empty).lazy()


def _alike(schemas: Sequence[Mapping[str, pl.DataType]]) -> list[tuple[int, int]]:
    """Return the start and end of each run of equal schemas: such files are one scan, which is faster."""
    cuts = [place for place in range(1, len(schemas)) if schemas[place] != schemas[place - 1]]
    return list(zip([0, *cuts], [*cuts, len(schemas)], strict=True)) if schemas else []


def _pick(name: str, kind: pl.DataType, present: Mapping[str, pl.DataType]) -> pl.Expr:
    if name in present:
        return pl.col(name) if present[name] == kind else pl.col(name).cast(kind)
    element = _ELEMENT.fullmatch(name)
    if element is None or element["column"] not in present:
        return pl.lit(None, kind).alias(name)
    values = pl.col(element["column"]).cast(pl.List(kind))
    return values.list.get(int(element["place"]), null_on_oob=True).alias(name)


def newest(frame: pl.LazyFrame, key: str, order: str) -> pl.LazyFrame:
    """Keep the row with the highest `order` of each `key`."""
    return frame.filter(pl.col(order) == pl.col(order).max().over(key)).drop(order)


def codes(values: pl.Series, names: pl.Series | Vocabulary) -> NDArray[np.int32]:
    """Return the place of each value among unique `names` as int32 [n]; -1 where null or not among them."""
    if isinstance(names, Vocabulary):
        found = values.cast(pl.Enum(names.names), strict=False).to_physical().cast(pl.Int32)
        return found.fill_null(-1).to_numpy()
    table = pl.DataFrame({"name": names, "code": np.arange(len(names), dtype=np.int32)})
    joined = pl.DataFrame({"name": values}).join(table, on="name", how="left", maintain_order="left")
    return joined["code"].fill_null(-1).to_numpy()


def run_codes(values: pl.Series, names: pl.Series) -> NDArray[np.int32]:
    """Return what `codes` does, faster where equal values follow each other."""
    runs = values.rle().struct.unnest()
    return np.repeat(codes(runs["value"], names), runs["len"].to_numpy())


def times(values: pl.Series) -> NDArray[np.int64]:
    """Return timestamps as int64 [n] us since 1970; MISSING where null."""
    return values.to_physical().fill_null(MISSING).to_numpy()


def timestamps(at: NDArray[np.int64]) -> pl.Series:
    """Return int64 us [n] as timestamps; null for MISSING."""
    series = pl.Series(at.astype(np.int64))
    return series.set(series == MISSING, None).cast(TIME)


def floats(values: pl.Series) -> NDArray[np.float32]:
    """Return numbers as float32 [n]; NaN where null."""
    return values.cast(pl.Float32).fill_null(float("nan")).to_numpy()


def words(values: pl.Series) -> NDArray[np.uint64]:
    """Return 16-byte strings as two big-endian words, uint64 [n, 2]; zeros for null and other lengths."""
    whole = pl.when(pl.col("b").bin.size() == 16).then(pl.col("b"))
    halves = [
        whole.bin.slice(start, 8)
        .bin.reinterpret(dtype=pl.UInt64, endianness="big")
        .fill_null(0)
        .alias(str(start))
        for start in (0, 8)
    ]
    return np.ascontiguousarray(pl.DataFrame({"b": values}).select(halves).to_numpy())


def hex_words(values: pl.Series) -> NDArray[np.uint64]:
    """Return ids of 32 lower-case hexadecimal digits as uint64 [n, 2]; zeros for every other id."""
    whole = (values.str.len_bytes() == 32).fill_null(False)
    found = np.zeros((len(values), 2), np.uint64)
    text = pa.array(values.filter(whole).to_arrow(), pa.large_string())
    first = np.frombuffer(text.buffers()[1], np.int64, 1, text.offset * 8)[0] if len(text) else 0
    raw = np.frombuffer(text.buffers()[2] or b"", np.uint8, 32 * len(text), first).reshape(-1, 32)
    digits = _DIGITS[raw]
    packed = (digits[:, 0::2] << 4) | digits[:, 1::2]
    halves = packed.view(">u8").astype(np.uint64)
    halves[digits.max(axis=1, initial=0) > 15] = 0
    found[whole.to_numpy()] = halves
    return found


def from_words(values: NDArray[np.uint64]) -> pl.Series:
    """Return uint64 [n, 2] as 16-byte strings, big-endian: what `words` reads."""
    raw = pa.py_buffer(np.ascontiguousarray(values.astype(">u8")).tobytes())
    return pl.Series("", pa.Array.from_buffers(pa.binary(16), len(values), [None, raw])).cast(pl.Binary)


def feature_types(table: str, vocabularies: Vocabularies) -> dict[str, pl.DataType]:
    """Return the feature columns of a table as `scan` takes them: numeric ones, then categorical ones."""
    numeric = dict.fromkeys(vocabularies.numeric.get(table, ()), pl.Float32())
    return {**numeric, **dict.fromkeys(vocabularies.categorical.get(table, {}), pl.String())}


def features(
    frame: pl.DataFrame, table: str, vocabularies: Vocabularies
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return numeric features float32 [n, numeric] and categorical codes int32 [n, categorical]."""
    names = vocabularies.numeric.get(table, ())
    numeric = np.empty((len(frame), len(names)), np.float32)
    for place, name in enumerate(names):
        numeric[:, place] = floats(frame[name])
    categories = vocabularies.categorical.get(table, {})
    categorical = np.empty((len(frame), len(categories)), np.int32)
    for place, (name, vocabulary) in enumerate(categories.items()):
        categorical[:, place] = codes(frame[name], vocabulary)
    return numeric, categorical
