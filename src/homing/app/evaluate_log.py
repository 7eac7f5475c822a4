"""`homing evaluate-log`: a log of any origin in Parquet, without a workspace."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def evaluate_log(
    files: Annotated[list[Path], typer.Argument(help="Parquet files of one log, of any size.")],
    policy: Annotated[
        list[str],
        typer.Option(
            "--policy",
            help="NAME=COLUMN, once for each policy: the column of its probabilities, a list in each row. "
            "COLUMN alone names the policy, too.",
        ),
    ],
    user: Annotated[str, typer.Option(help="Column of the user: integers or text.")] = "user_id",
    reward: Annotated[str, typer.Option(help="Column of the outcome.")] = "reward",
    propensity: Annotated[
        str, typer.Option(help="Column of the logged probability of the choice.")
    ] = "propensity",
    choice: Annotated[
        str, typer.Option(help="Column of the choice's place in the row's lists, from 0.")
    ] = "choice",
    prediction: Annotated[
        str, typer.Option(help="Column of predicted outcomes, a list in each row; without it there is no DR.")
    ] = "",
    less: Annotated[bool, typer.Option("--less", help="Less of the outcome is better.")] = False,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(min=0, help="Resamples of users; 0: no bootstrap.")] = 0,
    estimators: Annotated[bool, typer.Option(help="Print what each estimator says, too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for machines instead of tables.")
    ] = False,
) -> None:
    """Estimate what policies are worth from a log of any origin in Parquet; needs no workspace."""
    from homing.app import show
    from homing.lifecycle.log_values import value_log
    from homing.report.encoding import encode
    from homing.store import LogColumns

    targets = {name: column or name for name, _, column in (text.partition("=") for text in policy)}
    columns = LogColumns(targets, user, reward, propensity, choice, prediction or None)
    found = value_log(
        files,
        columns,
        direction="down" if less else "up",
        confidence=confidence,
        resamples=resamples,
    )
    if as_json:
        sys.stdout.write(json.dumps(encode(found), indent=1) + "\n")
    else:
        show.log_values(Console(), found, estimators=estimators)
