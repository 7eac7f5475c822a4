"""Ids that rows of different partitions claim. Partitions are by user, but an id is unique over all users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_PARTITION_BITS: Final = 12  # config allows 4096 partitions
_PARTITION: Final = np.uint64(2**_PARTITION_BITS - 1)
_START_BITS: Final = 24  # of a hash, by which most ids that are not staged are told at once
_START: Final = np.uint64(64 - _START_BITS)


def packed(ids: pl.Series, partition: pl.Series | int) -> NDArray[np.uint64]:
    """Return 52 bits of a hash of each id, then 12 bits of its partition: uint64 [n]."""
    digest = ids.hash(seed=0).to_numpy() & ~_PARTITION
    number = partition if isinstance(partition, int) else partition.cast(pl.UInt64).to_numpy()
    result: NDArray[np.uint64] = digest | np.asarray(number, np.uint64)
    return result


@dataclass(frozen=True)
class Claimed:
    """What staged ids meet."""

    foreign: Mapping[int, pl.Series] = field(default_factory=dict)  # ids that are another partition's
    met: Mapping[int, Sequence[Path]] = field(default_factory=dict)  # files that have an id that is staged


def claimed_ids(
    key: str,
    staged: Callable[[int], pl.DataFrame],
    claims: list[NDArray[np.uint64]],
    committed: Mapping[int, Sequence[Path]],
) -> Claimed:
    """Return, for each partition, the staged ids of other partitions' rows, and files with staged ids.

    An id belongs to where the ledger has it, else to the partition of the first staged row. Of the ledger
    only the id column is read; of two ids in 2^52 with one hash, a file counts as having the other.

    Args:
        key: the id column.
        staged: partition to the rows that may enter the ledger; asked only when ids clash.
        claims: `packed` of the staged ids; emptied, since it can be large.
        committed: partition to files of the ledger.
    """
    every = np.concatenate(claims) if claims else np.empty(0, np.uint64)
    claims.clear()
    if not len(every):
        return Claimed()
    every.sort()
    started = np.zeros(2**_START_BITS, np.bool_)
    started[every >> _START] = True
    suspects = [_clashes(every)]
    met: dict[int, list[Path]] = {partition: [] for partition in committed}
    for partition, paths in committed.items():
        for path in paths:
            known = packed(pl.read_parquet(path, columns=[key])[key], partition)
            known = known[started[known >> _START]]
            known.sort()  # in order, ten times as many are looked up in a second
            found, elsewhere = _meeting(known, every)
            if found:
                met[partition].append(path)
            suspects.append(elsewhere)
    hashes = np.unique(np.concatenate(suspects))
    foreign = _owned_elsewhere(key, staged, pl.Series(hashes), committed) if len(hashes) else {}
    return Claimed(foreign, met)


def _clashes(ordered: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes (partition bits zero) that have more than one partition in a sorted array."""
    different = ordered[1:] != ordered[:-1]
    same_hash = (ordered[1:] & ~_PARTITION) == (ordered[:-1] & ~_PARTITION)
    result: NDArray[np.uint64] = ordered[1:][different & same_hash] & ~_PARTITION
    return result


def _meeting(known: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> tuple[bool, NDArray[np.uint64]]:
    """Return whether `ordered` has any hash of `known`, and those it has with another partition only."""
    hashes = known & ~_PARTITION
    place = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    found = (ordered[place] & ~_PARTITION) == hashes
    # where several partitions claim the hash, `_clashes` has it already
    return bool(found.any()), hashes[found & (ordered[place] != known)]


def _owned_elsewhere(
    key: str,
    staged: Callable[[int], pl.DataFrame],
    hashes: pl.Series,
    committed: Mapping[int, Sequence[Path]],
) -> dict[int, pl.Series]:
    def suspicious(ids: pl.DataFrame) -> pl.DataFrame:
        return ids.filter((pl.Series(packed(ids[key], 0))).is_in(hashes.implode()))

    owners, claims = [], []
    for partition, paths in committed.items():
        for path in paths:
            rows = suspicious(pl.read_parquet(path, columns=[key]))
            owners.append(rows.with_columns(owner=pl.lit(partition, pl.Int64), place=pl.lit(-1, pl.Int64)))
        rows = suspicious(staged(partition).select(key, "source", "row"))
        claims.append(
            rows.with_columns(
                owner=pl.lit(partition, pl.Int64),
                place=pl.col("source").cast(pl.Int64) * 2**40 + pl.col("row"),
            )
        )
    claimed = pl.concat(claims).select(key, "owner", "place")
    first = pl.concat([*owners, claimed]).sort("place").unique(key, keep="first", maintain_order=True)
    elsewhere = claimed.join(first.select(key, pl.col("owner").alias("first")), on=key).filter(
        pl.col("owner") != pl.col("first")
    )
    return {
        int(partition): part[key].unique()
        for (partition,), part in elsewhere.partition_by("owner", as_dict=True).items()
    }
