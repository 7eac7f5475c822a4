from pathlib import Path

import pytest

from .pages import ROOT, blocks, run

NEED_DATA = {"real-logs", "published-experiments"}  # run by end_to_end/test_public_logs.py
GUIDES = sorted(page for page in (ROOT / "docs" / "guides").glob("*.md") if page.stem not in NEED_DATA)


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.stem)
def test_page_runs(page: Path, place: Path) -> None:
    # the first page that anybody reads is run as they would: a process for each command
    assert run(page, place, shells=page.stem == "README") > 0


def test_what_is_not_run_says_why() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    skipped = [page.name for page in pages for block in blocks(page) if block.skip]
    assert skipped.count("README.md") <= 1
    assert len(skipped) <= 5
