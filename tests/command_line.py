"""The command line in this process, which has imported what a new one would first take seconds for."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from homing.app.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str
    both: str  # in the order in which they came


class _Copied(io.StringIO):
    """Keeps what is written, and writes it to another place too."""

    def __init__(self, other: io.StringIO) -> None:
        super().__init__()
        self.other = other

    def write(self, text: str) -> int:
        self.other.write(text)
        return super().write(text)


def run_homing(*arguments: object) -> Ran:
    """Return what `homing` with these arguments leaves."""
    both = io.StringIO()
    out, err = _Copied(both), _Copied(both)
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        patch.setattr(sys, "argv", ["homing", *map(str, arguments)])
        main()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue(), both.getvalue())
