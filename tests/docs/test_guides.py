from pathlib import Path

import pytest

from .pages import ROOT, blocks, run

REAL = ROOT / "docs" / "guides" / "real-logs.md"  # run by end_to_end/test_public_logs.py
GUIDES = sorted({*(ROOT / "docs" / "guides").glob("*.md")} - {REAL})


@pytest.mark.e2e
@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.stem)
def test_page_runs(page: Path, place: Path) -> None:
    assert run(page, place) > 0


def test_what_is_not_run_says_why() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    skipped = [page.name for page in pages for block in blocks(page) if block.skip]
    assert skipped.count("README.md") <= 1
    assert len(skipped) <= 5
