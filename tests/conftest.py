"""A small world that the tests of several packages look at; each test process builds it once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_world import SmallWorld, build_small_world

from homing.store import Workspace


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return build_small_world(tmp_path_factory.mktemp("small-world"))


@pytest.fixture
def copied(small_world: SmallWorld, tmp_path: Path) -> Callable[[], Workspace]:
    """Return a function that returns a copy of the small world's workspace."""

    def copy() -> Workspace:
        target = tmp_path / "copy"
        shutil.copytree(small_world.workspace.path, target)
        return Workspace.open(target)

    return copy
