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


def run_homing(*arguments: object) -> Ran:
    """Return what `homing` with these arguments leaves."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        patch.setattr(sys, "argv", ["homing", *map(str, arguments)])
        main()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())
