"""The prices of a run, kept beside its decisions: what explains them, and where the next run starts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Prices, SharedLimits
from homing.lifecycle.release import Release
from homing.schema import Config, InputError, Messages, Vocabularies, WorkspaceError
from homing.schema.budgets import Budget, Costs
from homing.schema.times import format_time, parse_time
from homing.store import Workspace

_FILE: Final = "prices.json"


@dataclass(frozen=True)
class KeptPrices:
    """Prices as a run wrote them."""

    run_id: str
    epoch_at: int  # us
    started_from: str | None
    budgets: tuple[Budget, ...]
    costs: Costs
    horizon: str
    names: tuple[str, ...]  # [limits] of the budgets
    start: NDArray[np.int64]  # [limits] us, of the periods
    price: NDArray[np.float64]  # [limits]
    drawn: NDArray[np.float64]  # [limits] used by the run's decisions


def shared_limits(
    config: Config, release: Release, vocabularies: Vocabularies, messages: Messages, at: int | None
) -> SharedLimits:
    """Return the limits of a configuration, on the objectives that a release values.

    Raises:
        InputError: a budget counts an objective that the release was not trained on, or as `SharedLimits.of`.
    """
    for budget in config.budgets:
        if budget.objective is not None and budget.objective not in release.objectives:
            raise InputError(
                f"budget {budget.name!r}: counts == {budget.counts!r}, which release {release.id} was not "
                "trained on; run 'homing train'"
            )
    kept = {"budgets": config.budgets, "costs": config.costs, "slots": config.slots}
    return SharedLimits.of(release.config.model_copy(update=kept), vocabularies, messages, at)


def save_prices(
    workspace: Workspace,
    run_id: str,
    at: int,
    prices: Prices,
    drawn: NDArray[np.float64],
    started_from: str | None,
) -> None:
    """Keep a run's prices; written aside and renamed, and never changed once they are there."""
    limits, config = prices.limits, workspace.config
    facts = {
        "epoch_at": format_time(at),
        "started_from": started_from,
        "horizon": config.slots.horizon,
        "costs": config.costs.model_dump(mode="json"),
        "budgets": [budget.model_dump(mode="json") for budget in limits.budgets],
        "limits": [
            {
                "budget": limits.budgets[place].name,
                "starts_at": format_time(int(limits.start[j])),
                "price": float(prices.price[j]),
                "drawn": float(drawn[j]),
            }
            for j, place in enumerate(limits.budget.tolist())
        ],
    }
    path = workspace.runs_path / run_id / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(json.dumps(facts, indent=1))
    aside.replace(path)


def kept_prices(workspace: Workspace, run_id: str) -> KeptPrices | None:
    """Return the prices of a run; None where it had none.

    Raises:
        WorkspaceError: they cannot be read.
    """
    path = workspace.runs_path / run_id / _FILE
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_text())
        return _kept(path, facts)
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path} cannot be read ({error}); restore it from a backup") from None


def _kept(path: Path, facts: Mapping[str, Any]) -> KeptPrices:
    rows = facts["limits"]
    return KeptPrices(
        run_id=path.parent.name,
        epoch_at=parse_time(facts["epoch_at"]),
        started_from=facts["started_from"],
        budgets=tuple(Budget.model_validate(budget) for budget in facts["budgets"]),
        costs=Costs.model_validate(facts["costs"]),
        horizon=facts["horizon"],
        names=tuple(row["budget"] for row in rows),
        start=np.array([parse_time(row["starts_at"]) for row in rows], np.int64),
        price=np.array([row["price"] for row in rows], np.float64),
        drawn=np.array([row["drawn"] for row in rows], np.float64),
    )


def runs_with_prices(workspace: Workspace, before: int) -> list[KeptPrices]:
    """Return the prices of all runs whose epoch is before an instant (us), in order of epoch."""
    paths = workspace.runs_path.glob(f"plan-*/{_FILE}")
    found = [kept for path in paths if (kept := kept_prices(workspace, path.parent.name)) is not None]
    return sorted(
        (kept for kept in found if kept.epoch_at < before), key=lambda kept: (kept.epoch_at, kept.run_id)
    )


def start_prices(limits: SharedLimits, at: int, earlier: KeptPrices) -> NDArray[np.float64]:
    """Return the prices of an earlier run for the limits of an epoch (us): float64 [limits].

    A limit takes the price of its budget in the period that lies as far from that run's epoch as its own from
    this one; else the budget's mean price; else 0.
    """
    result = np.zeros(len(limits))
    for j, place in enumerate(limits.budget.tolist()):
        mine = np.array([name == limits.budgets[place].name for name in earlier.names], np.bool_)
        if mine.any():
            near = mine & (earlier.start - earlier.epoch_at == limits.start[j] - at)
            result[j] = earlier.price[near if near.any() else mine].mean()
    return result


def prices_of(
    kept: KeptPrices,
    workspace: Workspace,
    release: Release,
    vocabularies: Vocabularies,
    messages: Messages,
) -> Prices:
    """Return the prices that a run decided with, ready to be charged."""
    config = workspace.config
    slots = config.slots.model_copy(update={"horizon": kept.horizon})
    config = config.model_copy(update={"budgets": kept.budgets, "costs": kept.costs, "slots": slots})
    return Prices(shared_limits(config, release, vocabularies, messages, kept.epoch_at), kept.price)
