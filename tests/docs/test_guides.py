import os
from pathlib import Path

import pytest

from .pages import ROOT, blocks, run

REAL = ROOT / "docs" / "guides" / "real-logs.md"
GUIDES = sorted({*(ROOT / "docs" / "guides").glob("*.md")} - {REAL})


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.stem)
def test_page_runs(page: Path, place: Path) -> None:
    assert run(page, place) > 0


@pytest.mark.e2e
def test_real_logs_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(os.environ.get("HOMING_DATA", ROOT.parent / "shared" / "data"))
    if not (data / "hillstrom").is_dir() or not (data / "open_bandit_men").is_dir():
        pytest.skip("the real logs are not in the folder that HOMING_DATA names, nor beside the project")
    monkeypatch.setenv("HOMING_DATA", str(data))
    assert run(REAL, place) > 0


def test_what_is_not_run_says_why() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    skipped = [page.name for page in pages for block in blocks(page) if block.skip]
    assert skipped.count("README.md") <= 1
    assert len(skipped) <= 4
