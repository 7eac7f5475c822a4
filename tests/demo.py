"""A small demo, made by the command line in a process of its own, for the tests that run the whole job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from homing.schema import Config
from homing.schema.config import Training
from homing.schema.reference import default_toml
from homing.store import Workspace

USERS, DAYS = 1200, 28  # fewer people hardly ever opt out, and what never happens cannot be learned

#: One network and few epochs a fit.
CONFIG = Config(training=Training(members=1, epochs=3))

PRINTED = "printed.txt"  # in the workspace: what the command said


def make_demo(folder: Path) -> None:
    """Make a workspace in `folder`, with its log, release, evaluation, plan, trial and report.

    A new process does it, in which a warning is an error from the first import on.
    """
    Workspace.create(folder, default_toml(CONFIG))
    program = [sys.executable, "-W", "error", "-c", "from homing.app.cli import main; main()"]
    done = subprocess.run(
        [*program, "demo", folder, "--users", str(USERS), "--days", str(DAYS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / PRINTED).write_text(done.stdout)
