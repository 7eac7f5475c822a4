"""Logs of any origin in Parquet, a part at a time, for off-policy estimators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from homing.schema import InputError
from homing.schema.logged import LoggedRows
from homing.store.hashing import hash_ids

_ROWS: Final = 1 << 17  # of a part: small enough for the cache to help, large enough for arrays


@dataclass(frozen=True)
class LogColumns:
    """Names of the columns of a log; those of candidates hold a list in each row, all of one length."""

    targets: Mapping[str, str]  # policy -> list of its probabilities
    user: str = "user_id"  # integers, or text, which is hashed
    reward: str = "reward"
    propensity: str = "propensity"  # of the choice
    choice: str = "choice"  # place of the choice in the row's lists, from 0
    prediction: str | None = None  # list of predicted outcomes


def read_logged_rows(
    paths: Sequence[Path], columns: LogColumns, *, rows: int = _ROWS, threads: bool = True
) -> Iterator[LoggedRows]:
    """Yield the rows of Parquet files, some at a time; memory does not grow with the files.

    Args:
        paths: the files, of the same columns.
        columns: what they are called.
        rows: the most rows of a part.
        threads: whether columns of a part are decoded beside each other.

    Raises:
        InputError: a column is missing, is null somewhere, or lists of a row differ in length.
    """
    wanted = [columns.user, columns.reward, columns.propensity, columns.choice, *columns.targets.values()]
    wanted += [columns.prediction] if columns.prediction else []
    for path in paths:
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            missing = sorted(set(wanted) - set(file.schema_arrow.names))
            if missing:
                raise InputError(f"{path} has no column {', '.join(missing)}; name the columns in LogColumns")
            for batch in file.iter_batches(batch_size=rows, columns=wanted, use_threads=threads):
                yield _rows(path, batch, columns)


def _rows(path: Path, batch: pa.RecordBatch, columns: LogColumns) -> LoggedRows:
    def flat(name: str) -> NDArray[Any]:
        column = batch.column(name)
        if column.null_count:
            raise InputError(f"{path} has {column.null_count:,} nulls in {name}; filter these decisions out")
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values

    lists = {name: _lists(path, name, batch.column(name)) for name in columns.targets.values()}
    if columns.prediction:
        lists[columns.prediction] = _lists(path, columns.prediction, batch.column(columns.prediction))
    first, (offsets, _) = next(iter(lists.items()))
    for name, (other, _) in lists.items():
        if not np.array_equal(other, offsets):
            raise InputError(f"{path} has lists of other lengths in {name} than in {first}, must be equal")
    user = batch.column(columns.user)
    if not pa.types.is_integer(user.type):
        text = pl.Series(user.cast(pa.string()))
        user = hash_ids(text)["hash_hi"].to_arrow() if not text.null_count() else user
    return LoggedRows(
        user=flat(columns.user) if user.null_count else user.to_numpy(zero_copy_only=False),
        reward=flat(columns.reward),
        propensity=flat(columns.propensity),
        choice=flat(columns.choice),
        offsets=offsets,
        targets={policy: lists[name][1] for policy, name in columns.targets.items()},
        prediction=lists[columns.prediction][1] if columns.prediction else None,
    )


def _lists(path: Path, name: str, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return offsets and values of a column of lists."""
    if column.null_count:
        raise InputError(f"{path} has {column.null_count:,} nulls in {name}; filter these decisions out")
    if pa.types.is_fixed_size_list(column.type):
        offsets = np.arange(len(column) + 1, dtype=np.int64) * column.type.list_size
    elif pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        offsets = column.offsets.to_numpy().astype(np.int64)
        offsets -= offsets[0]
    else:
        raise InputError(f"{path} has {column.type} in {name}, must be lists: one value a candidate")
    return offsets, column.flatten().to_numpy(zero_copy_only=False)
