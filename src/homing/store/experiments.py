"""Experiments on disk: designs that people write, and records that only grow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from homing.schema import ConfigError, InputError, WorkspaceError
from homing.schema.errors import nearest
from homing.schema.experiment import Design, check_name, parse_design
from homing.schema.experiment_record import Change, Record, check_rising
from homing.store.ledger import LOCK_TIMEOUT
from homing.store.locking import writer_lock
from homing.store.workspace import Workspace


def experiment_names(workspace: Workspace) -> tuple[str, ...]:
    """Return the names of all experiments, designed or started."""
    folder = workspace.experiments_path
    return tuple(sorted({path.stem for end in ("toml", "json") for path in folder.glob(f"*.{end}")}))


def design_path(workspace: Workspace, name: str) -> Path:
    """Return where the design of that name is written."""
    return workspace.experiments_path / f"{check_name(name)}.toml"


def read_design(workspace: Workspace, name: str) -> Design:
    """Return a design as it is written.

    Raises:
        InputError: there is none of that name.
        ConfigError: it breaks a rule.
    """
    path = design_path(workspace, name)
    try:
        return parse_design(path.read_text("utf-8"), path.name)
    except FileNotFoundError:
        raise _missing(workspace, name) from None


def write_design(workspace: Workspace, name: str, text: str) -> Path:
    """Write the text of a new design.

    Raises:
        InputError: there is an experiment of that name already.
        ConfigError: the text breaks a rule.
    """
    path = design_path(workspace, name)
    parse_design(text, path.name)
    if path.exists() or _record_path(workspace, name).exists():
        raise InputError(f"experiment {name!r} is there already; edit {path}, or take another name")
    path.parent.mkdir(exist_ok=True)
    _replace(path, text)
    return path


def read_record(workspace: Workspace, name: str) -> Record | None:
    """Return an experiment from its start on; None before it.

    Raises:
        InputError: there is no experiment of that name, nor a design.
        WorkspaceError: the record is damaged.
    """
    path = _record_path(workspace, name)
    if not path.is_file():
        if not design_path(workspace, name).is_file():
            raise _missing(workspace, name)
        return None
    try:
        return Record.from_dict(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, IndexError, ConfigError) as error:
        raise WorkspaceError(
            f"{path} is no record of an experiment ({error!r}); restore it from a backup"
        ) from None


def read_records(workspace: Workspace) -> tuple[Record, ...]:
    """Return all experiments that were started, in the order of their starts.

    Raises:
        WorkspaceError: a record is damaged.
    """
    found = [read_record(workspace, path.stem) for path in workspace.experiments_path.glob("*.json")]
    return tuple(sorted((r for r in found if r is not None), key=lambda r: (r.started_at, r.name)))


def start_record(workspace: Workspace, record: Record, check: Callable[[tuple[Record, ...]], None]) -> None:
    """Keep the record of an experiment that starts.

    Args:
        workspace: where.
        record: with the start as its history.
        check: is shown all other records, and raises where this one may not start beside them.

    Raises:
        InputError: it was started before.
        LedgerBusyError: another process is changing experiments.
    """
    workspace.experiments_path.mkdir(exist_ok=True)
    with writer_lock(workspace.experiments_path / ".lock", LOCK_TIMEOUT):
        if _record_path(workspace, record.name).exists():
            raise InputError(f"experiment {record.name!r} was started before; its design is fixed")
        check(read_records(workspace))
        _write(workspace, record)


def change_record(workspace: Workspace, name: str, change: Change) -> Record:
    """Add a line to an experiment's history, and return the record.

    Raises:
        InputError: it was not started, or was stopped, or the line does not come after the start.
        LedgerBusyError: another process is changing experiments.
    """
    if read_record(workspace, name) is None:
        raise InputError(f"experiment {name!r} has not been started; 'homing experiment start {name}'")
    with writer_lock(workspace.experiments_path / ".lock", LOCK_TIMEOUT):
        record = read_record(workspace, name)
        assert record is not None
        if change.what == "look":
            if change.at in record.looks:
                return record
        elif record.stopped_at is not None:
            raise InputError(f"experiment {name!r} was stopped before, so nothing can be changed any more")
        elif change.at <= record.started_at:
            raise InputError(f"the {change.what} of {name!r} must come after its start")
        changed = record.changed(change)
        check_rising(changed.history)
        _write(workspace, changed)
        return changed


def _record_path(workspace: Workspace, name: str) -> Path:
    return workspace.experiments_path / f"{check_name(name)}.json"


def _write(workspace: Workspace, record: Record) -> None:
    text = json.dumps(record.to_dict(), indent=1, ensure_ascii=False) + "\n"
    _replace(_record_path(workspace, record.name), text)


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, "utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _missing(workspace: Workspace, name: str) -> InputError:
    known = experiment_names(workspace)
    return InputError(
        f"experiment == {name!r} does not exist{nearest(name, known)}; there are {', '.join(known) or 'none'}"
        f"; 'homing experiment new {name}' writes a design to begin with"
    )
