import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USERS, DAYS = 1200, 28  # fewer people hardly ever opt out, and what never happens cannot be learned


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo, with its log, release, evaluation, plan and report."""
    folder = tmp_path_factory.mktemp("world") / "demo"
    homing = Path(sys.executable).with_name("homing")
    command = [homing, "demo", folder, "--users", str(USERS), "--days", str(DAYS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demo in `demo` and its log in `exports`, and the current one."""
    shutil.copytree(world, tmp_path / "demo")
    shutil.copytree(world / "log", tmp_path / "exports")
    monkeypatch.chdir(tmp_path)
    return tmp_path
