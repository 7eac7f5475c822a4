"""Moments from a table of Polars, pandas, Arrow or DuckDB, read once.

A table in memory goes through NumPy in blocks of rows, so that products are made by matrix multiplication and
never as columns. A lazy table (a Polars scan, a DuckDB relation) is aggregated by its own engine, and Parquet
files given by their path by DuckDB, whose memory depends neither on rows nor much on the size of row groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, Final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from homing.experiments.moments import Axis, Floats, Moments
from homing.experiments.sums import check_finite, from_sums, missing_label, moments_by_code, not_finite
from homing.schema.errors import InputError, nearest

#: Rows whose products are made at a time: 16 columns of them are 16 MB.
_BLOCK: Final = 1 << 17
#: Rows of a lazy table whose mean the values are shifted by, before they are squared.
_PILOT: Final = 1000
_UNIT_ROWS: Final = "rows"


def from_table(
    table: Any,
    columns: Sequence[str],
    *,
    arm: str = "arm",
    by: Sequence[str] = (),
    unit: str | None = None,
    missing: Sequence[str] = (),
    products: Sequence[tuple[str, str]] | None = None,
) -> Moments:
    """Return the moments of columns of a table, by arm and by the columns of `by`.

    Args:
        table: of Polars, pandas or pyarrow, a Polars lazy frame, a DuckDB relation, or the path of a Parquet
            file, or of several by a pattern such as `table/*.parquet`.
        columns: numbers or booleans, finite.
        arm: the column of the arms.
        by: columns of few distinct values that become axes, such as a segment or a day.
        unit: the unit of assignment, where it has several rows; columns are then summed by unit, and a
            column `rows` is added, so that a mean over rows is the ratio of a column to `rows`.
        missing: columns that some units have no value of, such as one from before the start. A missing value
            becomes 0, and a column `<name> missing` has a 1; adjusting takes both.
        products: pairs of columns whose scatter is needed beside the squares, for lazy tables, where each
            costs time, from `products_for`; None: all.

    Raises:
        InputError: no file, columns that are not there, values missing or infinite, no rows, or a unit in two
            arms.
    """
    frame = _frame(table)
    wanted = [*columns, *(name for name in missing if name not in columns)]
    schema = frame.collect_schema()
    _check_columns(schema.names(), [*wanted, arm, *by, *([unit] if unit else [])])
    for name in wanted:
        if not (schema[name].is_numeric() or schema[name] == nw.Boolean):
            raise InputError(f"{name} is {schema[name]}, must be numbers or booleans")
    keys = [*by, arm]
    named = [nw.col(name).cast(nw.Float64) for name in wanted]
    frame = frame.select(*keys, *([unit] if unit else []), *named)
    if missing:
        frame, wanted = _marked(frame, missing), [*wanted, *(f"{name} missing" for name in missing)]
    if unit is not None:
        frame, wanted = _by_unit(frame, unit, arm, by, wanted), [*wanted, _UNIT_ROWS]
    if isinstance(frame, nw.LazyFrame):
        return _from_engine(frame, keys, wanted, _pairs(wanted, products))
    return _from_memory(frame, keys, wanted)


def _frame(table: Any) -> Any:
    if isinstance(table, str | Path):
        path = Path(table)
        if not any(path.parent.glob(path.name)):
            raise InputError(f"there is no file {table}; give the path of a Parquet file, or a table")
        return nw.scan_parquet(str(table), backend="duckdb")
    try:
        return nw.from_native(table)
    except TypeError:
        raise InputError(
            f"the table is {type(table).__name__}, must be of Polars, pandas, pyarrow or DuckDB; see also "
            "`from_arrays`"
        ) from None


def _check_columns(there: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            raise InputError(f"the table has no column {name!r}, only {sorted(there)}{nearest(name, there)}")
    if len(set(wanted)) < len(wanted):
        raise InputError(f"columns {list(wanted)} must each be named once")


def _by_unit(frame: Any, unit: str, arm: str, by: Sequence[str], columns: Sequence[str]) -> Any:
    # sums leave missing values out without a word; infinite ones are found later
    whole = [nw.col(name).fill_nan(None).fill_null(float("inf")) for name in columns]
    sums = [nw.col(name).sum() for name in [*columns, _UNIT_ROWS]]
    frame = frame.with_columns(*whole, nw.lit(1.0).alias(_UNIT_ROWS))
    summed = frame.group_by(unit, *by, arm).agg(*sums)
    if isinstance(summed, nw.LazyFrame):
        summed = summed.collect()
    arms = summed.group_by(unit).agg(nw.col(arm).n_unique().alias("arms"))
    crossed = int((arms["arms"] > 1).sum())
    if crossed:
        raise InputError(
            f"{crossed:,} units have rows in more than one arm; each must be in one: take the first arm that "
            "a unit was assigned to, and look for the leak with `homing.experiments.quality`"
        )
    return summed


def _marked(frame: Any, missing: Sequence[str]) -> Any:
    absent = {name: nw.col(name).is_null() | nw.col(name).is_nan() for name in missing}
    return frame.with_columns(
        *(there.cast(nw.Float64).fill_null(1.0).alias(f"{name} missing") for name, there in absent.items()),
        *(nw.col(name).fill_nan(None).fill_null(0.0) for name in missing),
    )


def _pairs(columns: Sequence[str], products: Sequence[tuple[str, str]] | None) -> list[tuple[int, int]]:
    size = len(columns)
    if products is None:
        return list(combinations_with_replacement(range(size), 2))
    _check_columns(columns, list(dict.fromkeys(name for pair in products for name in pair)))
    marked = {name: [name, f"{name} missing"] for name in columns if f"{name} missing" in columns}
    asked = [(a, b) for a, b in marked.values()]
    for one, two in products:
        asked += [(a, b) for a in marked.get(one, [one]) for b in marked.get(two, [two])]
    places = {tuple(sorted((columns.index(a), columns.index(b)))) for a, b in asked}
    return sorted({(place, place) for place in range(size)} | {(pair[0], pair[1]) for pair in places})


def _from_memory(frame: Any, keys: Sequence[str], columns: Sequence[str]) -> Moments:
    if not len(frame):
        raise InputError("the table has no rows; an estimate over nothing is not zero, so there is none")
    coded = [_coded(frame[key]) for key in keys]
    labels = [unique for _, unique in coded]
    shape = tuple(len(unique) for unique in labels)
    codes = np.ravel_multi_index(tuple(code for code, _ in coded), shape)
    arms = tuple(str(label) for label in labels[-1])
    axes = tuple(Axis(key, label) for key, label in zip(keys[:-1], labels[:-1], strict=True))
    total: Moments | None = None
    for start, block in _blocks(frame, columns):
        check_finite(columns, block)
        count, mean, scatter = moments_by_code(codes[start : start + len(block)], block, int(np.prod(shape)))
        size = len(columns)
        part = Moments(
            arms,
            tuple(columns),
            count.reshape(shape),
            mean.reshape(*shape, size),
            scatter.reshape(*shape, size, size),
            axes,
        )
        total = part if total is None else total + part
    assert total is not None
    return total


def _blocks(frame: Any, columns: Sequence[str]) -> Iterator[tuple[int, Floats]]:
    for start in range(0, len(frame), _BLOCK):
        piece = frame[start : start + _BLOCK]
        yield start, np.column_stack([np.asarray(piece[name].to_numpy(), np.float64) for name in columns])


def _from_engine(
    frame: nw.LazyFrame[Any], keys: Sequence[str], columns: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> Moments:
    pilot = frame.head(_PILOT).select(*(nw.col(name).mean() for name in columns)).collect()
    shift = [_number(pilot[name][0]) for name in columns] if len(pilot) else [0.0] * len(columns)
    moved = [nw.col(name) - by if by else nw.col(name) for name, by in zip(columns, shift, strict=True)]
    rows = (
        frame.select(*keys, *moved)
        .with_columns(*((nw.col(columns[a]) * nw.col(columns[b])).alias(f"{a} x {b}") for a, b in pairs))
        .group_by(*keys)
        .agg(
            nw.len().alias("n"),
            *(nw.col(name).sum().alias(f"sum {place}") for place, name in enumerate(columns)),
            *(nw.col(name).count().alias(f"there {place}") for place, name in enumerate(columns)),
            *(nw.col(f"{a} x {b}").sum() for a, b in pairs),
        )
        .collect()
    )
    return _arranged(rows, keys, columns, pairs, np.array(shift))


def _arranged(
    rows: Any, keys: Sequence[str], columns: Sequence[str], pairs: Sequence[tuple[int, int]], shift: Floats
) -> Moments:
    """Return moments from one row a group: its sums and its sums of products."""
    if not len(rows):
        raise InputError("the table has no rows; an estimate over nothing is not zero, so there is none")
    coded = [_coded(rows[key]) for key in keys]
    labels = [unique for _, unique in coded]
    shape, cell = tuple(len(unique) for unique in labels), tuple(code for code, _ in coded)
    size = len(columns)
    count, sums, products = np.zeros(shape), np.zeros((*shape, size)), np.full((*shape, size, size), np.nan)
    n = rows["n"].to_numpy().astype(np.float64)
    count[cell] = n
    for place, name in enumerate(columns):
        sum_here = rows[f"sum {place}"].to_numpy()
        bad = int((n - rows[f"there {place}"].to_numpy()).sum())  # nulls; NaN and infinity show in the sum
        if bad or not np.isfinite(sum_here).all():
            raise not_finite(name, bad, int(n.sum()))
        sums[..., place][cell] = sum_here
    for a, b in pairs:
        products[..., a, b] = 0
        products[..., a, b][cell] = rows[f"{a} x {b}"].to_numpy()
        products[..., b, a] = products[..., a, b]
    axes = [Axis(key, label) for key, label in zip(keys[:-1], labels[:-1], strict=True)]
    made = from_sums([str(label) for label in labels[-1]], columns, count, sums, products, axes)
    made.mean[...] += np.where(count > 0, 1.0, 0.0)[..., None] * shift
    return made


def _number(value: Any) -> float:
    number = float("nan") if value is None else float(value)
    return number if np.isfinite(number) else 0.0


def _coded(series: Any) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
    """Return codes [n] and the sorted labels that they stand for, by the table's own engine."""
    absent = int(series.null_count())
    if absent:
        raise missing_label(series.name, absent)
    labels = series.unique().sort().to_list()
    codes = series.replace_strict(labels, list(range(len(labels))), return_dtype=nw.Int64)
    return codes.to_numpy(), tuple(labels)
