import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import run_homing

Facts = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A workspace after the main job, and the facts of its report."""

    path: Path
    facts: Facts

    @staticmethod
    def of(path: Path) -> "Job":
        return Job(path, json.loads((path / "report.json").read_text()))

    def policies(self, objective: str) -> dict[str, Facts]:
        tables = {table["objective"]: table for table in self.facts["values"]["objectives"]}
        return {policy["policy"]: policy for policy in tables[objective]["policies"]}


@pytest.fixture(scope="session")
def homing() -> Callable[..., str]:
    """Return what a command prints, as a function of its arguments; one that fails is an assertion."""

    def run(*arguments: object) -> str:
        ran = run_homing(*arguments)
        assert ran.status == 0, ran.err
        return ran.out

    return run


def real_log(name: str) -> Path:
    """Return the folder of a real log, or skip the test."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("HOMING_DATA", root.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no log {name!r} in the folder that HOMING_DATA names, nor beside the project")
    return folder
