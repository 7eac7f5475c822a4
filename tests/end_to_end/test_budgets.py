"""Three budgets on the demo's world: the plan meets them, the report and explanations show them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from homing.schema.times import DAY, format_time, parse_time, to_datetime
from homing.store import Workspace

pytestmark = pytest.mark.slow

Facts = dict[str, Any]


@pytest.fixture(scope="module")
def budgeted(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The demo with three budgets, the epoch after its plan, and the message of the campaign."""
    path = shutil.copytree(demo, tmp_path_factory.mktemp("budgets") / "demo")
    facts = json.loads((path / "report.json").read_text())
    at = parse_time(facts["schedule"]["epoch_at"]) + DAY
    waiting = pl.read_parquet(path / "log" / "*" / "opportunities.parquet")
    alive = (pl.col("created_at") <= to_datetime(at)) & (pl.col("expires_at") > to_datetime(at + DAY))
    most = waiting.filter(alive)["message_id"].value_counts().sort("count", "message_id")
    campaign = str(most["message_id"][-1])
    budgets = f"""
[[budgets]]
name = "push"
channel = "push"
max = 36

[[budgets]]
name = "campaign"
message = "{campaign}"
min = 90

[[budgets]]
name = "opt-outs"
counts = "objective:reachability"
max = 0.03
"""
    settings = path / "homing.toml"
    settings.write_text(settings.read_text() + budgets)
    return path, format_time(at), campaign


@pytest.fixture(scope="module")
def planned(homing: Callable[..., str], budgeted: tuple[Path, str, str]) -> Facts:
    path, at, _ = budgeted
    found: Facts = json.loads(homing("plan", "--at", at, "-w", path, "--json"))
    return found


def decisions(path: Path, at: str) -> pl.DataFrame:
    frames = [pl.read_parquet(file) for file in Workspace.open(path).ledger.files("decisions")]
    rows = pl.concat(frames, how="diagonal_relaxed")
    return rows.filter(pl.col("epoch_at") == rows["epoch_at"].max())


def test_all_three_are_met(budgeted: tuple[Path, str, str], planned: Facts) -> None:
    path, at, campaign = budgeted
    rows = decisions(path, at).filter(pl.col("action") == "send")
    push, least, optouts = planned["budgets"]["uses"]
    assert push["drawn"] == len(rows.filter(pl.col("channel") == "push")) <= 36 < push["wanted"]
    assert least["drawn"] == len(rows.filter(pl.col("message_id") == campaign)) >= 90 > least["wanted"]
    assert optouts["expected"] <= 0.03 * 1.01 < optouts["wanted"]
    assert min(push["price"], optouts["price"]) > 0 > least["price"]
    assert planned["budgets"]["violation"] < 1e-3


def test_twice_the_same(homing: Callable[..., str], budgeted: tuple[Path, str, str], planned: Facts) -> None:
    path, at, _ = budgeted
    before = decisions(path, at).sort("decision_id")
    again = json.loads(homing("plan", "--at", at, "-w", path, "--json"))
    assert again["budgets"]["uses"] == planned["budgets"]["uses"]
    assert decisions(path, at).sort("decision_id").equals(before)


def test_explanations_the_report_and_the_curve_show_them(
    homing: Callable[..., str], budgeted: tuple[Path, str, str], planned: Facts
) -> None:
    path, at, campaign = budgeted
    row = decisions(path, at).filter(pl.col("message_id") == campaign).sort("user_id").row(0, named=True)
    told = json.loads(homing("explain", "--decision", row["decision_id"], "-w", path, "--json"))
    (chosen,) = (option for option in told["options"] if option["chosen"])
    assert chosen["prices"]["campaign"] == pytest.approx(planned["budgets"]["uses"][1]["price"])
    assert chosen["probability"] == pytest.approx(row["propensity"], rel=1e-4)
    curve = json.loads(
        homing("budget", "--vary", "push=0.5..1.5", "--points", 3, "--at", at, "-w", path, "--json")
    )["curves"][0]
    assert [point["size"] for point in curve["points"]] == [18, 36, 54]
    worth = [point["objective"] for point in curve["points"]]
    assert worth == sorted(worth)
    homing("report", "-w", path)
    page = (path / "report.html").read_text()
    for text in ("What users share", "Worth of the plan by the maximum of push", "opt-outs"):
        assert text in page
    shown = json.loads((path / "report.json").read_text())["budgets"]
    assert shown["uses"] == planned["budgets"]["uses"]
