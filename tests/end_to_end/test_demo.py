"""From nothing to a report on a fresh simulated world."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from demo import DAYS, PRINTED, USERS

from homing.lifecycle.splits import Split
from homing.store import Workspace

from .conftest import Job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(demo: Path) -> Job:
    return Job.of(demo)


@pytest.fixture(scope="module")
def ledger(job: Job) -> dict[str, pl.DataFrame]:
    workspace = Workspace.open(job.path)
    return {
        name: pl.concat([pl.read_parquet(p) for p in workspace.ledger.files(name)], how="diagonal_relaxed")
        for name in ("users", "decisions", "events")
    }


def test_every_stage_says_what_it_found(job: Job) -> None:
    printed = (job.path / PRINTED).read_text()
    for part in ("Ingested", "Release r-", "utility (", "plan-2026", "Trial: 28 days", "report: "):
        assert part in printed


def test_the_page_and_its_facts_are_there(job: Job) -> None:
    page = (job.path / "report.html").read_text()
    assert job.facts["header"]["verdict"].split(":")[0] in page
    for outside in ('src="http', 'href="http', "@import", "url(http"):
        assert outside not in page
    sections = (
        "health",
        "funnel",
        "quality",
        "values",
        "schedule",
        "trial",
        "tradeoffs",
        "journeys",
        "stages",
        "provenance",
    )
    assert all(job.facts[section] for section in sections)


def test_nothing_critical_stands_on_the_page(job: Job) -> None:
    assert [alert for alert in job.facts["alerts"] if alert["level"] == "critical"] == []
    assert [alert for alert in job.facts["alerts"] if alert["subject"] == "Replay"] == []


def test_logged_propensities_are_those_of_the_draws(job: Job) -> None:
    groups = {group["group"]: group for group in job.facts["health"]["propensity"]}
    assert set(groups) == {"hold", "push", "email", "in_app"}
    for group in groups.values():
        observed = group["observed"]
        reach = observed["high"] - observed["value"]
        assert abs(observed["value"] - group["logged"]) < 2 * reach  # four groups at 3.9 errors


def test_one_decision_for_every_user_and_day(job: Job, ledger: dict[str, pl.DataFrame]) -> None:
    epochs = ledger["decisions"].select("user_id", "epoch_at")
    assert not epochs.is_duplicated().any()
    users = ledger["users"].select("user_id", "signed_up_at")
    for epoch, mine in epochs.group_by("epoch_at"):
        signed_up = users.filter(pl.col("signed_up_at") <= epoch[0])
        assert set(mine["user_id"]) == set(signed_up["user_id"]), epoch
    assert epochs["epoch_at"].n_unique() == DAYS + 1
    assert job.facts["header"]["decisions"] == len(epochs)
    assert job.facts["header"]["users"] == len(users)
    assert 0.975 * USERS < len(users) < USERS  # some sign up in the weeks of the trial
    assert job.facts["funnel"]["users"] == (epochs["epoch_at"] == epochs["epoch_at"].max()).sum()


def held_out(job: Job, ledger: dict[str, pl.DataFrame]) -> tuple[pl.DataFrame, np.ndarray]:
    """Return test decisions with a complete window, and whether a conversion followed within 3 days."""
    (folder,) = (job.path / "releases").glob("r-*")
    split = Split(**json.loads((folder / "release.json").read_text())["split"])
    assert split.kind == "time"
    complete: datetime = ledger["events"]["at"].max()  # type: ignore[assignment]
    log = ledger["decisions"].filter(
        (pl.col("epoch_at").dt.epoch("us") >= split.test_from)
        & (pl.col("epoch_at") + timedelta(days=3) <= complete)
    )
    bought = ledger["events"].filter(pl.col("type") == "converted").select("user_id", "at")
    pairs = log.select("decision_id", "user_id", "epoch_at").join(bought, on="user_id")
    after = pairs.filter(
        (pl.col("at") >= pl.col("epoch_at")) & (pl.col("at") < pl.col("epoch_at") + timedelta(days=3))
    )
    return log, log["decision_id"].is_in(after["decision_id"].unique().implode()).to_numpy()


@pytest.mark.parametrize("policy", ["uniform", "hold", "logging"])
def test_values_agree_with_sums_over_the_ledgers_files(
    job: Job, ledger: dict[str, pl.DataFrame], policy: str
) -> None:
    log, converted = held_out(job, ledger)
    propensity, held = log["propensity"].to_numpy(), (log["action"] == "hold").to_numpy()
    weight = {
        "uniform": 1 / log["candidates"].to_numpy() / propensity,
        "hold": held / propensity,
        "logging": np.ones(len(log)),
    }[policy]
    ips = float(np.mean(weight * converted))
    told = job.policies("conversion")[policy]
    estimate = told["value"]
    assert estimate["low"] < ips < estimate["high"]
    if policy == "logging":
        assert estimate["value"] == pytest.approx(ips, rel=1e-6)
    else:
        (given,) = (e["estimate"]["value"] for e in told["estimators"] if e["name"] == "IPS")
        assert given == pytest.approx(ips, rel=1e-4)
        assert told["effective_size"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), rel=1e-3)


def test_the_main_job_again_adds_nothing(job: Job, homing: Callable[..., str], tmp_path: Path) -> None:
    path = shutil.copytree(job.path, tmp_path / "demo")
    before = Workspace.open(path).ledger.counts()
    homing("plan", "--at", job.facts["schedule"]["epoch_at"], "-w", path)
    homing("ingest", path / "log", "-w", path)
    assert Workspace.open(path).ledger.counts() == before


def test_the_trial_goes_on_from_the_log_with_everybody(job: Job) -> None:
    trial = job.facts["trial"]
    assert sum(trial["people"]) == USERS
    assert trial["days"] == 28
    assert trial["starts_at"] == job.facts["schedule"]["epoch_at"]
    measures = {measure["name"]: measure for measure in trial["measures"]}
    assert measures["sends"]["treatment"]["value"] > 5
    assert measures["active days"]["treatment"]["low"] > 5
    for measure in measures.values():
        assert measure["difference"]["low"] <= measure["difference"]["value"] <= measure["difference"]["high"]


def test_what_was_promised_stands_beside_what_happened(job: Job) -> None:
    promises = {promise["objective"]: promise for promise in job.facts["trial"]["promises"]}
    assert list(promises) == [table["objective"] for table in job.facts["values"]["objectives"]]
    for objective, promise in promises.items():
        assert promise["promised"] == job.policies(objective)["learned"]["value"]
        # another six standard errors of both would be another world
        realised, promised = promise["realised"], promise["promised"]
        widths = [e["high"] - e["low"] for e in (realised, promised)]
        assert abs(realised["value"] - promised["value"]) < 1.5 * sum(widths), objective
    page = (job.path / "report.html").read_text()
    assert "Learned, then deployed on half" in page
    assert "The promise covers neither" in page
