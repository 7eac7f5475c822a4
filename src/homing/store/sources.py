"""Which files are to be ingested, and into which table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from homing.schema import InputError
from homing.schema.errors import nearest
from homing.schema.tables import INGESTED, Table

Format = Literal["parquet", "csv", "ndjson"]
_FORMATS: Final[dict[str, Format]] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".ndjson": "ndjson",
    ".ndjson.gz": "ndjson",
    ".jsonl": "ndjson",
    ".jsonl.gz": "ndjson",
}
_TABLES: Final = {table.name: table for table in INGESTED}


@dataclass(frozen=True)
class Source:
    """One file and the table that its rows belong to."""

    path: Path
    table: Table
    format: Format

    @property
    def compressed(self) -> bool:
        """Whether the file is gzip."""
        return self.path.suffix == ".gz"


def discover(paths: Iterable[Path | str], table: str | None = None) -> list[Source]:
    """Find the files to ingest, in the order in which references can be checked, then by path.

    Args:
        paths: files or folders; folders are searched for files of a known format.
        table: of all files; without it the name of the file or of the nearest folder around it tells, up to
            the folder that was given (so `events/date=2026-01-01/part-0.parquet` in it is one of events).

    Raises:
        InputError: a path does not exist, or its format or table is not known.
    """
    if table is not None and table not in _TABLES:
        raise InputError(f"table {table!r} cannot be ingested; {_choices(table)}")
    sources = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path} does not exist; give files or folders of Parquet, CSV or NDJSON")
        found = [path] if path.is_file() else _search(path)
        sources += [
            Source(path=file, format=_format_of(file), table=_table_of(file, path, table)) for file in found
        ]
    if not sources:
        raise InputError(f"nothing to ingest; no file ends in {', '.join(_FORMATS)}")
    order = list(_TABLES)
    unique = {source.path.resolve(): source for source in sources}
    return sorted(unique.values(), key=lambda source: (order.index(source.table.name), str(source.path)))


def _search(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and _ending(path) in _FORMATS and not path.name.startswith((".", "_"))
    )


def _ending(path: Path) -> str:
    return "".join(path.suffixes[-2:]).lower() if path.suffix == ".gz" else path.suffix.lower()


def _format_of(path: Path) -> Format:
    try:
        return _FORMATS[_ending(path)]
    except KeyError:
        raise InputError(f"{path}: the format is not known; names end in {', '.join(_FORMATS)}") from None


def _table_of(path: Path, given: Path, table: str | None) -> Table:
    if table is not None:
        return _TABLES[table]
    stem = path.name.split(".")[0]
    inner = path.parent.relative_to(given).parts if path != given else ()
    around = given.name if path != given else given.parent.name
    # Spark and its like write a folder `events.parquet` of parts
    for word in (stem, *(folder.split(".")[0] for folder in (*reversed(inner), around))):
        for name in _TABLES:
            if word == name or word.startswith((f"{name}_", f"{name}-")):
                return _TABLES[name]
    raise InputError(f"{path}: the table is not known from the name; {_choices(stem)}")


def _choices(word: str) -> str:
    return (
        f"name the file or its folder, or give the table, one of {', '.join(_TABLES)}{nearest(word, _TABLES)}"
    )
