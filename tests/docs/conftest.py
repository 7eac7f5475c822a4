import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

USERS, DAYS = 1200, 28  # fewer people hardly ever opt out, and what never happens cannot be learned


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo, with its log, release, evaluation, plan and report; test processes share it."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    with FileLock(shared / "demo.lock"):
        if not (folder := shared / "demo").is_dir():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    homing, aside = Path(sys.executable).with_name("homing"), folder.with_name("demo-in-the-making")
    command = [str(homing), "demo", str(aside), "--users", str(USERS), "--days", str(DAYS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    aside.rename(folder)


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demo in `demo` and its log in `exports`, and the current one."""
    shutil.copytree(world, tmp_path / "demo")
    shutil.copytree(world / "log", tmp_path / "exports")
    monkeypatch.chdir(tmp_path)
    return tmp_path
