"""The hash of an id, from which its partition and all randomness derive."""

from __future__ import annotations

import threading
from typing import Final

import duckdb
import polars as pl

from homing.store.columns import words

_LOCAL: Final = threading.local()


def _connection() -> duckdb.DuckDBPyConnection:
    if not hasattr(_LOCAL, "connection"):
        _LOCAL.connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection: duckdb.DuckDBPyConnection = _LOCAL.connection
    return connection


def hash_ids(ids: pl.Series) -> pl.DataFrame:
    """Return the MD5 of each id's UTF-8 bytes as two big-endian words.

    Args:
        ids: String [n], without nulls.

    Returns:
        `hash_hi` and `hash_lo`, UInt64 [n]: the first and the last 8 bytes of the digest.
    """
    # DuckDB's own md5_number_upper and _lower read the words little-endian, and take four times as long
    relation = _connection().from_arrow(pl.DataFrame({"id": ids}).to_arrow())
    digests = pl.DataFrame(relation.project("unhex(md5(id)) AS digest").to_arrow_table())["digest"]
    return pl.DataFrame(words(digests), schema={"hash_hi": pl.UInt64, "hash_lo": pl.UInt64})


def partition_of(hash_lo: pl.Series, partitions: int) -> pl.Series:
    """Return the partition of each user, Int32 [n], from the second word of the hash, UInt64 [n]."""
    return (hash_lo % partitions).cast(pl.Int32).rename("partition")
