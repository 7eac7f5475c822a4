import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from demo import run_homing

Facts = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module in one process: what they look at takes minutes to make."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


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
    """Return the command line in a process of its own, where a warning is an error."""
    return run_homing


def real_log(name: str) -> Path:
    """Return the folder of a real log, or skip the test."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("HOMING_DATA", root.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no log {name!r} in the folder that HOMING_DATA names, nor beside the project")
    return folder
