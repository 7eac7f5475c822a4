"""The prices of a run, kept beside its decisions: what explains them, and where the next run starts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Prices, SharedLimits, Softmax
from homing.lifecycle.epoch import shared_limits
from homing.lifecycle.experiment.accounts import Account
from homing.lifecycle.release import Release
from homing.schema import Messages, Vocabularies, WorkspaceError
from homing.schema.budgets import Budget, Costs
from homing.schema.times import format_time, parse_time
from homing.store import Workspace

_FILE: Final = "prices.json"


@dataclass(frozen=True)
class KeptPrices:
    """Prices as a run wrote them, of all its accounts."""

    run_id: str
    epoch_at: int  # us
    started_from: str | None
    budgets: tuple[Budget, ...]
    costs: Costs
    horizon: str
    accounts: tuple[str, ...]  # [rows] whose limits; empty texts where nobody was tried on
    names: tuple[str, ...]  # [rows] of the budgets
    start: NDArray[np.int64]  # [rows] us, of the periods
    price: NDArray[np.float64]  # [rows] NaN of accounts that decide by a rule without prices
    drawn: NDArray[np.float64]  # [rows] used by the run's decisions
    temperatures: Mapping[
        str, float
    ]  # of accounts at which prices were found; empty where nobody was tried on

    def of(self, account: str) -> KeptPrices | None:
        """Return the rows of an account that had prices: [limits]; None where it had none."""
        rows = np.flatnonzero([name == account for name in self.accounts] & np.isfinite(self.price))
        if not len(rows):
            return None
        return replace(
            self,
            accounts=(account,) * len(rows),
            names=tuple(self.names[row] for row in rows),
            start=self.start[rows],
            price=self.price[rows],
            drawn=self.drawn[rows],
        )


@dataclass(frozen=True)
class AccountPrices:
    """What is kept of an account."""

    account: str
    prices: Prices | None  # None: it decides by a rule without prices
    temperature: float  # at which they were found; NaN without
    drawn: NDArray[np.float64]  # [limits]


def save_prices(
    workspace: Workspace,
    run_id: str,
    at: int,
    limits: SharedLimits,
    accounts: Sequence[AccountPrices],
    started_from: str | None,
) -> None:
    """Keep a run's prices; written aside and renamed, and never changed once they are there."""
    config = workspace.config
    facts: dict[str, Any] = {
        "epoch_at": format_time(at),
        "started_from": started_from,
        "horizon": config.slots.horizon,
        "costs": config.costs.model_dump(mode="json"),
        "budgets": [budget.model_dump(mode="json") for budget in limits.budgets],
        "limits": [
            ({"account": one.account} if one.account else {})
            | {
                "budget": limits.budgets[place].name,
                "starts_at": format_time(int(limits.start[j])),
                "price": None if one.prices is None else float(one.prices.price[j]),
                "drawn": float(one.drawn[j]),
            }
            for one in accounts
            for j, place in enumerate(limits.budget.tolist())
        ],
    }
    warm = {one.account: one.temperature for one in accounts if one.account and one.prices is not None}
    if warm:
        facts["temperatures"] = warm
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
        accounts=tuple(row.get("account", "") for row in rows),
        names=tuple(row["budget"] for row in rows),
        start=np.array([parse_time(row["starts_at"]) for row in rows], np.int64),
        price=np.array([row["price"] for row in rows], np.float64),
        drawn=np.array([row["drawn"] for row in rows], np.float64),
        temperatures=facts.get("temperatures", {}),
    )


def runs_with_prices(workspace: Workspace, before: int) -> list[KeptPrices]:
    """Return the prices of all runs whose epoch is before an instant (us), in order of epoch."""
    paths = workspace.runs_path.glob(f"plan-*/{_FILE}")
    found = [kept for path in paths if (kept := kept_prices(workspace, path.parent.name)) is not None]
    return sorted(
        (kept for kept in found if kept.epoch_at < before), key=lambda kept: (kept.epoch_at, kept.run_id)
    )


def start_prices(
    limits: SharedLimits, at: int, earlier: KeptPrices, account: str = ""
) -> NDArray[np.float64] | None:
    """Return the prices of an earlier run for the limits of an epoch (us): float64 [limits].

    They are those of the same account, or of all users where nobody was tried on; None where the run has
    neither, for another account's prices would carry what its arm does over to this one. A limit takes the
    price of its budget in the period that lies as far from that run's epoch as its own from this one; else
    the budget's mean price; else 0.
    """
    own = earlier.of(account) or earlier.of("")
    if own is None:
        return None
    result = np.zeros(len(limits))
    for j, place in enumerate(limits.budget.tolist()):
        mine = np.array([name == limits.budgets[place].name for name in own.names], np.bool_)
        if mine.any():
            near = mine & (own.start - own.epoch_at == limits.start[j] - at)
            result[j] = own.price[near if near.any() else mine].mean()
    return result


def prices_of(
    kept: KeptPrices,
    workspace: Workspace,
    release: Release,
    vocabularies: Vocabularies,
    messages: Messages,
    account: str = "",
) -> Prices | None:
    """Return the prices that a run decided with for an account, ready to be charged; None: it had none."""
    own = kept.of(account)
    if own is None:
        return None
    config = workspace.config
    slots = config.slots.model_copy(update={"horizon": kept.horizon})
    config = config.model_copy(update={"budgets": kept.budgets, "costs": kept.costs, "slots": slots})
    return Prices(shared_limits(config, release, vocabularies, messages, kept.epoch_at), own.price)


def policy_of(
    kept: KeptPrices, workspace: Workspace, account: Account, vocabularies: Vocabularies, messages: Messages
) -> Softmax | None:
    """Return the policy that a run decided with for an account, at its own prices; None: it had none."""
    if account.softmax is None:
        return None
    prices = prices_of(kept, workspace, account.decider.release, vocabularies, messages, account.name)
    if prices is None:
        return None
    temperature = kept.temperatures.get(account.name, account.softmax.temperature)
    return replace(account.softmax, temperature=temperature, prices=prices)
