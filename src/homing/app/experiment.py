"""`homing experiment`: design, start, ramp, read and stop experiments of a workspace."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from homing.app.options import HERE, Folder, Json, opened, parsed_time, printed

if TYPE_CHECKING:
    from homing.schema.experiment_record import Record

experimenting = typer.Typer(help="Design, run and read experiments.", no_args_is_help=True)


class Every(StrEnum):
    """How a holdout's time is divided."""

    quarter = "quarter"
    month = "month"


Name = Annotated[str, typer.Argument(help="Name of the experiment.")]
From = Annotated[
    str | None,
    typer.Option("--at", help="First epoch that it holds for; by default the next midnight UTC."),
]


@experimenting.command("new")
def new(name: Name, workspace: Folder = HERE) -> None:
    """Write a design to begin with: the workspace's objectives against sending nothing."""
    from homing.lifecycle.experiment.template import template
    from homing.store import write_design

    opened_workspace = opened(workspace)
    path = write_design(opened_workspace, name, template(opened_workspace))
    text = f"design written to {path}; edit it, then 'homing experiment design {name} -w {workspace}'"
    Console().print(text, markup=False, soft_wrap=True)


@experimenting.command("design")
def design(
    name: Name,
    workspace: Folder = HERE,
    users_a_day: Annotated[
        float | None,
        typer.Option(min=0, help="New users a day after the first; by default as in the past."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say from the past how many users and days it takes, what it costs, and what speaks against it."""
    from homing.app import show_experiment as show
    from homing.lifecycle.experiment.designing import design as make

    made = make(opened(workspace), name, users_a_day)
    printed(as_json, made.to_dict(), lambda console: show.designed(console, made))


@experimenting.command("start")
def start(name: Name, workspace: Folder = HERE, at: From = None, as_json: Json = False) -> None:
    """Fix the design; from then on its arms decide in every plan."""
    from homing.lifecycle.experiment.running import start as run

    record = run(opened(workspace), name, None if at is None else parsed_time(at))
    _changed(as_json, record, "started")


@experimenting.command("ramp")
def ramp(
    name: Name,
    traffic: Annotated[float, typer.Option(help="Share of its users, over the present one.")],
    workspace: Folder = HERE,
    at: From = None,
    as_json: Json = False,
) -> None:
    """Let more users in. Nobody changes arms."""
    from homing.lifecycle.experiment.running import ramp as run

    record = run(opened(workspace), name, traffic, None if at is None else parsed_time(at))
    _changed(as_json, record, f"ramped up to {traffic:g}")


@experimenting.command("stop")
def stop(
    name: Name,
    workspace: Folder = HERE,
    at: From = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """End it: from then on users are treated as without it."""
    from homing.lifecycle.experiment.running import stop as run

    record = run(opened(workspace), name, None if at is None else parsed_time(at), reason)
    _changed(as_json, record, "stopped")


@experimenting.command("analyse")
def analyse(
    name: Name,
    workspace: Folder = HERE,
    until: Annotated[
        str | None, typer.Option(help="Look at nothing from this time on; by default at all that is known.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Page to write; by default runs/experiment-NAME.html in the workspace."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the experiment, compare its arms, and say what its rule says. The look is kept."""
    from homing.app import show_experiment as show
    from homing.lifecycle.experiment.analyse import analyse as run
    from homing.report import write_experiment

    there = opened(workspace)
    found = run(there, name, None if until is None else parsed_time(until, "--until")).readout
    page, _ = write_experiment(found, output or there.runs_path / f"experiment-{name}.html")
    printed(as_json, found.to_dict(), lambda console: show.analysed(console, found, page))


@experimenting.command("holdout")
def holdout(
    workspace: Folder = HERE,
    since: Annotated[
        str | None, typer.Option(help="Read it from this time on; by default from its first decision.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Look at nothing from this time on; by default at all that is known.")
    ] = None,
    every: Annotated[Every, typer.Option(help="How time is divided, in UTC.")] = Every.quarter,
    output: Annotated[
        Path | None, typer.Option(help="Page to write; by default runs/holdout.html in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare all users with those of the global holdout: what all messages together changed."""
    from homing.app import show_holdout as show
    from homing.lifecycle.experiment.holdout import read_holdout
    from homing.report import write_holdout

    there = opened(workspace)
    found = read_holdout(
        there,
        None if since is None else parsed_time(since, "--since"),
        None if until is None else parsed_time(until, "--until"),
        every.value,
    )
    page, _ = write_holdout(found, output or there.runs_path / "holdout.html")
    printed(as_json, found.to_dict(), lambda console: show.holdout(console, found, page))


@experimenting.command("list")
def list_(workspace: Folder = HERE, as_json: Json = False) -> None:
    """List all experiments."""
    from homing.app import show_experiment as show
    from homing.lifecycle.experiment.running import records, status_now

    there = opened(workspace)
    found = [(name, record, status_now(there, record)) for name, record in records(there)]
    data = [
        {"name": name, "status": status, "record": None if record is None else record.to_dict()}
        for name, record, status in found
    ]
    printed(as_json, data, lambda console: show.listed(console, found))


@experimenting.command("show")
def show_(name: Name, workspace: Folder = HERE, as_json: Json = False) -> None:
    """Show an experiment: its arms, its metrics, its rule, and its history."""
    from homing.app import show_experiment as show
    from homing.lifecycle.experiment.running import status_now
    from homing.store import read_design, read_record

    there = opened(workspace)
    record = read_record(there, name)
    design = read_design(there, name) if record is None else record.design
    data = {"name": name, "design": design.model_dump(mode="json")} if record is None else record.to_dict()
    state = status_now(there, record)
    printed(
        as_json, data | {"status": state}, lambda console: show.shown(console, name, design, record, state)
    )


@experimenting.command("explain")
def explain(
    key: Annotated[str, typer.Argument(help="Only this key or section, such as metrics.")] = "",
    as_json: Json = False,
) -> None:
    """Print the meaning and default of each key of a design."""
    from dataclasses import asdict

    from homing.app import show
    from homing.schema.reference import design_keys

    found = design_keys(key)
    printed(
        as_json,
        [asdict(each) for each in found],
        lambda console: show.config_keys(console, found, "A design"),
    )


def _changed(as_json: bool, record: Record, what: str) -> None:
    from homing.schema.times import format_time

    change = record.history[-1]
    text = (
        f"{record.name} is {what} from {format_time(change.at)} on; ends {format_time(record.ends_at)}; "
        f"next: 'homing plan --at {format_time(change.at)}'"
    )
    printed(as_json, record.to_dict(), lambda console: console.print(text, markup=False, soft_wrap=True))
