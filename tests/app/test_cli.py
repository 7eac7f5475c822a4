import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_world import DAYS, SMALL_TOML, USERS, SmallWorld

from homing.schema import InputError
from homing.schema.reference import default_toml
from homing.schema.times import DAY, format_time
from homing.simulator import Setup
from homing.store import Workspace

from .conftest import Homing

COMMANDS = {
    "init": (),
    "ingest": (),
    "import": ("hillstrom", "open-bandit"),
    "train": (),
    "evaluate": (),
    "tradeoff": (),
    "journeys": (),
    "plan": (),
    "report": (),
    "run": (),
    "simulate": (),
    "compare": (),
    "demo": (),
    "explain": (),
    "doctor": (),
    "config": ("explain",),
    "experiment": ("new", "design", "start", "ramp", "stop", "analyse", "list", "show", "explain"),
}


@pytest.fixture
def workspace(copied: Callable[[], Workspace]) -> Path:
    return copied().path


def told(homing: Homing, *arguments: object) -> Any:
    """Run a command with --json, and return what it printed."""
    ran = homing(*arguments, "--json")
    assert ran.status == 0, ran.err

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(ran.out, parse_constant=no_constant)


def test_help_needs_no_heavy_library() -> None:
    program = (
        "import sys; sys.argv = ['homing', '--help']\n"
        "from homing.app.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'polars', 'pydantic', 'numpy', 'numba', 'duckdb', 'pyarrow', 'jinja2'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.stdout)


@pytest.mark.parametrize(
    "path", [(c,) for c in COMMANDS] + [(c, s) for c, ss in COMMANDS.items() for s in ss]
)
def test_every_command_and_option_says_what_it_is_for(homing: Homing, path: tuple[str, ...]) -> None:
    ran = homing(*path, "--help")
    assert ran.status == 0
    rows = re.findall(r"^│[ *]+(?:--[\w-]+|[a-z][a-z-]*) +(?:-\w|\[?<|[A-Z])(.*)│$", ran.out, re.M)
    assert rows
    for row in rows:
        assert re.search(r"\w+ \w+", row), row


def test_from_nothing_to_a_ledger(homing: Homing, small_world: SmallWorld, tmp_path: Path) -> None:
    made = homing("init", tmp_path / "new")
    assert made.status == 0
    assert "homing ingest" in " ".join(made.out.split())
    added = told(homing, "ingest", small_world.log, "-w", tmp_path / "new")
    assert added["tables"]["users"]["added"] == USERS
    again = homing("ingest", small_world.log, "-w", tmp_path / "new")
    assert again.status == 0
    assert re.search(r"users +400 +0 +400 +0", again.out)


def test_init_twice_changes_nothing(homing: Homing, tmp_path: Path) -> None:
    assert homing("init", tmp_path / "new").status == 0
    ran = homing("init", tmp_path / "new")
    assert ran.status == 2
    assert "is a workspace already" in ran.err


def test_tradeoff_reads_the_evaluation(homing: Homing, small_world: SmallWorld) -> None:
    place = small_world.workspace.path
    found = told(homing, "tradeoff", "-w", place, "--guardrail", "annoyance=0.5")
    assert [sweep["objective"] for sweep in found["found"]["sweeps"]] == [
        "conversion",
        "engagement",
        "annoyance",
    ]
    assert found["choice"]["guardrails"] == [{"name": "annoyance", "value": 0.5}]
    shown = homing("tradeoff", "-w", place, "--guardrail", "annoyance=-1")
    assert re.search(r"^annoyance x 8 ", shown.out, re.M)
    assert "points keeps annoyance -1 with confidence" in shown.out
    assert "No guardrail is set" in homing("tradeoff", "-w", place).out
    wrong = homing("tradeoff", "-w", place, "--guardrail", "annoyance<0.5")
    assert wrong.status == 2
    assert "must be OBJECTIVE=NUMBER" in wrong.err


def test_journeys_read_the_evaluation(homing: Homing, small_world: SmallWorld) -> None:
    place = small_world.workspace.path
    found = told(homing, "journeys", "-w", place)
    assert found["after"] == "7d"
    assert found["shares"][0]["name"] == "new"
    shown = homing("journeys", "-w", place)
    assert re.search(r"^everyone ", shown.out, re.M)
    assert "annoyance, by stage" in shown.out


@pytest.mark.slow
def test_train_and_evaluate(homing: Homing, workspace: Path, small_world: SmallWorld) -> None:
    trained = told(homing, "train", "-w", workspace)
    assert trained["release"].startswith("r-")
    assert trained["rows"]["train"] > trained["rows"]["calibration"] > 0
    facts = told(homing, "evaluate", "-w", workspace, "--policies", "hold, uniform")
    names = [policy["policy"] for policy in facts["values"]["objectives"][0]["policies"]]
    assert names == ["logging", "learned", "hold", "uniform"]
    shown = homing("evaluate", "-w", workspace, "--policies", "hold")
    assert "annoyance (dismissed at least once, within 1d of the decision)" in shown.out
    assert re.search(r"^hold +(better|worse|cannot tell|do not trust)", shown.out, re.M)
    assert re.search(r"The learned policy may( not)? go to a test on users\.", shown.out)
    assert "by estimator" not in shown.out
    words = homing("evaluate", "-w", workspace, "--policies", "current,candidate", "--estimators")
    assert re.search(r"^learned +SNIPS +", words.out, re.M)
    assert "annoyance, by estimator" in words.out


@pytest.mark.slow
def test_plan_and_explain_and_report(homing: Homing, workspace: Path, small_world: SmallWorld) -> None:
    at = format_time(small_world.end + DAY)
    plan = told(homing, "plan", "--at", at, "-w", workspace)
    assert plan["funnel"]["users"] == USERS
    assert plan["schedule"]["epoch_at"] == at
    shown = homing("plan", "--at", at, "-w", workspace)
    assert f"{USERS} of these decisions were in the ledger already" in shown.out

    user = told(homing, "explain", "--user", "user-000001", "--at", at, "-w", workspace)
    assert user["user_id"] == "user-000001"
    assert sum(option["probability"] for option in user["options"]) == pytest.approx(1)

    facts = told(homing, "report", "-w", workspace, "--output", workspace / "page.html")
    assert facts["funnel"] == plan["funnel"]
    assert json.loads((workspace / "page.json").read_text()) == facts
    assert "report: " in homing("report", "-w", workspace).out


def test_explain_a_decision(homing: Homing, small_world: SmallWorld) -> None:
    import polars as pl

    path = small_world.workspace.path
    row = pl.read_parquet(small_world.workspace.ledger.files("decisions")[0]).row(0, named=True)
    facts = told(homing, "explain", "--decision", row["decision_id"], "-w", path)
    assert facts["decision"]["user_id"] == row["user_id"]
    assert facts["same_set"] is True
    shown = homing("explain", "--decision", row["decision_id"], "-w", path)
    assert "candidate set: as logged" in shown.out
    assert f"logged propensity {row['propensity']:.4g}" in shown.out


@pytest.mark.slow
def test_run_is_all_of_it_at_the_end_of_the_log(
    homing: Homing, small_world: SmallWorld, tmp_path: Path
) -> None:
    Workspace.create(tmp_path / "new", SMALL_TOML)
    assert homing("ingest", small_world.log, "-w", tmp_path / "new").status == 0
    facts = told(homing, "run", "-w", tmp_path / "new")
    assert facts["schedule"]["epoch_at"] == format_time(small_world.end)
    assert facts["values"]["decisions"] == small_world.evaluated.values.decisions
    assert facts["funnel"]["users"] == USERS
    assert {stage["name"].split(":")[0] for stage in facts["stages"]} == {"train", "evaluate", "plan"}
    assert (tmp_path / "new" / "report.html").is_file()
    doctor = told(homing, "doctor", "-w", tmp_path / "new")
    assert {finding["level"] for finding in doctor} == {"ok"}


@pytest.mark.slow
def test_demo_in_a_workspace_of_ones_own(homing: Homing, tmp_path: Path) -> None:
    Workspace.create(tmp_path / "demo", SMALL_TOML)
    ran = homing("demo", tmp_path / "demo", "--users", 200, "--days", DAYS, "--trial", 7)
    assert ran.status == 0, ran.err
    for part in ("Ingested", "Release r-", "utility (", "plan-2026", "Trial: 7 days", "report: "):
        assert part in ran.out


def test_a_demo_begins_with_the_defaults_and_the_log_that_was_asked_for(
    homing: Homing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_log: Path, world: str, setup: Setup, *_settings: object, until: int, **_others: object) -> None:
        raise InputError(f"{world}, {setup.users} people, {until} of {setup.days} days, seed {setup.seed}")

    monkeypatch.setattr("homing.lifecycle.worlds.simulate.simulate", stop)
    folder = tmp_path / "demo"
    ran = homing("demo", folder, "--users", 200, "--days", 21, "--trial", 7, "--seed", 3)
    assert (ran.status, ran.out) == (2, "")
    assert "streaming, 200 people, 21 of 28 days, seed 3" in ran.err
    assert (folder / "homing.toml").read_text() == default_toml()


@pytest.mark.slow
def test_simulate(homing: Homing, tmp_path: Path) -> None:
    arguments = ("simulate", "--out", tmp_path / "log", "--users", 200, "--days", 3, "--seed", 2)
    made = told(homing, *arguments)
    assert (made["users"], made["days"], made["parts"], made["kept"]) == (200, 3, 1, 0)
    assert made["tally"]["decisions"] > 500
    again = homing(*arguments)
    assert again.status == 0
    assert "1 of them written before" in again.out
    Workspace.create(tmp_path / "new")
    added = told(homing, "ingest", tmp_path / "log", "-w", tmp_path / "new")
    assert added["tables"]["decisions"]["added"] == made["tally"]["decisions"]
    assert all(table["quarantined"] == 0 for table in added["tables"].values())


@pytest.mark.slow
def test_compare(homing: Homing, tmp_path: Path) -> None:
    ran = homing(
        *("compare", "--policies", "random,rules", "--users", 300, "--days", 14, "--out", tmp_path / "out")
    )
    assert ran.status == 0, ran.err
    facts = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    assert {standing["policy"] for standing in facts["standings"]} == {"hold", "random", "rules"}
    assert facts["header"]["verdict"] in " ".join(ran.out.split())
    assert max(map(len, ran.out.splitlines()[:-1])) <= 80
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    again = told(homing, "compare", "--policies", "random,rules", "--users", 300, "--days", 14)
    assert again["standings"] == facts["standings"]


def test_the_doctor_fails_where_something_is_broken(homing: Homing, workspace: Path) -> None:
    assert homing("doctor", "-w", workspace).status == 0
    (workspace / "runs" / "plan.json").write_text("{")
    ran = homing("doctor", "-w", workspace)
    assert ran.status == 1
    assert "cannot be" in ran.out


def test_config_explain(homing: Homing, workspace: Path, tmp_path: Path) -> None:
    (key,) = told(homing, "config", "explain", "training.epochs", "-w", workspace)
    assert (key["default"], key["current"]) == ("8", "2")
    assert told(homing, "config", "explain", "training.epochs", "-w", tmp_path)[0]["current"] == "8"
    shown = homing("config", "explain", "channels.push", "-w", workspace)
    assert "channels.push.quiet_hours" in "".join(shown.out.split())
    wrong = homing("config", "explain", "trainig", "-w", workspace)
    assert wrong.status == 2
    assert "did you mean 'training'?" in wrong.err


@pytest.mark.slow
def test_importers(homing: Homing, tmp_path: Path) -> None:
    from store.logs import hillstrom_csv, open_bandit_folder

    mail = told(homing, "import", "hillstrom", hillstrom_csv(tmp_path / "h.csv"), "-w", tmp_path / "h")
    assert mail["arms"] == {"mens_email": 20, "womens_email": 20, "hold": 20}
    shop = homing("import", "open-bandit", open_bandit_folder(tmp_path / "ob"), "-w", tmp_path / "o")
    assert shop.status == 0
    assert "Imported open-bandit men" in " ".join(shop.out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "-w", "{none}"), "is not a workspace"),
        (("evaluate", "-w", "{none}"), "homing init"),
        (("plan", "--at", "soon", "-w", "{world}"), "--at: 'soon' is not a time"),
        (("evaluate", "--policies", "lerned", "-w", "{world}"), "did you mean 'learned'?"),
        (("explain", "--user", "user-000001", "-w", "{world}"), "give either --decision ID, or --user ID"),
        (
            ("explain", "--user", "nobody", "--at", "2026-02-02", "-w", "{world}"),
            "'nobody' is not in the ledger",
        ),
        (("ingest", "{none}/x.parquet", "-w", "{world}"), "x.parquet"),
        (("train", "-w", "{broken}"), "training.epocs is not a key; did you mean 'epochs'?"),
        (("train", "-w", "{new}"), "no logged decision has a complete outcome yet"),
        (("evaluate", "-w", "{new}"), "run 'homing train'"),
        (("run", "-w", "{new}"), "no logged decision has a complete outcome yet"),
        (("plan", "--at", "2026-02-02", "-w", "{new}"), "run 'homing train'"),
        (("simulate", "--out", "{new}"), "is not empty, and not a simulated log"),
        (("simulate", "--out", "{none}", "--policy", "greedy"), "learns from a log"),
        (("compare", "--policies", "hold,randm"), "did you mean 'random'?"),
        (("compare", "--world", "streming"), "did you mean 'streaming'?"),
    ],
)
def test_an_error_is_one_line_and_status_2(
    homing: Homing, small_world: SmallWorld, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    Workspace.create(tmp_path / "new")
    broken = Workspace.create(tmp_path / "broken")
    (broken.path / "homing.toml").write_text("[training]\nepocs = 3\n")
    places = {
        "none": tmp_path / "none",
        "world": small_world.workspace.path,
        "new": tmp_path / "new",
        "broken": broken.path,
    }
    ran = homing(*(argument.format(**places) for argument in arguments))
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_a_fault_of_homing_is_not_hidden(
    homing: Homing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(path: Path) -> Workspace:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Workspace, "create", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        homing("init", tmp_path)


def test_brackets_in_ids_are_no_markup(homing: Homing, tmp_path: Path) -> None:
    homing("init", tmp_path / "w")
    log = tmp_path / "users.csv"
    log.write_text("user_id,timezone\n[/x],UTC\n[red]a,Mars\n[/y],Mars\n")
    ran = homing("ingest", log, "-w", tmp_path / "w")
    assert ran.status == 0, ran.err
    assert '"[red]a"' in re.sub(r"\s", "", ran.out)


@pytest.mark.parametrize(
    "vary", ["push", "push=", "push=0.5", "push=1.5..0.5", "push=0..1", "=0.5..1", "push=a..b"]
)
def test_a_range_that_is_none_is_an_error(homing: Homing, small_world: SmallWorld, vary: str) -> None:
    ran = homing("budget", "--vary", vary, "--at", "2026-02-03", "-w", small_world.workspace.path)
    assert ran.status == 2
    assert f"--vary == '{vary}', must be NAME=LOW..HIGH" in ran.err


def test_a_budget_that_is_not_there_is_an_error(homing: Homing, small_world: SmallWorld) -> None:
    ran = homing("budget", "--vary", "push=0.5..1", "--at", "2026-02-03", "-w", small_world.workspace.path)
    assert ran.status == 2
    assert "budget == 'push' is not in homing.toml; there are none" in ran.err
