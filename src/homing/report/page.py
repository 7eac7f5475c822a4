"""Facts to files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from homing.report.experiment import Readout
from homing.report.facts import Facts
from homing.report.holdout import HoldoutFacts
from homing.report.leaderboard import Leaderboard
from homing.schema.errors import InputError


def render(facts: Facts) -> str:
    """Return the report as one HTML document that needs nothing else. Equal facts give equal text."""
    from homing.report.document import document  # matplotlib and jinja2: only when a page is made

    return document(facts)


def write_leaderboard(facts: Leaderboard, path: Path) -> tuple[Path, Path]:
    """Write the page of a comparison as `write_report` does that of a report; return both paths.

    Raises:
        InputError: `path` ends in .json, where the facts go.
        OSError: the folder cannot be written to.
    """
    from homing.report.document import leaderboard_document

    return _write(leaderboard_document(facts), facts.to_dict(), path)


def write_experiment(facts: Readout, path: Path) -> tuple[Path, Path]:
    """Write the page of an experiment as `write_report` does that of a report; return both paths.

    Raises:
        InputError: `path` ends in .json, where the facts go, or cannot be written.
    """
    from homing.report.document import experiment_document

    return _write(experiment_document(facts), facts.to_dict(), path)


def write_holdout(facts: HoldoutFacts, path: Path) -> tuple[Path, Path]:
    """Write the page of a global holdout as `write_report` does that of a report; return both paths.

    Raises:
        InputError: `path` ends in .json, where the facts go, or cannot be written.
    """
    from homing.report.document import holdout_document

    return _write(holdout_document(facts), facts.to_dict(), path)


def write_report(facts: Facts, path: Path) -> tuple[Path, Path]:
    """Write the page to `path` and the same facts beside it as `.json`; return both paths.

    Both are written aside first and renamed, so that a reader never sees half a file. The folder is made
    where it is missing.

    Raises:
        InputError: `path` ends in .json, where the facts go, or cannot be written.
    """
    return _write(render(facts), facts.to_dict(), path)


def _write(page: str, facts: dict[str, Any], path: Path) -> tuple[Path, Path]:
    if path.suffix == ".json":
        raise InputError(
            f"report path == {str(path)!r}, must not end in .json; the facts go there, name a .html"
        )
    beside = path.with_suffix(".json")
    data = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, page)
        _replace(beside, data)
    except OSError as error:
        raise InputError(
            f"report path == {str(path)!r} cannot be written: {error.strerror or error}; name a file in a "
            "folder that can be"
        ) from None
    return path, beside


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, "utf-8", errors="replace", newline="\n")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
