"""Three budgets on the demo's world: the plan meets them, the report and explanations show them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from homing.lifecycle.worlds.simulate import simulate
from homing.schema.times import DAY, format_time, to_datetime
from homing.simulator import Setup
from homing.store import Workspace, ingest

pytestmark = pytest.mark.e2e

Facts = dict[str, Any]
_TRAINING = "[training]\nepochs = 3\nhidden = [32]\nmembers = 1\n"


@pytest.fixture(scope="module")
def trained(homing: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A workspace with a release and three budgets, the epoch to plan, and the campaign's message."""
    folder = tmp_path_factory.mktemp("budgets")
    workspace = Workspace.create(folder / "workspace", _TRAINING)
    end = simulate(folder / "log", "streaming", Setup(2_000, 28), "random", workspace.config).end
    ingest(workspace, [folder / "log"])
    waiting = pl.read_parquet(folder / "log" / "*" / "opportunities.parquet")
    alive = (pl.col("created_at") <= to_datetime(end)) & (pl.col("expires_at") > to_datetime(end + DAY))
    most = waiting.filter(alive)["message_id"].value_counts().sort("count", "message_id")
    campaign = str(most["message_id"][-1])
    budgets = f"""
[[budgets]]
name = "push"
channel = "push"
max = 60

[[budgets]]
name = "campaign"
message = "{campaign}"
min = 70

[[budgets]]
name = "opt-outs"
counts = "objective:reachability"
max = 2.0
"""
    settings = workspace.path / "homing.toml"
    settings.write_text(settings.read_text() + budgets)
    homing("train", "-w", workspace.path)
    return workspace.path, format_time(end), campaign


@pytest.fixture(scope="module")
def planned(homing: Callable[..., str], trained: tuple[Path, str, str]) -> Facts:
    path, at, _ = trained
    found: Facts = json.loads(homing("plan", "--at", at, "-w", path, "--json"))
    return found


def decisions(path: Path, at: str) -> pl.DataFrame:
    frames = [pl.read_parquet(file) for file in Workspace.open(path).ledger.files("decisions")]
    rows = pl.concat(frames, how="diagonal_relaxed")
    return rows.filter(pl.col("epoch_at") == rows["epoch_at"].max())


def test_all_three_are_met(trained: tuple[Path, str, str], planned: Facts) -> None:
    path, at, campaign = trained
    rows = decisions(path, at).filter(pl.col("action") == "send")
    push, least, optouts = planned["budgets"]["uses"]
    assert push["drawn"] == len(rows.filter(pl.col("channel") == "push")) <= 60 < push["wanted"]
    assert least["drawn"] == len(rows.filter(pl.col("message_id") == campaign)) >= 70 > least["wanted"]
    assert optouts["expected"] <= 2.0 * 1.01
    assert push["price"] > 0 > least["price"]
    assert planned["budgets"]["violation"] < 1e-3


def test_twice_the_same(homing: Callable[..., str], trained: tuple[Path, str, str], planned: Facts) -> None:
    path, at, _ = trained
    before = decisions(path, at).sort("decision_id")
    again = json.loads(homing("plan", "--at", at, "-w", path, "--json"))
    assert again["budgets"]["uses"] == planned["budgets"]["uses"]
    assert decisions(path, at).sort("decision_id").equals(before)


def test_explanations_the_report_and_the_curve_show_them(
    homing: Callable[..., str], trained: tuple[Path, str, str], planned: Facts
) -> None:
    path, at, campaign = trained
    row = decisions(path, at).filter(pl.col("message_id") == campaign).sort("user_id").row(0, named=True)
    told = json.loads(homing("explain", "--decision", row["decision_id"], "-w", path, "--json"))
    (chosen,) = (option for option in told["options"] if option["chosen"])
    assert chosen["prices"]["campaign"] == pytest.approx(planned["budgets"]["uses"][1]["price"])
    assert chosen["probability"] == pytest.approx(row["propensity"], rel=1e-4)
    curve = json.loads(
        homing("budget", "--vary", "push=0.5..1.5", "--points", 3, "--at", at, "-w", path, "--json")
    )["curves"][0]
    assert [point["size"] for point in curve["points"]] == [30, 60, 90]
    worth = [point["objective"] for point in curve["points"]]
    assert worth == sorted(worth)
    homing("report", "-w", path)
    page = (path / "report.html").read_text()
    for text in ("What users share", "Worth of the plan by the maximum of push", "opt-outs"):
        assert text in page
    shown = json.loads((path / "report.json").read_text())["budgets"]
    assert shown["uses"] == planned["budgets"]["uses"]
