"""How a plan keeps its budgets, as facts: in total, and by account where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from homing.decision import SharedLimits
from homing.lifecycle.budgets.prices import KeptPrices
from homing.lifecycle.budgets.pricing import Priced, lost_values, value_of
from homing.lifecycle.budgets.settling import Settled
from homing.lifecycle.release import Release
from homing.report.facts import AccountUse, Budgets, BudgetUse, Worth
from homing.schema.times import format_time


def budgets_of(
    release: Release,
    limits: SharedLimits,
    settled: Sequence[Settled],
    drawn: Sequence[NDArray[np.float64]],
    tries: int,
    started: KeptPrices | None,
    threads: int,
) -> Budgets:
    """Return the facts of a plan.

    Args:
        release: the current one.
        limits: of the epoch.
        settled: all accounts.
        drawn: float64 [limits] use by the decisions of each.
        tries: draws until no maximum was passed, the most of any account.
        started: the run whose prices were the start.
        threads: as `solve`.
    """
    wanted, lost = np.zeros(len(limits)), np.zeros(len(limits))
    value = bound = 0.0
    for one, used in zip(settled, drawn, strict=True):
        if one.priced is None or one.demand is None:
            wanted = wanted + used
            continue
        free, costs = lost_values(one.demand, one.priced, threads)
        worth = value_of(one.demand, one.priced.solution, threads)
        wanted, lost = wanted + free, lost + costs
        value, bound = value + worth.expected, bound + worth.bound
    found = [one.priced for one in settled if one.priced is not None]
    return Budgets(
        uses=_uses(release, limits, settled, wanted, lost, np.sum(drawn, axis=0)),
        value=value,
        bound=bound,
        violation=max((_violation(priced) for priced in found), default=0.0),
        passes=max((priced.solution.certificate.passes for priced in found), default=0),
        seconds=sum(priced.solution.certificate.seconds for priced in found),
        draws=tries,
        started_from=None if started is None else started.run_id,
        by_account=_by_account(limits, settled, drawn) if len(settled) > 1 else (),
    )


def mean_prices(settled: Sequence[Settled]) -> NDArray[np.float64]:
    """Return what one more unit of each budget is worth, shared by users: float64 [limits]."""
    sharing = [one for one in settled if not one.account.held]
    users = max(sum(one.gathered.users for one in sharing), 1)
    mean = np.zeros(len(settled[0].relaxed_by))
    for one in sharing:
        if one.priced is not None:
            mean = mean + one.priced.solution.prices * (one.gathered.users / users)
    return mean


def _uses(
    release: Release,
    limits: SharedLimits,
    settled: Sequence[Settled],
    wanted: NDArray[np.float64],
    lost: NDArray[np.float64],
    drawn: NDArray[np.float64],
) -> tuple[BudgetUse, ...]:
    prices = mean_prices(settled)
    before = np.sum([one.gathered.before for one in settled], axis=0)
    expected = np.sum([one.expected for one in settled], axis=0)
    relaxed_by = np.sum([one.relaxed_by for one in settled], axis=0)
    rows = []
    for j, place in enumerate(limits.budget.tolist()):
        budget, price = limits.budgets[place], float(prices[j])
        rows.append(
            BudgetUse(
                budget=budget.name,
                counts=budget.counts.removeprefix("objective:"),
                starts_at=format_time(int(limits.start[j])),
                ends_at=format_time(int(limits.end[j])),
                least=_known(limits.bounds.least[j]),
                most=_known(limits.bounds.most[j]),
                before=float(before[j]),
                wanted=float(wanted[j]),
                expected=float(expected[j]),
                drawn=float(drawn[j]),
                price=price,
                worth=_worths(release, price),
                lost=float(lost[j]),
                relaxed_by=float(relaxed_by[j]),
            )
        )
    return tuple(rows)


def _by_account(
    limits: SharedLimits, settled: Sequence[Settled], drawn: Sequence[NDArray[np.float64]]
) -> tuple[AccountUse, ...]:
    return tuple(
        AccountUse(
            account=one.account.name,
            users=one.gathered.users,
            budget=limits.budgets[place].name,
            starts_at=format_time(int(limits.start[j])),
            least=nan if one.share is None else _known(one.share.least[j]),
            most=nan if one.share is None else _known(one.share.most[j]),
            before=float(one.gathered.before[j]),
            expected=float(one.expected[j]),
            drawn=float(used[j]),
            price=nan if one.priced is None else float(one.priced.solution.prices[j]),
            relaxed_by=float(one.relaxed_by[j]),
        )
        for j, place in enumerate(limits.budget.tolist())
        for one, used in zip(settled, drawn, strict=True)
        if one.gathered.users
    )


def _worths(release: Release, utility: float) -> tuple[Worth, ...]:
    """Return what an amount of utility is in each objective of which more is better, by its weight."""
    return tuple(
        Worth(name, utility / objective.weight)
        for name, objective in release.config.objectives.items()
        if objective.direction == "up" and objective.weight > 0
    )


def _violation(priced: Priced) -> float:
    """Return by how much an expected total passes a bound of what was left, relative to it (to 1 below 1)."""
    totals, bounds = priced.solution.certificate.totals, priced.bounds
    over = np.maximum(np.maximum(totals - bounds.most, bounds.least - totals), 0.0)
    size = np.where(totals > bounds.most, bounds.most, bounds.least)
    return float((over / np.maximum(np.where(np.isfinite(size), size, 1.0), 1.0)).max(initial=0.0))


def _known(bound: float) -> float:
    return float(bound) if isfinite(bound) else nan
