"""Worlds that the tests of several packages look at; a run makes each once, for all its test processes."""

import copyreg
import os
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from demo import make_demo
from filelock import FileLock
from hypothesis import settings
from small_world import SmallWorld, build_small_world

from homing.store import Workspace

# the test processes have a core each, and steps of small networks wait for threads more than they work
os.environ.setdefault("OMP_NUM_THREADS", "1")

# timings are measured in benchmarks, never asserted
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

PAGES = "test_guides.py"  # whose tests share nothing, and are long
WHOLE = {"small_world", "demo"}  # fixtures that make a log and learn from it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module in one process, which makes what they share once; mark what is slow."""
    for item in items:
        if WHOLE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.path.name != PAGES:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(item.config.rootpath))))


copyreg.pickle(type(threading.Lock()), lambda _: (threading.Lock, ()))  # of timings; nobody holds it


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    def make(folder: Path) -> None:
        found = build_small_world(folder)
        (folder / "found.pickle").write_bytes(pickle.dumps(found))

    made = _shared(tmp_path_factory, "small-world", make)
    found: SmallWorld = pickle.loads((made / "found.pickle").read_bytes())
    return found


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of `make_demo`. Not to be changed."""
    return _shared(tmp_path_factory, "demo", make_demo)


def _shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` fills, which the first test process that needs it calls."""
    shared = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder, made = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            make(folder)
            made.touch()
    return folder


@pytest.fixture
def copied(small_world: SmallWorld, tmp_path: Path) -> Callable[[], Workspace]:
    """Return a function that returns a copy of the small world's workspace."""

    def copy() -> Workspace:
        target = tmp_path / "copy"
        shutil.copytree(small_world.workspace.path, target)
        return Workspace.open(target)

    return copy
