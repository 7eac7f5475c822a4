"""The page of leaderboards says what its tables show."""

import re

from .pages import ROOT

PAGE = (ROOT / "docs" / "leaderboards.md").read_text("utf-8")


def tables() -> dict[str, list[list[str]]]:
    """Return the rows of each preset's table: policy, active days, difference with its interval, ..."""
    found = {}
    for part in PAGE.split("\n## ")[1:]:
        name, text = part.split("\n", 1)
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line]
        found[name] = rows[2:]
    return found


def test_click_greedy_loses_in_three_presets_and_not_in_all() -> None:
    loses = {}
    for world, rows in tables().items():
        sends = {row[0]: float(row[5]) for row in rows}
        low = {row[0]: float(re.findall(r"[-+][\d.]+", row[2])[1]) for row in rows if row[2]}
        better = {name for name in low if low[name] > 0 and sends[name] < sends["greedy"]}
        loses[world] = bool(better)
        said = re.search(rf"\*\*{world}\*\*: click-greedy loses to (.*)\.", PAGE)
        assert set(said[1].split(", ") if said else ()) == better
    assert len(loses) >= 6
    assert sum(loses.values()) >= 3
    assert not all(loses.values())
