"""Types of feature columns: numbers, categories and embeddings. The first data of one fixes its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from homing.schema import InputError, Vocabularies
from homing.store.parsing import items
from homing.store.sources import Source


@dataclass
class FeatureTypes:
    """What each feature of a table is: Float64 (numbers, bools), String (categories), Array (embeddings)."""

    table: str
    types: dict[str, pl.DataType] = field(default_factory=dict)

    @classmethod
    def of(cls, table: str, vocabularies: Vocabularies) -> FeatureTypes:
        """Return the types that the ledger has fixed."""
        sizes: dict[str, int] = {}
        types: dict[str, pl.DataType] = {
            name: pl.String() for name in vocabularies.categorical.get(table, {})
        }
        for name in vocabularies.numeric.get(table, ()):
            column, bracket, _ = name.partition("[")
            if bracket:
                sizes[column] = sizes.get(column, 0) + 1
            else:
                types[column] = pl.Float64()
        types |= {name: pl.Array(pl.Float32, size) for name, size in sizes.items()}
        return cls(table, types)

    def settle(self, source: Source, frame: pl.DataFrame) -> None:
        """Fix the types of the features that `frame` is the first to have.

        Raises:
            InputError: a column has another type than the ledger, or none that a feature can have.
        """
        for name, kind in frame.schema.items():
            if not name.startswith("x_") or kind == pl.Null:
                continue
            text = kind == pl.String and source.format != "parquet"
            found = _from_text(frame[name]) if text else _from_type(frame[name], kind)
            if found is None:
                if not text and frame[name].null_count() < len(frame):
                    raise InputError(
                        f"{source.path}: feature {name} is {kind}, must be a number, bool, string or "
                        "fixed-size list of numbers"
                    )
                continue
            known = self.types.setdefault(name, found)
            if known != found and not text:
                raise InputError(
                    f"{source.path}: feature {name} is {_word(found)}, but {self.table} has it as "
                    f"{_word(known)}; convert the column, or give it another name"
                )

    def parsed(self, schema: Mapping[str, pl.DataType]) -> dict[str, pl.Expr]:
        """Return, for the features in `schema` whose type is known, the expression that reads them."""
        return {
            name: _parsed(pl.col(name), kind, self.types[name]).alias(name)
            for name, kind in schema.items()
            if name in self.types
        }


def _parsed(value: pl.Expr, kind: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    if kind == pl.Null:
        return value.cast(wanted)
    if isinstance(wanted, pl.Array):
        listed = (
            items(pl.when(value != "").then(value)) if kind == pl.String else value.cast(pl.List(pl.Float32))
        )
        numbers = listed.cast(pl.List(pl.Float32), strict=False) if kind == pl.String else listed
        whole = pl.when(
            numbers.list.len() == wanted.size, numbers.list.drop_nulls().list.len() == wanted.size
        ).then(numbers)
        return whole.list.to_array(wanted.size)
    if wanted == pl.String:
        text = value.cast(pl.String)
        return pl.when(text != "").then(text)
    if kind == pl.String:
        word = value.str.strip_chars().str.to_lowercase().replace({"true": "1", "false": "0"})
        return word.cast(pl.Float64, strict=False)
    return value.cast(pl.Float64)


def _from_type(values: pl.Series, kind: pl.DataType) -> pl.DataType | None:
    if kind.is_numeric() or kind == pl.Boolean:
        return pl.Float64()
    if isinstance(kind, pl.String | pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(kind, pl.Array) and kind.inner.is_numeric():
        return pl.Array(pl.Float32, kind.size)
    if isinstance(kind, pl.List) and kind.inner.is_numeric():
        sizes = values.list.len().drop_nulls().to_numpy()
        return pl.Array(pl.Float32, int(sizes.max())) if sizes.any() else None
    return None


def _from_text(values: pl.Series) -> pl.DataType | None:
    given = values.filter(values.is_not_null() & (values != ""))
    if given.is_empty():
        return None
    words = given.str.strip_chars().str.to_lowercase().replace({"true": "1", "false": "0"})
    if words.cast(pl.Float64, strict=False).null_count() == 0:
        return pl.Float64()
    if words.str.starts_with("[").all() and words.str.ends_with("]").all():
        return pl.Array(pl.Float32, len(words[0].split(",")))
    return pl.String()


def _word(kind: pl.DataType) -> str:
    if isinstance(kind, pl.Array):
        return f"a list of {kind.size} numbers"
    return "text" if kind == pl.String else "a number"
