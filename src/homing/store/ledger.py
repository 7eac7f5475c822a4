"""The ledger: append-only tables in Parquet, of which readers see exactly what was committed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Final

from homing.schema import Config, Vocabularies, Vocabulary, WorkspaceError
from homing.schema.tables import TABLES
from homing.schema.times import MISSING
from homing.store.commits import Commit, extend
from homing.store.ledger_writer import LedgerWriter
from homing.store.locking import writer_lock

#: Seconds that a writer waits for another one.
LOCK_TIMEOUT: Final = 30.0


@dataclass(frozen=True)
class Ledger:
    """The tables of one workspace. What no commit names does not exist."""

    path: Path
    config: Config
    _read: dict[int, Commit] = field(default_factory=dict, repr=False, compare=False)

    @property
    def commits_path(self) -> Path:
        """The folder of commit files."""
        return self.path / "commits"

    def commits(self) -> list[Commit]:
        """Return all commits, the oldest first.

        Raises:
            WorkspaceError: a commit file is damaged or missing from the sequence.
        """
        paths = sorted(self.commits_path.glob("[0-9]*.json"))
        for number, path in enumerate(paths):
            if path.stem != f"{number:08d}":
                raise WorkspaceError(
                    f"{path.parent} lacks commit {number:08d}.json; restore it from a backup, since the "
                    "rows and names that it brought are not known without it"
                )
            if number not in self._read:
                self._read[number] = Commit.from_json(path.read_text("utf-8"), path)
        return [self._read[number] for number in range(len(paths))]

    @property
    def partitions(self) -> int:
        """Number of user partitions.

        Raises:
            WorkspaceError: homing.toml has another number than the ledger was made with.
        """
        commits = self.commits()
        wanted = self.config.workspace.partitions
        if commits and commits[0].partitions != wanted:
            raise WorkspaceError(
                f"workspace.partitions == {wanted}, but the ledger has {commits[0].partitions}, which is "
                "fixed once it has data; set it back, or make a new workspace and ingest again"
            )
        return wanted

    def files(self, table: str, partition: int | None = None) -> list[Path]:
        """Return the committed files of a table, the oldest commit first.

        Args:
            table: a name of the contract.
            partition: only this partition's; None for all.
        """
        if table not in TABLES:
            raise ValueError(f"{table!r} is not a table of the contract; it has {', '.join(TABLES)}")
        return [
            self.path / file.path
            for commit in self.commits()
            for file in commit.files
            if file.table == table and (partition is None or file.partition == partition)
        ]

    def vocabularies(self) -> Vocabularies:
        """Return all names: those of the commits in their order, then what homing.toml adds."""
        return extended_by_config(
            reduce(extend, (c.additions for c in self.commits()), Vocabularies()), self.config
        )

    def watermark(self) -> int:
        """Return the largest `at` of the events, in us; MISSING when there are none."""
        return self._latest("events")

    def decided_until(self) -> int:
        """Return the latest epoch of the decisions, in us; MISSING when there are none."""
        return self._latest("decisions")

    def _latest(self, table: str) -> int:
        latest = (
            file.latest
            for commit in self.commits()
            for file in commit.files
            if file.table == table and file.latest is not None
        )
        return max(latest, default=MISSING)

    def counts(self) -> dict[str, int]:
        """Return the number of rows of every table; older versions of users and messages count too."""
        rows: Counter[str] = Counter(dict.fromkeys(TABLES, 0))
        for commit in self.commits():
            for file in commit.files:
                rows[file.table] += file.rows
        return dict(rows)

    @contextmanager
    def write(self, timeout: float = LOCK_TIMEOUT) -> Iterator[LedgerWriter]:
        """Open the ledger for adding rows; all of them are committed at the end of the with-block.

        An exception in the block leaves the ledger as it was. What a killed writer left is removed first.

        Raises:
            LedgerBusyError: another writer held the lock for `timeout` seconds.
            WorkspaceError: homing.toml has another number of partitions than the ledger.
        """
        with writer_lock(self.path / ".lock", timeout):
            commits = self.commits()
            writer = LedgerWriter(
                path=self.path,
                number=len(commits),
                partitions=self.partitions,
                before=reduce(
                    extend, (commit.additions for commit in commits), Vocabularies(Vocabulary(), Vocabulary())
                ),
                vocabularies=self.vocabularies(),
            )
            remove_leftovers(self)
            try:
                yield writer
                writer.commit()
            finally:
                writer.discard()


def extended_by_config(vocabularies: Vocabularies, config: Config) -> Vocabularies:
    """Return the vocabularies with the channels, event types and time zone of homing.toml appended."""
    return Vocabularies(
        **{
            **{name: getattr(vocabularies, name) for name in vocabularies.__dataclass_fields__},
            "channels": vocabularies.channels.extended(config.channels),
            "event_types": vocabularies.event_types.extended(config.event_types),
            "zones": vocabularies.zones.extended([config.workspace.timezone]),
        }
    )


def leftovers(ledger: Ledger) -> list[Path]:
    """Return the files in the ledger's folder that no commit names and that no reader sees."""
    named = {ledger.path / file.path for commit in ledger.commits() for file in commit.files}
    data = [path for table in TABLES for path in (ledger.path / table).glob("*") if path not in named]
    staged = [path for path in (ledger.path / ".staging").rglob("*") if path.is_file()]
    return sorted([*data, *staged, *ledger.commits_path.glob(".*")])


def remove_leftovers(ledger: Ledger) -> None:
    """Remove what killed writers left. Only the holder of the lock may do this."""
    for path in leftovers(ledger):
        path.unlink()
    shutil.rmtree(ledger.path / ".staging", ignore_errors=True)
