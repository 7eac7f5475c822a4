"""Adding rows to the ledger: staged aside, then made visible by one atomic commit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from homing.schema import Vocabularies
from homing.schema.tables import TABLES, Table
from homing.store.columns import TIME, codes
from homing.store.commits import (
    Additions,
    Commit,
    DataFile,
    commit_name,
    difference,
    extend,
    sync_folder,
    write_commit,
)
from homing.store.hashing import hash_ids, partition_of

#: The column that rows of a user are sorted by, and that files keep the range of.
TIME_OF: Final[Mapping[str, str]] = {
    "users": "signed_up_at",
    "consents": "at",
    "messages": "valid_from",
    "opportunities": "created_at",
    "decisions": "epoch_at",
    "events": "at",
    "exclusions": "epoch_at",
}
_NAMED: Final[Mapping[tuple[str, str], str]] = {
    ("users", "timezone"): "zones",
    ("messages", "message_id"): "messages",
    ("messages", "domain"): "domains",
    ("messages", "category"): "categories",
    ("opportunities", "generator"): "generators",
    ("decisions", "release_id"): "releases",
}


class LedgerWriter:
    """Rows on their way into the ledger. Made by `Ledger.write`, which holds the lock."""

    def __init__(
        self, path: Path, number: int, partitions: int, before: Vocabularies, vocabularies: Vocabularies
    ) -> None:
        self.partitions = partitions
        self.vocabularies = vocabularies  # grows with every `add`
        self._path = path
        self._number = number
        self._before = before  # as the commits have it
        self._staging = path / ".staging" / f"{number:08d}-{os.getpid()}"
        self._staged: list[tuple[Path, DataFile]] = []

    @property
    def staging_path(self) -> Path:
        """A folder for intermediate files; it is gone after the with-block."""
        self._staging.mkdir(parents=True, exist_ok=True)
        return self._staging

    def add(self, table: str, frame: pl.DataFrame) -> None:
        """Add rows that are valid: columns of the contract in the types of `homing.store.columns`.

        Rows of users are partitioned by the hash of `user_id` and sorted by user and time.

        Raises:
            ValueError: the contract has no such table.
        """
        if table not in TABLES:
            raise ValueError(f"{table!r} is not a table of the contract; it has {', '.join(TABLES)}")
        if not TABLES[table].by_user:
            self.add_partition(table, None, frame)
            return
        placed = frame.with_columns(partition_of(hash_ids(frame["user_id"])["hash_lo"], self.partitions))
        for (partition,), part in placed.partition_by("partition", include_key=False, as_dict=True).items():
            self.add_partition(table, int(partition), part)

    def add_partition(self, table: str, partition: int | None, frame: pl.DataFrame) -> None:
        """Add rows that are valid and all belong to one partition (None for tables without)."""
        if frame.is_empty():
            return
        rows = _stored(TABLES[table], frame)
        sequence = len(self._staged)
        place = "all" if partition is None else f"{partition:04d}"
        path = self.staging_path / f"{table}-{sequence:06d}.parquet"
        rows.write_parquet(path, compression="zstd", compression_level=1, row_group_size=2**18)
        _sync(path)
        earliest, latest = _range(rows, TIME_OF[table])
        self._staged.append(
            (
                path,
                DataFile(
                    table=table,
                    partition=partition,
                    path=f"{table}/{self._number:08d}-{place}-{sequence:06d}.parquet",
                    rows=len(rows),
                    bytes=path.stat().st_size,
                    earliest=earliest,
                    latest=latest,
                ),
            )
        )
        self.vocabularies = extend(self.vocabularies, additions_of(TABLES[table], rows))

    def staged(self, table: str, partition: int | None) -> list[Path]:
        """Return the files of rows that were added and are not committed yet."""
        return [path for path, file in self._staged if (file.table, file.partition) == (table, partition)]

    def commit(self) -> None:
        """Make everything that was added visible at once. Without rows there is no commit."""
        if not self._staged:
            return
        for staged, file in self._staged:
            target = self._path / file.path
            target.parent.mkdir(exist_ok=True)
            staged.rename(target)
        for table in {file.table for _, file in self._staged}:
            sync_folder(self._path / table)
        sync_folder(self._path)
        write_commit(
            self._path / "commits",
            Commit(
                number=self._number,
                at=datetime.now(UTC).isoformat(timespec="microseconds"),
                partitions=self.partitions,
                files=tuple(file for _, file in self._staged),
                additions=difference(self._before, self.vocabularies),
            ),
        )
        self._staged = []

    def discard(self) -> None:
        """Remove what is staged and was not committed."""
        # an error after the link of the commit file comes too late to take the rows back
        if not (self._path / "commits" / commit_name(self._number)).exists():
            for _, file in self._staged:
                (self._path / file.path).unlink(missing_ok=True)
        self._staged = []
        shutil.rmtree(self._staging, ignore_errors=True)


def additions_of(table: Table, rows: pl.DataFrame) -> Additions:
    """Return the names that rows bring: values of named columns, features and categories, sorted."""
    names = {
        vocabulary: _distinct(rows[column])
        for (owner, column), vocabulary in _NAMED.items()
        if owner == table.name and column in rows.columns
    }
    numeric: list[str] = []
    categorical: dict[str, tuple[str, ...]] = {}
    for name, kind in rows.schema.items():
        if not name.startswith("x_"):
            continue
        if isinstance(kind, pl.Array):
            numeric.extend(f"{name}[{place}]" for place in range(kind.size))
        elif kind == pl.String:
            categorical[name] = _distinct(rows[name])
        else:
            numeric.append(name)
    return Additions(
        names=names,
        numeric={table.name: tuple(numeric)} if numeric else {},
        categorical={table.name: categorical} if categorical else {},
    )


def _distinct(values: pl.Series) -> tuple[str, ...]:
    return tuple(values.drop_nulls().unique().sort().to_list())


def _stored(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows, and add the hashes that loading would else compute again."""
    rows = frame.drop("hash_hi", "hash_lo", "hash", strict=False)
    if table.by_user:
        time = TIME_OF[table.name]
        at = rows[time] if time in rows.columns else pl.repeat(None, len(rows), dtype=TIME, eager=True)
        rows = rows[_order(rows["user_id"], at)]
    if table.name == "users":
        rows = rows.hstack(hash_ids(rows["user_id"]))
    if table.name == "opportunities":
        rows = rows.with_columns(hash_ids(rows["opportunity_id"])["hash_hi"].alias("hash"))
    return rows


def _order(users: pl.Series, at: pl.Series) -> pl.Series:
    """Return the order by user, time and place, [n]: codes of users sort faster than their names."""
    keys = pl.DataFrame({"user": codes(users, users.unique().sort()), "at": at.cast(TIME).to_physical()})
    return keys.select(pl.arg_sort_by("user", "at", maintain_order=True))["user"]


def _range(rows: pl.DataFrame, column: str) -> tuple[int | None, int | None]:
    if column not in rows.columns or rows[column].null_count() == len(rows):
        return None, None
    values = rows[column].cast(TIME).to_physical()
    return int(values.min()), int(values.max())  # type: ignore[arg-type]


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
