"""Options that several commands have, and what they do with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from homing.app.progress import Bars

if TYPE_CHECKING:
    from homing.store import Workspace

Folder = Annotated[Path, typer.Option("--workspace", "-w", help="Folder of the workspace.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of tables.")]
At = Annotated[str, typer.Option("--at", help="ISO 8601 time, such as 2026-03-01T06:00Z.")]
HERE = Path()


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Show progress on standard error."""
    with Bars(Console(stderr=True)) as bars:
        yield bars


def printed(as_json: bool, data: Any, show: Callable[[Console], None]) -> None:
    """Print data as JSON, or show it."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=1, default=str) + "\n")
    else:
        show(Console())


def parsed_time(text: str, option: str = "--at") -> int:
    """Return the time of an option, us.

    Raises:
        InputError: it is no time.
    """
    from homing.schema.errors import InputError
    from homing.schema.times import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def opened(folder: Path) -> Workspace:
    """Open the workspace in a folder."""
    from homing.store import Workspace

    return Workspace.open(folder)
