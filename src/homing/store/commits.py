"""The commits of a ledger: small JSON files, each of which makes new data files exist for readers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from homing.schema import Vocabularies, Vocabulary, WorkspaceError

_Value = TypeVar("_Value")
#: Vocabularies that are plain lists of names.
_NAMES: Final = (
    "channels",
    "event_types",
    "zones",
    "messages",
    "domains",
    "categories",
    "generators",
    "releases",
)


@dataclass(frozen=True)
class DataFile:
    """One committed Parquet file."""

    table: str
    partition: int | None  # None for tables that are not partitioned by user
    path: str  # relative to the ledger
    rows: int
    bytes: int
    earliest: int | None  # us; of the table's time column, None where it has none or no values
    latest: int | None  # us


@dataclass(frozen=True)
class Additions:
    """Names that a commit appends to the vocabularies."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # field of Vocabularies -> names
    numeric: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # table -> feature columns
    categorical: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """What one writer added, all at once."""

    number: int
    at: str  # ISO 8601, when it was made
    partitions: int
    files: tuple[DataFile, ...]
    additions: Additions

    def to_json(self) -> str:
        """Return the text of the commit file."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str, source: Path) -> Commit:
        """Read the text of a commit file.

        Raises:
            WorkspaceError: it is not one.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            added = data["additions"]
            return cls(
                number=data["number"],
                at=data["at"],
                partitions=data["partitions"],
                files=tuple(DataFile(**item) for item in data["files"]),
                additions=Additions(
                    names={key: tuple(names) for key, names in added["names"].items()},
                    numeric={key: tuple(names) for key, names in added["numeric"].items()},
                    categorical={
                        table: {name: tuple(values) for name, values in columns.items()}
                        for table, columns in added["categorical"].items()
                    },
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkspaceError(
                f"{source} is not a commit of a ledger ({error!r}); restore it from a backup"
            ) from None


def commit_name(number: int) -> str:
    """Return the file name of a commit."""
    return f"{number:08d}.json"


def write_commit(folder: Path, commit: Commit) -> Path:
    """Write a commit so that it appears whole, once, and durably.

    Raises:
        WorkspaceError: a commit of that number is there already.
    """
    path = folder / commit_name(commit.number)
    aside = folder / f".{path.name}.{os.getpid()}"
    with aside.open("w", encoding="utf-8") as file:
        file.write(commit.to_json())
        file.flush()
        os.fsync(file.fileno())
    try:
        # unlike a rename, a link never replaces what is there
        path.hardlink_to(aside)
    except FileExistsError:
        raise WorkspaceError(
            f"{path} is there already, so another writer got past the lock; run 'homing doctor'"
        ) from None
    finally:
        aside.unlink()
    sync_folder(folder)
    return path


def sync_folder(folder: Path) -> None:
    """Make renames and links within a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def extend(vocabularies: Vocabularies, additions: Additions) -> Vocabularies:
    """Return the vocabularies with the additions appended; codes never move."""
    changed = {
        name: getattr(vocabularies, name).extended(names)
        for name, names in additions.names.items()
        if name in _NAMES
    }
    numeric = dict(vocabularies.numeric)
    for table, columns in additions.numeric.items():
        numeric[table] = Vocabulary(numeric.get(table, ())).extended(columns).names
    categorical = {table: dict(columns) for table, columns in vocabularies.categorical.items()}
    for table, values_of in additions.categorical.items():
        features = categorical.setdefault(table, {})
        for name, values in values_of.items():
            features[name] = features.get(name, Vocabulary()).extended(values)
    return replace(vocabularies, **changed, numeric=numeric, categorical=categorical)


def difference(old: Vocabularies, new: Vocabularies) -> Additions:
    """Return what `new`, an extension of `old`, has beyond it."""
    names = {name: getattr(new, name).names[len(getattr(old, name)) :] for name in _NAMES}
    numeric = {table: columns[len(old.numeric.get(table, ())) :] for table, columns in new.numeric.items()}
    categorical = {}
    for table, features in new.categorical.items():
        before = old.categorical.get(table, {})
        categorical[table] = {
            name: values.names[len(before[name]) if name in before else 0 :]
            for name, values in features.items()
            if name not in before or len(values) > len(before[name])
        }
    return Additions(
        names=_filled(names.items()),
        numeric=_filled(numeric.items()),
        categorical=_filled(categorical.items()),
    )


def _filled(items: Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    return {key: value for key, value in items if value}
