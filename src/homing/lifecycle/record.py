"""What each stage found, kept in `runs/` so that a report can be written at any time."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from homing.lifecycle.progress import Timings
from homing.report.facts import Facts, Header, Stage
from homing.schema import WorkspaceError
from homing.store import Workspace

STAGES = ("train", "evaluate", "plan")
RECORDS = (*STAGES, "budget", "demo")  # a workspace needs neither


@dataclass(frozen=True)
class Record:
    """The facts of one stage: a report with only the sections that this stage makes."""

    stage: str
    facts: Facts


def stage_facts(
    workspace: Workspace, stage: str, timings: Timings, release: str | None = None, **sections: Any
) -> Facts:
    """Return facts with the header and the costs of a stage, and its sections."""
    now = datetime.now(UTC)
    header = Header(
        workspace=workspace.config.workspace.name,
        run_id=f"{now:%Y%m%dT%H%M%S}-{stage}",
        created_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        verdict="",
        release=release,
    )
    stages = tuple(Stage(f"{stage}: {name}", s, timings.peak_bytes) for name, s in timings.seconds.items())
    return Facts(header=header, stages=stages, **sections)


def save_record(workspace: Workspace, record: Record) -> None:
    """Keep the record as the newest of its stage; written aside and renamed."""
    target = workspace.runs_path / f"{record.stage}.json"
    aside = target.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(json.dumps(record.facts.to_dict(), indent=1))
    aside.replace(target)


def load_record(workspace: Workspace, stage: str) -> Facts | None:
    """Return the newest facts of a stage, or None when it never ran.

    Raises:
        WorkspaceError: the record cannot be read.
    """
    path = workspace.runs_path / f"{stage}.json"
    if not path.is_file():
        return None
    try:
        return Facts.from_dict(json.loads(path.read_text()))
    except ValueError as error:
        raise WorkspaceError(f"{path} cannot be read ({error}); run 'homing {stage}' again") from None
