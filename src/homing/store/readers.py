"""Files of any accepted format as batches of rows, each with its number in the file.

CSV and NDJSON come as text in every column, Parquet in its own types. Rows that are not rows at all
(wrong number of fields, no JSON) are set apart with their text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from homing.schema import InputError
from homing.store.parsing import contract_column, unreadable
from homing.store.sources import Source

#: Rows that are checked at a time.
BATCH_ROWS: Final = 500_000
_BLOCK: Final = 16 * 2**20  # bytes of text
#: Stands before the two hexadecimal digits of a byte that is no UTF-8. Not a character, so no text has it.
BROKEN: Final = "\ufdd0"
#: Text that a JSON value may have which is neither a string nor an integer.
_NO_WORD: Final = r"^(?:[{\[]|true$|false$|-?\d+[.eE])"
_REJECTED: Final = {"row": pl.Int64, "reason": pl.String, "text": pl.String}


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file."""

    frame: pl.DataFrame  # columns as the file has them
    rows: pl.Series  # Int64 [n] number of each row in the file, from 1, without a header
    rejected: pl.DataFrame  # row, reason, text: what could not be read as rows
    marked: bool  # whether text may hold `BROKEN`
    done: float  # share of the file that is read


def read_batches(source: Source) -> Iterator[Batch]:
    """Read a file in batches.

    Raises:
        InputError: the file is truncated, corrupt, or not of its format.
    """
    read = {"parquet": _parquet, "csv": _csv, "ndjson": _ndjson}[source.format]
    try:
        yield from read(source)
    except (pa.ArrowException, OSError, EOFError, zlib.error, pl.exceptions.ComputeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{source.path} cannot be read as {source.format}: {first}; "
            "it may be truncated or corrupt, so write it again; nothing was ingested"
        ) from error


def _parquet(source: Source) -> Iterator[Batch]:
    with pq.ParquetFile(source.path) as file:
        _once_each(source, file.schema_arrow.names)
        total = file.metadata.num_rows
        first = 1
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            valid = _valid(batch)
            frame = pl.DataFrame(pa.Table.from_batches([valid]))
            rows = _numbers(first, len(frame))
            first += len(frame)
            yield Batch(frame, rows, _rejected([]), valid is not batch, (first - 1) / total)
        if total == 0:
            empty = pl.DataFrame(file.schema_arrow.empty_table())
            yield Batch(empty, _numbers(1, 0), _rejected([]), False, 1.0)


def _valid(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with bytes that are no UTF-8 marked; neither Arrow nor Polars checks them itself."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        columns = [
            _decoded(column)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            else column
            for column in batch.columns
        ]
        batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        batch.validate(full=True)
    return batch


def _decoded(column: pa.Array) -> pa.Array:
    binary = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
    values = column.cast(binary).to_pylist()
    return pa.array([None if value is None else value.decode("utf-8", "homing_mark") for value in values])


def _csv(source: Source) -> Iterator[Batch]:
    rejected: list[tuple[int, str, str]] = []

    def reject(row: pa_csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} fields, where the header has {row.expected_columns}"
        rejected.append((row.number - 1, reason, row.text))
        return "skip"

    with _text(source) as stream:
        names = _header(source)
        with pa_csv.open_csv(
            pa.PythonFile(stream, "r"),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=reject),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
            ),
        ) as reader:
            first = 1
            for batch in reader:
                frame = pl.DataFrame(pa.Table.from_batches([batch]))
                # the reader is ahead of us, so some of these rows come after the batch
                apart = [number for number, _, _ in rejected]
                every = _numbers(first, len(frame) + len(apart))
                rows = every.filter(~every.is_in(apart)).head(len(frame))
                first = int(rows[-1]) + 1 if len(rows) else first
                passed = [row for row in rejected if row[0] < first]
                rejected[:] = [row for row in rejected if row[0] >= first]
                yield Batch(frame, rows, _rejected(passed), stream.marked, stream.done)
            if first == 1 or rejected:
                empty = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
                yield Batch(empty, _numbers(1, 0), _rejected(rejected), stream.marked, 1.0)


def _header(source: Source) -> list[str]:
    with _text(source) as stream:
        first = pa_csv.open_csv(
            pa.BufferReader(stream.read(2**20)),
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
        )
        names: list[str] = first.schema.names
    if any(BROKEN in name or "\x00" in name for name in names):
        raise InputError(f"{source.path}: the header is not UTF-8; save the file as UTF-8")
    _once_each(source, names)
    return names


def _once_each(source: Source, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{source.path}: the header has {repeated[0]!r} more than once; remove one")


def _ndjson(source: Source) -> Iterator[Batch]:
    with _text(source) as stream, duckdb.connect(config={"autoinstall_known_extensions": "false"}) as parser:
        first, rest = 1, b""
        while block := stream.read(_BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            if lines:
                yield _parse_lines(source, parser, lines, first, stream)
                first += len(lines)
        if rest:
            yield _parse_lines(source, parser, [rest], first, stream)


def _parse_lines(
    source: Source, parser: duckdb.DuckDBPyConnection, lines: list[bytes], first: int, stream: _Text
) -> Batch:
    table = pl.DataFrame({"text": pl.Series(lines, dtype=pl.Binary).cast(pl.String)})
    table = table.with_columns(row=_numbers(first, len(table))).filter(pl.col("text").str.strip_chars() != "")
    checked = parser.from_arrow(table.to_arrow()).project(
        "row, text, CASE WHEN json_valid(text) THEN json_type(text) ELSE 'none' END AS kind"
    )
    rows = pl.DataFrame(checked.to_arrow_table()).sort("row")
    apart = rows.filter(pl.col("kind") != "OBJECT").select(
        "row",
        pl.when(pl.col("kind") == "none")
        .then(pl.lit("line is not JSON"))
        .otherwise(pl.lit("line is not a JSON object"))
        .alias("reason"),
        "text",
    )
    objects = rows.filter(pl.col("kind") == "OBJECT").select("row", "text")
    relation = parser.from_arrow(objects.to_arrow())
    found = relation.project("unnest(json_keys(text)) AS key").distinct().fetchall()
    keys = sorted(name for (name,) in found)
    # DuckDB's names have to be filled and differ by more than case; keys need not
    picked = [f"json_extract_string(text, {_pointer(key)}) AS c{place}" for place, key in enumerate(keys)]
    frame = pl.DataFrame(relation.project(", ".join(["row", *picked])).to_arrow_table()).sort("row")
    numbers = frame["row"]
    frame = frame.drop("row").rename({f"c{place}": key for place, key in enumerate(keys)})
    wrong = _mistyped(source, parser, objects, frame)
    if len(wrong):
        fine = ~numbers.is_in(wrong["row"].implode())
        frame, numbers, apart = frame.filter(fine), numbers.filter(fine), pl.concat([apart, wrong])
    return Batch(frame, numbers, apart, stream.marked, stream.done)


def _mistyped(
    source: Source, parser: duckdb.DuckDBPyConnection, objects: pl.DataFrame, frame: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows whose id or string is another JSON value (true, 1.5, a list), as text does not show."""
    wrong = [_rejected([])]
    for name in frame.columns:
        column = contract_column(source.table, name)
        if column is None or column.kind not in ("id", "string"):
            continue
        suspects = objects.filter(frame[name].str.contains(_NO_WORD).fill_null(False))
        if len(suspects):
            typed = parser.from_arrow(suspects.to_arrow()).project(
                f"row, text, json_type(text, {_pointer(name)}) AS kind"
            )
            reason = pl.lit(unreadable(column, name)).alias("reason")
            other = pl.DataFrame(typed.to_arrow_table()).filter(pl.col("kind") != "VARCHAR")
            wrong.append(other.select("row", reason, "text"))
    return pl.concat(wrong).unique("row", keep="first", maintain_order=True)


def _pointer(key: str) -> str:
    escaped = key.replace("~", "~0").replace("/", "~1").replace("'", "''")
    return f"'/{escaped}'"


def _numbers(first: int, count: int) -> pl.Series:
    return pl.Series("row", pl.int_range(first, first + count, dtype=pl.Int64, eager=True))


def _rejected(rows: list[tuple[int, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_REJECTED, orient="row")


class _Text(io.RawIOBase):
    """Bytes of a text file in which every byte that is no UTF-8 became `BROKEN` and its hexadecimal."""

    def __init__(self, raw: IO[bytes], file: IO[bytes], size: int) -> None:
        self._raw = raw
        self._file = file
        self._size = size
        self.marked = False  # whether anything read so far holds `BROKEN`
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("homing_mark")
        self._ready = b""

    @property
    def done(self) -> float:
        """Share of the file that is read."""
        return self._file.tell() / self._size if self._size else 1.0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = _BLOCK if size < 0 else size
        while len(self._ready) < wanted:
            block = self._raw.read(_BLOCK)
            text = self._decoder.decode(block, final=not block)
            self.marked |= BROKEN in text
            self._ready += text.encode()
            if not block:
                break
        taken, self._ready = self._ready[:wanted], self._ready[wanted:]
        return taken

    def close(self) -> None:
        self._raw.close()
        self._file.close()
        super().close()


def _text(source: Source) -> _Text:
    file = source.path.open("rb")
    raw: IO[bytes] = gzip.GzipFile(fileobj=file) if source.compressed else file  # type: ignore[assignment]
    return _Text(raw, file, source.path.stat().st_size)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(f"{BROKEN}{byte:02x}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("homing_mark", _mark)
