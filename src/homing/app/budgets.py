"""`homing budget`: the worth of a plan by the size of a budget."""

from __future__ import annotations

import json
import sys

import numpy as np
from rich.console import Console

from homing.app import show
from homing.app.progress import Bars
from homing.lifecycle.budgets.curve import vary_budget as run_vary
from homing.schema import InputError
from homing.store import Workspace


def vary_budget(workspace: Workspace, at: int, vary: str, points: int, as_json: bool) -> None:
    """Solve again over a range of sizes, and print the curve; the next report shows it.

    Args:
        workspace: with budgets and a release.
        at: the epoch, us.
        vary: `NAME=LOW..HIGH`, shares of the configured size.
        points: sizes in the range.
        as_json: print JSON in place of a table.

    Raises:
        InputError: `vary` is written otherwise, or as `homing.lifecycle.budgets.curve.vary_budget`.
    """
    name, low, high = _range(vary)
    factors = [round(float(factor), 6) for factor in np.linspace(low, high, points)]
    with Bars(Console(stderr=True)) as bars:
        found = run_vary(workspace, at, name, factors, bars)
    if as_json:
        sys.stdout.write(json.dumps(found.record.facts.to_dict(), indent=1) + "\n")
    else:
        show.curve(Console(), found.curve)


def _range(vary: str) -> tuple[str, float, float]:
    name, _, text = vary.partition("=")
    low, dots, high = text.partition("..")
    try:
        bounds = float(low), float(high)
    except ValueError:
        dots = ""
    if not (name and dots and 0 < bounds[0] < bounds[1] < np.inf):
        raise InputError(f"--vary == {vary!r}, must be NAME=LOW..HIGH with 0 < LOW < HIGH, as push=0.5..1.5")
    return name, *bounds
