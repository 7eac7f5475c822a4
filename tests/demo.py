"""A small demo, made by the command line in a process of its own, for the tests that run the whole job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

USERS, DAYS = 1200, 28  # fewer people hardly ever opt out, and what never happens cannot be learned


def make_demo(folder: Path) -> None:
    """Make a workspace in `folder`, with its log, release, evaluation, plan, trial and report."""
    run_homing("demo", folder, "--users", USERS, "--days", DAYS)


def run_homing(*arguments: object) -> str:
    """Return what the command line prints; a warning is an error there."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            "from homing.app.cli import main; main()",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
