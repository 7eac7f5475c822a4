import shutil
from pathlib import Path

import pytest


@pytest.fixture
def place(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demo in `demo` and its log in `exports`, and the current one."""
    shutil.copytree(demo, tmp_path / "demo")
    shutil.copytree(demo / "log", tmp_path / "exports")
    monkeypatch.chdir(tmp_path)
    return tmp_path
