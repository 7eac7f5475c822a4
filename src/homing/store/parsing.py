"""From columns as a file has them to columns in the ledger's types. What cannot be read is marked."""

from __future__ import annotations

from typing import Final

import polars as pl

from homing.schema import InputError
from homing.schema.errors import nearest
from homing.schema.tables import Column, Kind, Table
from homing.store.columns import TIME, TYPES
from homing.store.sources import Source

_MEANS: Final[dict[Kind, str]] = {
    "id": "a string or integer",
    "string": "a string",
    "timestamp": "a time",
    "bool": "true or false",
    "float": "a number",
    "int": "an integer",
    "list": "a list of strings",
    "binary": "16 bytes, or 32 hexadecimal digits",
}
_OFFSET: Final = r"[+-]\d{2}:\d{2}$"


def check_columns(source: Source, names: list[str], complete: bool = True) -> None:
    """Check the names of a file's columns.

    Args:
        source: the file.
        names: of its columns.
        complete: whether these are all; a part of NDJSON may lack what the rest has.

    Raises:
        InputError: one is not in the contract, or a required one is missing.
    """
    table = source.table
    known = [column.name for column in table.columns]
    for name in names:
        if contract_column(table, name) is None and not (table.features and name.startswith("x_")):
            more = "; features start with x_" if table.features else ""
            if any(mark in name for mark in ";\t|"):
                more = "; fields must be separated by commas"
            raise InputError(
                f"{source.path}: {name!r} is not a column of {table.name}{nearest(name, known)}{more}"
            )
        if name.startswith("x_") and "[" in name:
            raise InputError(
                f"{source.path}: feature {name!r} has a '[' in its name, which stands for a place in a list; "
                "give it another name"
            )
    missing = [column.name for column in table.columns if column.required and column.name not in names]
    if missing and complete:
        raise InputError(
            f"{source.path}: {table.name} must have the column {missing[0]!r}; it has {', '.join(names)}"
        )


def contract_column(table: Table, name: str) -> Column | None:
    """Return the column of the contract that `name` is one of; `value_*` stands for any name."""
    for column in table.columns:
        if column.name == name or (column.name.endswith("*") and name.startswith(column.name[:-1])):
            return column
    return None


def parsed(source: Source, column: Column, name: str, kind: pl.DataType) -> pl.Expr:
    """Return the expression that reads a column of type `kind` in the ledger's type; null where it cannot.

    Raises:
        InputError: no value of that type can be read.
    """
    value = pl.col(name)
    if kind == pl.Null:
        return value.cast(TYPES[column.kind])
    if isinstance(kind, pl.Categorical | pl.Enum):
        value, kind = value.cast(pl.String), pl.String()
    result = _from_text(value, column.kind) if kind == pl.String else _from_type(value, column.kind, kind)
    if result is None:
        hint = ""
        if column.kind == "timestamp" and kind.is_integer():
            hint = "; is it a count of seconds or of milliseconds? write it as a Parquet timestamp"
        raise InputError(f"{source.path}: {name} is {kind}, must be {_MEANS[column.kind]}{hint}")
    return result.alias(name)


def unreadable(column: Column, name: str) -> str:
    """Return the reason of a row whose value cannot be read."""
    return f"{name}: not {_MEANS[column.kind]}"


def _from_type(value: pl.Expr, wanted: Kind, kind: pl.DataType) -> pl.Expr | None:
    result: pl.Expr | None = None
    match wanted:
        case "id" if kind.is_integer():
            result = value.cast(pl.String)
        case "timestamp" if isinstance(kind, pl.Datetime):
            aware = value.dt.replace_time_zone("UTC") if kind.time_zone is None else value
            result = aware.cast(TIME, strict=False)
        case "timestamp" if kind == pl.Date:
            result = value.cast(pl.Datetime("us"), strict=False).dt.replace_time_zone("UTC")
        case "bool" if kind == pl.Boolean:
            result = value
        case "bool" if kind.is_integer():
            result = pl.when(value.is_in([0, 1])).then(value.cast(pl.Boolean, strict=False))
        case "float" if kind.is_numeric():
            result = value.cast(pl.Float64)
        case "int" if kind.is_integer():
            result = value.cast(pl.Int64, strict=False)
        case "int" if kind.is_float():
            result = pl.when(value == value.floor()).then(value.cast(pl.Int64, strict=False))
        case "list" if isinstance(kind, pl.List) and kind.inner in (pl.String, pl.Null, pl.Categorical):
            result = value.cast(pl.List(pl.String))
        case "binary" if kind == pl.Binary:
            result = value
        case _:
            pass
    return result


def _from_text(value: pl.Expr, wanted: Kind) -> pl.Expr:
    text = pl.when(value != "").then(value)
    match wanted:
        case "timestamp":
            result = time_of(text)
        case "bool":
            word = text.str.strip_chars().str.to_lowercase()
            right, wrong = pl.lit(["true", "1"]), pl.lit(["false", "0"])
            result = pl.when(word.is_in(right)).then(True).when(word.is_in(wrong)).then(False)
        case "float":
            result = text.str.strip_chars().cast(pl.Float64, strict=False)
        case "int":
            # tools that keep integers with gaps as floats write 2 as 2.0
            whole = text.str.strip_chars().str.replace(r"\.0*$", "")
            result = whole.cast(pl.Int64, strict=False)
        case "list":
            result = items(text)
        case "binary":
            result = text.str.decode("hex", strict=False)
        case _:
            result = text
    return result


def items(text: pl.Expr) -> pl.Expr:
    """Return `["a", "b"]` or `a|b` as a list of strings; `[]` is an empty one."""
    bare = (
        text.str.strip_chars()
        .str.strip_prefix("[")
        .str.strip_suffix("]")
        .str.replace_all('"', "", literal=True)
    )
    split = bare.str.replace_all(r"[|,;]", "|").str.split("|").list.eval(pl.element().str.strip_chars())
    return pl.when(bare == "").then(pl.lit([], pl.List(pl.String))).otherwise(split)


def time_of(text: pl.Expr) -> pl.Expr:
    """Return ISO 8601 text as a time; without an offset it is UTC, and without a clock midnight.

    Databases write a space for the T, `+00` for an offset, and `UTC` for Z; these are read, too.
    """
    plain = text.str.strip_chars().str.replace(" ", "T", literal=True)
    plain = plain.str.replace(r" ?([zZ]|UTC)$", "+00:00").str.replace(r"(T.*[+-]\d{2})$", "${1}:00")
    clocked = pl.when(plain.str.len_bytes() == 10).then(plain + "T00:00:00").otherwise(plain)
    seconds = clocked.str.replace(r"(T\d{2}:\d{2})($|[+-])", "${1}:00${2}")
    colon = seconds.str.replace(r"([+-]\d{2})(\d{2})$", "${1}:${2}")
    offset = pl.when(colon.str.contains(_OFFSET)).then(colon).otherwise(colon + "+00:00")
    return offset.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).cast(TIME)
