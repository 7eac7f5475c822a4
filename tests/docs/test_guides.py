import json
import os
from pathlib import Path

import pytest

from .pages import ROOT, blocks, run

REAL = ROOT / "docs" / "guides" / "real-logs.md"
PUBLISHED = ROOT / "docs" / "guides" / "published-experiments.md"
README_ROWS = {
    "hold": "nothing to all",
    "constant:mens_email": "men's e-mail to all",
    "constant:womens_email": "women's e-mail to all",
    "learned": "learned for spend, with exploration",
    "learned:visits": "learned for visits, with exploration",
}
GUIDES = sorted({*(ROOT / "docs" / "guides").glob("*.md")} - {REAL, PUBLISHED})


@pytest.mark.e2e
@pytest.mark.xdist_group("documentation")
@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.stem)
def test_page_runs(page: Path, place: Path) -> None:
    assert run(page, place) > 0


def _with_data(monkeypatch: pytest.MonkeyPatch, *needed: str) -> None:
    """Let HOMING_DATA name the folder of public data, or skip."""
    data = Path(os.environ.get("HOMING_DATA", ROOT.parent / "shared" / "data"))
    if not all((data / name).is_dir() for name in needed):
        pytest.skip("the public data are not in the folder that HOMING_DATA names, nor beside the project")
    monkeypatch.setenv("HOMING_DATA", str(data))


def test_published_experiments_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_data(monkeypatch, "hillstrom", "social_pressure_gotv", "charitable_giving")
    monkeypatch.chdir(tmp_path)
    assert run(PUBLISHED, tmp_path) > 0


@pytest.mark.e2e
@pytest.mark.xdist_group("documentation")
def test_real_logs_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_data(monkeypatch, "hillstrom", "open_bandit_men")
    assert run(REAL, place) > 0
    for name, row in README_ROWS.items():
        for objective, unit in (("spend", 1.0), ("visits", 100.0)):
            value = _value(place / "hillstrom", objective, name) * unit
            # fitted numbers differ a little between machines; by far less than their intervals
            assert value == pytest.approx(_told(row, objective), abs=0.05 if unit == 1 else 0.5), (
                name,
                objective,
            )


def _value(workspace: Path, objective: str, policy: str) -> float:
    facts = json.loads((workspace / "report.json").read_text())
    table = next(table for table in facts["values"]["objectives"] if table["objective"] == objective)
    return float(next(item["value"]["value"] for item in table["policies"] if item["policy"] == policy))


def _told(row: str, objective: str) -> float:
    """Return the number that the README's table of Hillstrom has."""
    line = next(
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| {row} |")
    )
    return float(line.split("|")[2 if objective == "spend" else 3].split()[0])


def test_what_is_not_run_says_why() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    skipped = [page.name for page in pages for block in blocks(page) if block.skip]
    assert skipped.count("README.md") <= 1
    assert len(skipped) <= 5
