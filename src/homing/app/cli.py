"""The command line. Heavy libraries are imported by the commands that need them, so that help is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from homing.app.evaluate_log import evaluate_log
from homing.app.experiment import experimenting
from homing.app.options import HERE, At, Folder, Json
from homing.app.options import opened as _open
from homing.app.options import parsed_time as _time
from homing.app.options import printed as _print
from homing.app.options import progress_bars as _bars
from homing.app.tradeoff import journeys, tradeoff

if TYPE_CHECKING:
    from homing.lifecycle.evaluate import Evaluated
    from homing.schema import Config
    from homing.store import Workspace

app = typer.Typer(
    name="homing",
    help="Decides which message reaches which user, where and when, or that nothing is sent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
importing = typer.Typer(help="Import a public log as a workspace.", no_args_is_help=True)
configuring = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(configuring, name="config")
app.add_typer(experimenting, name="experiment")

WorldName = Annotated[str, typer.Option("--world", help="Name of the world, such as streaming.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the world: its messages, its people, their luck.")]
Rules = Annotated[
    Path | None, typer.Option("--rules", help="A homing.toml with the hard rules; by default its defaults.")
]
Workers = Annotated[int, typer.Option(min=0, help="Parts of the population at once; 0: one a core.")]


def main() -> None:
    """Run the command line; errors that Homing raises on purpose become one line and exit status 2."""
    try:
        app()
    except Exception as error:
        from homing.schema.errors import HomingError

        if not isinstance(error, HomingError):
            raise
        Console(stderr=True).print("error:", str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(2)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Folder to make.")] = HERE) -> None:
    """Make a workspace: a commented homing.toml and an empty ledger."""
    from homing.store import Workspace

    workspace = Workspace.create(folder)
    text = f"workspace made at {workspace.path}; next: 'homing ingest FILES -w {workspace.path}'"
    Console().print(text, markup=False)


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders: Parquet, CSV or NDJSON.")],
    workspace: Folder = HERE,
    table: Annotated[
        str | None, typer.Option(help="Table of the files, when their names do not tell.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Any bad row is an error, and nothing is taken.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check files against the data contract and add them to the ledger; bad rows go to quarantine."""
    from homing.app import show
    from homing.store import Workspace
    from homing.store import ingest as ingest_files

    opened = Workspace.open(workspace)
    with _bars() as bars:
        summary = ingest_files(opened, paths, table, strict, bars.update)
    _print(as_json, summary.to_dict(), lambda console: show.ingested(console, summary))


@importing.command("hillstrom")
def import_hillstrom(
    file: Annotated[Path, typer.Argument(help="The challenge's CSV file.")],
    workspace: Folder = HERE,
    as_json: Json = False,
) -> None:
    """Import the MineThatData e-mail challenge: 64,000 customers, two e-mails or none."""
    from homing.app import show
    from homing.store import import_hillstrom as run_import

    summary = run_import(workspace, file)
    _print(as_json, summary.to_dict(), lambda console: show.imported(console, summary))


@importing.command("open-bandit")
def import_open_bandit(
    folder: Annotated[Path, typer.Argument(help="Folder of a campaign, with random/ and bts/ inside.")],
    workspace: Folder = HERE,
    as_json: Json = False,
) -> None:
    """Import a campaign of the Open Bandit Dataset, logged by two policies with true propensities."""
    from homing.app import show
    from homing.store import import_open_bandit as run_import

    summary = run_import(workspace, folder)
    _print(as_json, summary.to_dict(), lambda console: show.imported(console, summary))


@app.command()
def train(workspace: Folder = HERE, as_json: Json = False) -> None:
    """Train the response model on the log and freeze it as a release."""
    _train(_open(workspace), as_json)


@app.command()
def evaluate(
    workspace: Folder = HERE,
    policies: Annotated[str, typer.Option(help="Policies to compare, separated by commas.")] = "",
    estimators: Annotated[bool, typer.Option(help="Print what each estimator says, too.")] = False,
    as_json: Json = False,
) -> None:
    """Estimate what policies are worth, from decisions that training never saw."""
    _evaluate(_open(workspace), _names(policies), as_json, estimators=estimators)


app.command("evaluate-log")(evaluate_log)
app.command("tradeoff")(tradeoff)
app.command("journeys")(journeys)


@app.command()
def plan(
    at: At,
    workspace: Folder = HERE,
    relax: Annotated[
        bool, typer.Option("--relax", help="Widen budgets that cannot be kept, by as little as will do.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Decide for every user at an epoch, and log the decisions."""
    _plan(_open(workspace), _time(at), as_json, relax=relax)


@app.command()
def budget(
    at: At,
    vary: Annotated[
        str, typer.Option(help="Budget and range of its size, as shares of it, such as push=0.5..1.5.")
    ],
    workspace: Folder = HERE,
    points: Annotated[int, typer.Option(min=2, help="Sizes in the range.")] = 5,
    as_json: Json = False,
) -> None:
    """Tell what a plan would be worth were one budget larger or smaller. Nothing is decided."""
    from homing.app.budgets import vary_budget

    vary_budget(_open(workspace), _time(at), vary, points, as_json)


@app.command()
def report(
    workspace: Folder = HERE,
    output: Annotated[
        Path | None, typer.Option(help="File to write; by default report.html in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the report: one HTML file, and the same facts as JSON beside it."""
    _report(_open(workspace), output, as_json)


@app.command()
def run(
    workspace: Folder = HERE,
    at: Annotated[str | None, typer.Option(help="Epoch to plan; by default the end of the log.")] = None,
    as_json: Json = False,
) -> None:
    """Train, evaluate, plan and report."""
    opened = _open(workspace)
    _train(opened, as_json=False, quiet=as_json)
    _evaluate(opened, [], as_json=False, quiet=as_json)
    _plan_or_keep(opened, _end_of_log(opened) if at is None else _time(at), quiet=as_json)
    _report(opened, None, as_json)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder of the log; one folder a part inside.")],
    world: WorldName = "streaming",
    users: Annotated[int, typer.Option(min=1, help="People in the world.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, help="Days, with one decision a user and day.")] = 42,
    seed: Seed = 0,
    policy: Annotated[str, typer.Option(help="Who decides: a policy that needs no training.")] = "random",
    rules: Rules = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Let a policy decide in a simulated world, and write the log that any real system would write."""
    from homing.app import show
    from homing.lifecycle.worlds.simulate import simulate as run_simulation
    from homing.simulator import Setup

    with _bars() as bars:
        made = run_simulation(
            out, world, Setup(users, days, seed), policy, _config(rules), workers=workers, progress=bars
        )
    _print(as_json, made.to_dict(), lambda console: show.simulated(console, made))


@app.command()
def compare(
    policies: Annotated[str, typer.Option(help="Policies, separated by commas.")] = "hold,random",
    world: WorldName = "streaming",
    users: Annotated[int, typer.Option(min=2, help="People in the world.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, help="Days, with one decision a user and day.")] = 90,
    baseline: Annotated[str, typer.Option(help="Policy from which differences are taken.")] = "hold",
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Worlds: this seed and those after it.")] = 1,
    replicates: Annotated[int, typer.Option(min=1, help="Lives of each person, averaged.")] = 1,
    rules: Rules = None,
    train_users: Annotated[
        int, typer.Option(min=100, help="People in the log that trained policies learn from.")
    ] = 20_000,
    train_days: Annotated[int, typer.Option(min=21, help="Days of that log.")] = 42,
    keep: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="Folder that keeps what was trained, to be used again."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the page and its facts, leaderboard.html and .json."),
    ] = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Compare policies on the same people of a simulated world, under the same luck."""
    import shlex
    from dataclasses import replace

    from homing.app import show
    from homing.lifecycle.worlds.compare import Schooling
    from homing.lifecycle.worlds.compare import compare as run_comparison
    from homing.report import write_leaderboard
    from homing.simulator import Setup

    with _bars() as bars:
        found = run_comparison(
            world,
            Setup(users, days, seed),
            _names(policies),
            _config(rules),
            baseline,
            seeds,
            replicates,
            Schooling(train_users, train_days, keep),
            workers,
            bars,
        )
    found = replace(found, command=shlex.join(["homing", *sys.argv[1:]]))
    page = None if out is None else write_leaderboard(found, out / "leaderboard.html")[0]
    _print(as_json, found.to_dict(), lambda console: show.compared(console, found, page))


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Workspace to make, or to go on with.")] = Path("demo"),
    users: Annotated[int, typer.Option(min=100, help="Users of the simulated world.")] = 20_000,
    days: Annotated[int, typer.Option(min=21, help="Days of the log.")] = 42,
    trial: Annotated[int, typer.Option(min=7, help="Days of the trial after it.")] = 28,
    seed: Seed = 0,
) -> None:
    """Log a simulated streaming app, learn from it, and try what was learned on half of its users."""
    from homing.app import show
    from homing.lifecycle.worlds.ground import Ground
    from homing.lifecycle.worlds.simulate import simulate as run_simulation
    from homing.lifecycle.worlds.trial import hold_trial
    from homing.simulator import Setup
    from homing.store import Workspace
    from homing.store import ingest as ingest_files

    there = (folder / "homing.toml").is_file()
    workspace = Workspace.open(folder) if there else Workspace.create(folder)
    log, setup = folder / "log", Setup(users, days + trial, seed)
    with _bars() as bars:
        made = run_simulation(log, "streaming", setup, "random", workspace.config, until=days, progress=bars)
        summary = ingest_files(workspace, [log], progress=bars.update)
    show.ingested(Console(), summary)
    _train(workspace, as_json=False)
    evaluated = _evaluate(workspace, [], as_json=False)
    _plan_or_keep(workspace, made.end, quiet=False)
    with _bars() as bars:
        found = hold_trial("streaming", setup, days, Ground.of(workspace), evaluated.values, progress=bars)
    show.tried(Console(), found)
    _report(workspace, None, as_json=False)


@app.command()
def explain(
    workspace: Folder = HERE,
    decision: Annotated[str | None, typer.Option(help="Decision id.")] = None,
    user: Annotated[str | None, typer.Option(help="User id, together with --at.")] = None,
    at: Annotated[str | None, typer.Option(help="ISO 8601 time, together with --user.")] = None,
    as_json: Json = False,
) -> None:
    """Tell why a decision is what it is, or what would be decided for a user."""
    from homing.app.show_explained import explained
    from homing.lifecycle.explain import explain_decision, explain_user
    from homing.schema.errors import InputError

    opened = _open(workspace)
    if decision is not None and user is None and at is None:
        result = explain_decision(opened, decision)
    elif decision is None and user is not None and at is not None:
        result = explain_user(opened, user, _time(at))
    else:
        raise InputError("give either --decision ID, or --user ID and --at TIME")
    _print(as_json, result.to_dict(), lambda console: explained(console, result))


@app.command()
def doctor(workspace: Folder = HERE, as_json: Json = False) -> None:
    """Check whether the workspace is sound, and what is missing. Exit status 1 when something is broken."""
    from dataclasses import asdict

    from homing.app import show
    from homing.lifecycle.health import doctor as examine

    findings = examine(_open(workspace))
    _print(as_json, [asdict(f) for f in findings], lambda console: show.findings(console, findings))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


@configuring.command("explain")
def config_explain(
    key: Annotated[str, typer.Argument(help="Only this key or section, such as channels.push.")] = "",
    workspace: Folder = HERE,
    as_json: Json = False,
) -> None:
    """Print each key's meaning, default and current value."""
    from dataclasses import asdict

    from homing.app import show
    from homing.schema.config import Config, load_config
    from homing.schema.reference import keys

    path = workspace / "homing.toml"
    found = keys(load_config(path) if path.is_file() else Config(), key)
    _print(as_json, [asdict(k) for k in found], lambda console: show.config_keys(console, found))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _config(rules: Path | None) -> Config:
    from homing.schema.config import Config, load_config

    return Config() if rules is None else load_config(rules)


def _train(workspace: Workspace, as_json: bool, quiet: bool = False) -> None:
    from dataclasses import asdict

    from homing.app import show
    from homing.lifecycle.train import train as run_train
    from homing.report.encoding import encode

    with _bars() as bars:
        result = run_train(workspace, bars)
    data = {"release": result.release.id, "rows": result.rows, "seconds": result.timings.seconds}
    data["model"] = asdict(result.release.model.summary)
    data["selection"] = encode(result.record.facts.selection)
    if not quiet:
        _print(as_json, data, lambda console: show.trained(console, result))


def _evaluate(
    workspace: Workspace,
    policies: list[str],
    as_json: bool,
    quiet: bool = False,
    estimators: bool = False,
) -> Evaluated:
    from homing.app import show
    from homing.lifecycle.evaluate import evaluate as run_evaluate

    with _bars() as bars:
        result = run_evaluate(workspace, policies, bars)
    if not quiet:
        _print(
            as_json,
            result.record.facts.to_dict(),
            lambda console: show.evaluated(console, result, estimators),
        )
    return result


def _plan(workspace: Workspace, at: int, as_json: bool, quiet: bool = False, relax: bool = False) -> None:
    from homing.app import show
    from homing.lifecycle.plan import plan as run_plan

    with _bars() as bars:
        result = run_plan(workspace, at, bars, relax=relax)
    if not quiet:
        _print(as_json, result.record.facts.to_dict(), lambda console: show.planned(console, result))


def _plan_or_keep(workspace: Workspace, at: int, quiet: bool) -> None:
    """Plan, or keep the decisions of an earlier run: they are final, and a new release does not undo them."""
    from homing.schema.errors import PlannedError

    try:
        _plan(workspace, at, as_json=False, quiet=quiet)
    except PlannedError as error:
        Console(stderr=True).print(
            "not planned again:", str(error), style="yellow", markup=False, soft_wrap=True
        )


def _report(workspace: Workspace, output: Path | None, as_json: bool) -> None:
    from homing.lifecycle.report import make_report

    with _bars() as bars:
        result = make_report(workspace, output, bars)

    def show(console: Console) -> None:
        verdict = result.facts.header.verdict
        console.print(verdict, style="bold", markup=False, highlight=False, soft_wrap=True)
        console.print(f"report: {result.path}", markup=False, soft_wrap=True)

    _print(as_json, result.facts.to_dict(), show)


def _end_of_log(workspace: Workspace) -> int:
    from homing.lifecycle.replay import observed_until
    from homing.schema.errors import InputError
    from homing.schema.times import DAY, MISSING

    watermark = observed_until(workspace)
    if watermark == MISSING:
        raise InputError("the ledger has no events, so there is no end of the log; give --at TIME")
    return -(-watermark // DAY) * DAY
