"""The main job on real logs, beside numbers that are computed here from the files as published."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from docs.pages import ROOT, run

from homing.lifecycle.splits import TEST, Split
from homing.store import Workspace, load_shard

from .conftest import Job, real_log

pytestmark = pytest.mark.slow

ARMS = {"hold": "No E-Mail", "constant:mens_email": "Mens E-Mail", "constant:womens_email": "Womens E-Mail"}
README_ROWS = {
    "nothing to all": "hold",
    "men's e-mail to all": "constant:mens_email",
    "women's e-mail to all": "constant:womens_email",
    "learned for spend, with exploration": "learned",
    "learned for visits, with exploration": "learned:visits",
}
OUTCOMES = {"visits": "visit", "conversion": "conversion", "spend": "spend"}


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the guide of real logs was run."""
    folder = tmp_path_factory.mktemp("real-logs")
    run_with_data("real-logs", folder, "hillstrom", "open_bandit_men")
    return folder


def run_with_data(page: str, folder: Path, *logs: str) -> None:
    """Run a guide that reads public data, or skip."""
    data = [real_log(name).parent for name in logs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMING_DATA", str(data[0]))
        patch.setenv("PYTHONWARNINGS", "error")
        patch.chdir(folder)
        assert run(ROOT / "docs" / "guides" / f"{page}.md", folder) > 0


def test_published_experiments_can_be_repeated(tmp_path: Path) -> None:
    run_with_data("published-experiments", tmp_path, "hillstrom", "social_pressure_gotv", "charitable_giving")


@pytest.fixture(scope="module")
def trial(guide: Path) -> Job:
    return Job.of(guide / "hillstrom")


@pytest.fixture(scope="module")
def half(trial: Job) -> pl.DataFrame:
    """The rows of the file whose customers were held out."""
    workspace = Workspace.open(trial.path)
    (folder,) = (trial.path / "releases").glob("r-*")
    split = Split(**json.loads((folder / "release.json").read_text())["split"])
    lines = []
    for partition in range(workspace.ledger.partitions):
        loaded = load_shard(workspace, partition)
        users = np.arange(len(loaded.shard.users), dtype=np.int32)
        test = split.assign(loaded.shard.users, users, np.zeros(len(users), np.int64)) == TEST
        names = loaded.ids.users.filter(pl.Series(test))
        lines += [int(name.removeprefix("hillstrom-")) - 1 for name in names]
    return pl.read_csv(real_log("hillstrom") / "hillstrom.csv", infer_schema_length=None)[sorted(lines)]


def test_half_of_the_customers_are_held_out(trial: Job, half: pl.DataFrame) -> None:
    assert trial.facts["values"]["decisions"] == len(half)
    assert abs(len(half) - 32_000) < 4 * np.sqrt(64_000 / 4)


@pytest.mark.parametrize("objective", OUTCOMES)
@pytest.mark.parametrize("policy", ARMS)
def test_a_constant_policy_is_worth_its_arms_mean(
    trial: Job, half: pl.DataFrame, objective: str, policy: str
) -> None:
    arm = half.filter(pl.col("segment") == ARMS[policy])[OUTCOMES[objective]].cast(pl.Float64)
    told = trial.policies(objective)[policy]
    mean, error = float(arm.mean()), float(arm.std()) / np.sqrt(len(arm))  # type: ignore[arg-type]
    assert told["value"]["low"] < mean < told["value"]["high"]
    # the interval is as wide as that of the arm's mean, and no wider by what the model adds
    assert told["value"]["high"] - told["value"]["low"] == pytest.approx(2 * 1.96 * error, rel=0.15)
    (snips,) = (e["estimate"]["value"] for e in told["estimators"] if e["name"] == "SNIPS")
    assert snips == pytest.approx(mean, rel=1e-4)  # with equal propensities SNIPS is the arm's mean


def test_the_published_means_are_within_reach(trial: Job) -> None:
    """Visits 18.3, 15.1 and 10.6 %; spend 1.42, 1.08 and 0.65, over all 64,000."""
    published = {
        "visits": {"constant:mens_email": 0.183, "constant:womens_email": 0.151, "hold": 0.106},
        "spend": {"constant:mens_email": 1.42, "constant:womens_email": 1.08, "hold": 0.65},
    }
    for objective, means in published.items():
        for policy, mean in means.items():
            value = trial.policies(objective)[policy]["value"]
            assert abs(value["value"] - mean) < 2 * (value["high"] - value["value"])


def test_the_verdict_says_whether_learning_beats_the_best_constant(trial: Job) -> None:
    learned, verdict = trial.policies("spend")["learned"], trial.facts["header"]["verdict"]
    gap = learned["versus_constant"]
    says = "It beats the best constant policy" if gap["low"] > 0 else "It does not beat"
    if gap["high"] < 0:
        says = "It is worse than"
    assert says in verdict
    best = max(ARMS, key=lambda name: trial.policies("spend")[name]["value"]["value"])
    assert f"sending {best.removeprefix('constant:')} to all" in verdict


@pytest.mark.parametrize("row", README_ROWS)
def test_the_readme_tells_todays_numbers(trial: Job, row: str) -> None:
    table = (ROOT / "README.md").read_text().splitlines()
    cells = next(line for line in table if line.startswith(f"| {row} |")).split("|")
    spend, visits = (float(cell.split()[0]) for cell in cells[2:4])
    value = {name: trial.policies(name)[README_ROWS[row]]["value"]["value"] for name in ("spend", "visits")}
    # fitted numbers differ a little between machines; by far less than their intervals
    assert spend == pytest.approx(value["spend"], abs=0.05)
    assert visits == pytest.approx(100 * value["visits"], abs=0.5)


def test_uplift_curves_and_calibration_are_shown(trial: Job) -> None:
    curves = {(c["objective"], c["treatment"]) for c in trial.facts["uplift"]}
    assert {(o, m) for o in OUTCOMES for m in ("mens_email", "womens_email")} <= curves
    for quality in trial.facts["quality"]["objectives"]:
        assert quality["calibration"]
        assert quality["loss"] < 1.02 * quality["constant_loss"]
    for alert in trial.facts["alerts"]:
        assert alert["level"] != "critical", alert


@pytest.fixture(scope="module")
def shop(guide: Path) -> Job:
    return Job.of(guide / "open-bandit")


def clicks(policy: str) -> float:
    return float(pl.read_csv(real_log("open_bandit_men") / policy / "men.csv")["click"].mean())  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "log", "known"), [("random", "bts", 0.0046), ("bts", "random", 0.0069)])
def test_each_log_tells_what_the_other_policy_is_worth(
    shop: Job, policy: str, log: str, known: float
) -> None:
    (fact,) = (f for f in shop.facts["truth"] if (f["policy"], f["log"]) == (f"release:{policy}", log))
    truth = fact["truth"]
    assert truth["value"] == pytest.approx(clicks(policy)) == pytest.approx(known)
    assert fact["decisions"] == 10_000
    estimates = {e["name"]: e["estimate"] for e in fact["estimators"]}
    for name in ("SNIPS", "DR"):
        assert estimates[name]["low"] < known < estimates[name]["high"], name
    # the truth is the mean of another log with an error of its own: the difference holds zero
    for name in ("IPS", "SNIPS", "DR"):
        errors = [(e["high"] - e["low"]) / 2 for e in (estimates[name], truth)]
        assert abs(estimates[name]["value"] - known) < np.hypot(*errors), name


def test_thin_overlap_warns(shop: Job) -> None:
    (greedy,) = (p for p in shop.facts["values"]["objectives"][0]["policies"] if p["policy"] == "greedy")
    assert greedy["effective_size"] < 200
    assert greedy["judgement"] == "do_not_trust"
    warned = [alert for alert in shop.facts["alerts"] if "greedy" in alert["subject"]]
    assert len(warned) == 1
    assert "thin overlap" in warned[0]["sentence"]


def test_a_folder_that_is_no_log_is_refused(homing: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="error: "):
        homing("import", "open-bandit", tmp_path, "-w", tmp_path / "w")
