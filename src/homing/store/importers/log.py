"""What every importer does: read a log, make tables of the contract, and ingest them."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from homing.schema import InputError, WorkspaceError
from homing.schema.errors import nearest
from homing.schema.tables import INGESTED
from homing.store.contract_files import write_parquet
from homing.store.ingest import IngestSummary, ingest
from homing.store.workspace import Workspace


@dataclass(frozen=True)
class ImportSummary:
    """What an importer read, and on what it had to rely."""

    source: str
    rows: Mapping[str, int]  # table -> rows made from the log, new or not
    arms: Mapping[str, int]  # logged choice -> decisions
    assumed: tuple[str, ...]  # what the log does not say
    ingested: IngestSummary

    def to_dict(self) -> dict[str, Any]:
        """Return the same facts as plain types."""
        return {
            "source": self.source,
            "rows": dict(self.rows),
            "arms": dict(self.arms),
            "assumed": list(self.assumed),
            "ingested": self.ingested.to_dict(),
        }


def read_csv(path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Read the given columns of a CSV file.

    Raises:
        InputError: the file is missing, is not such a CSV, lacks a column, has a value of another type, or
            has no rows.
    """
    try:
        header = pl.read_csv(path, n_rows=0).columns
        for name in columns:
            if name not in header:
                raise InputError(
                    f"{path} has no column {name!r}{nearest(name, header)}; it needs {', '.join(columns)}"
                )
        frame = pl.read_csv(path, columns=list(columns), schema_overrides=dict(columns)).select(list(columns))
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {reason}; give the path of the log") from None
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is not the CSV file of the log: {str(error).splitlines()[0]}") from None
    if frame.is_empty():
        raise InputError(f"{path} has a header but no rows; download it again")
    for name in columns:
        if frame[name].null_count():
            row = int(frame[name].is_null().arg_max() or 0) + 2
            raise InputError(f"{path}, line {row}: {name} is empty; this log has a value in every column")
    return frame


def open_or_create(path: Path, toml: str, needs: Mapping[str, tuple[str, ...]]) -> Workspace:
    """Open the workspace at `path`, or make one with the configuration `toml`.

    Args:
        path: folder of the workspace.
        toml: a `homing.toml` that fits the log.
        needs: "channels", "objectives" and "event types" -> names without which the log has no meaning.

    Raises:
        WorkspaceError: the workspace is there, but its configuration lacks what the log needs.
    """
    if not (path / "homing.toml").exists():
        return Workspace.create(path, toml)
    workspace = Workspace.open(path)
    config = workspace.config
    has: dict[str, Collection[str]] = {
        "channels": config.channels,
        "objectives": config.objectives,
        "event types": config.event_types,
    }
    missing = [f"{kind} {name!r}" for kind, names in needs.items() for name in names if name not in has[kind]]
    if missing:
        raise WorkspaceError(
            f"{path}/homing.toml lacks {', '.join(missing)}, which this log needs; import into a new folder"
        )
    return workspace


def ingest_tables(workspace: Workspace, tables: Mapping[str, pl.DataFrame]) -> IngestSummary:
    """Ingest tables by way of files, so that validation, quarantine and idempotency hold for them too."""
    with tempfile.TemporaryDirectory(prefix="homing-import-") as folder:
        paths = []
        for table in INGESTED:
            if table.name in tables:
                path = Path(folder) / f"{table.name}.parquet"
                write_parquet(tables[table.name], path)
                paths.append(path)
        return ingest(workspace, paths)
