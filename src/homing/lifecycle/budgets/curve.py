"""What a plan would be worth were one budget larger or smaller; nothing is decided and nothing is logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.lifecycle.budgets.facts import mean_prices
from homing.lifecycle.budgets.gathered import gather
from homing.lifecycle.budgets.offers import Offers
from homing.lifecycle.budgets.prices import runs_with_prices
from homing.lifecycle.budgets.pricing import value_of
from homing.lifecycle.budgets.settling import Settled, Start, settle
from homing.lifecycle.budgets.together import starting_from
from homing.lifecycle.epoch import Epoch
from homing.lifecycle.experiment.arms import underway_at
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.report.facts import BudgetCurve, BudgetPoint
from homing.schema import InputError
from homing.schema.errors import nearest
from homing.schema.times import format_time
from homing.store import Workspace


@dataclass(frozen=True)
class Varied:
    """A curve, and its record for the report."""

    curve: BudgetCurve
    record: Record


def vary_budget(
    workspace: Workspace, at: int, name: str, factors: Sequence[float], progress: Progress | None = None
) -> Varied:
    """Solve an epoch again at several sizes of one budget.

    By the first order, the objective is that at the configured size plus price times the difference. It is
    concave in the size, so the line lies above it. The expected utility alone need not rise with a budget,
    since more room is also used to explore. Where arms have parts of the budgets, all parts are varied, each
    account's prices are solved again, and worth is summed over those that have prices.

    Args:
        workspace: with budgets and a release.
        at: the epoch, us.
        name: of the budget; its maximum is varied, or its minimum where it has no maximum.
        factors: > 0, of the configured size; 1 is added.
        progress: where to report.

    Raises:
        InputError: there is no such budget, or a factor is not > 0; or budgets cannot be kept as configured.
        WorkspaceError: there is no release.
    """
    progress, timings = progress or Silent(), Timings()
    epoch = Epoch.of(workspace, at, timings)
    names = [budget.name for budget in workspace.config.budgets]
    if name not in names or epoch.limits is None:
        raise InputError(
            f"budget == {name!r} is not in homing.toml{nearest(name, names)}; there are "
            f"{', '.join(names) or 'none'}"
        )
    wrong = [factor for factor in factors if not 0 < factor < np.inf]
    if wrong:
        raise InputError(f"factor == {wrong[0]}, must be > 0; give a range such as {name}=0.5..1.5")
    limits, budget = epoch.limits, workspace.config.budgets[names.index(name)]
    side = "min" if budget.max is None else "max"
    size = budget.min if budget.max is None else budget.max
    assert size is not None
    mine = limits.budget == names.index(name)
    underway = underway_at(workspace, at, epoch.release, epoch.vocabularies, threads=epoch.threads)
    with Offers(workspace.runs_path / f".offers-budget-{epoch.release.id}") as offers:
        earlier = runs_with_prices(workspace, at)
        gathered = gather(epoch, underway, limits, offers, earlier, progress)

        def at_size(factor: float, start: Start) -> list[Settled]:
            changed = budget.model_copy(update={side: size * factor})
            varied = replace(
                limits, budgets=tuple(changed if one.name == name else one for one in limits.budgets)
            )
            return settle(epoch, varied, offers, gathered, start, relax=factor != 1.0)

        with timings.measure("prices"):
            base = at_size(1.0, starting_from(limits, at, earlier[-1] if earlier else None))
            near = {one.account.name: one.priced.solution.prices for one in base if one.priced is not None}
            here = _worth(base, epoch.workers)[1]
            points = []
            wanted = sorted({1.0, *factors})
            for place, factor in enumerate(wanted):
                found = base if factor == 1 else at_size(factor, near.get)
                points.append(_point(base, found, here, factor, size, mine, side, epoch.workers))
                progress.update("sizes", (place + 1) / len(wanted))
    curve = BudgetCurve(
        budget=name,
        counts=budget.counts.removeprefix("objective:"),
        bound="min" if side == "min" else "max",
        epoch_at=format_time(at),
        users=sum(one.users for one in gathered),
        points=tuple(points),
    )
    record = Record("budget", stage_facts(workspace, "budget", timings, epoch.release.id, curves=(curve,)))
    save_record(workspace, record)
    return Varied(curve, record)


def _point(
    base: Sequence[Settled],
    found: Sequence[Settled],
    here: float,
    factor: float,
    size: float,
    mine: NDArray[np.bool_],
    side: str,
    threads: int,
) -> BudgetPoint:
    value, objective = _worth(found, threads)
    gained = 0.0
    for old, new in zip(base, found, strict=True):
        if old.priced is not None and new.priced is not None:
            ends = [
                one.bounds.most if side == "max" else one.bounds.least for one in (old.priced, new.priced)
            ]
            gained += float(old.priced.solution.prices[mine] @ (ends[1][mine] - ends[0][mine]))
    return BudgetPoint(
        factor=factor,
        size=size * factor,
        value=value,
        objective=objective,
        first_order=here + gained,
        price=float(mean_prices(found)[mine].mean()),
        used=sum(float((one.expected + one.gathered.before)[mine].sum()) for one in found),
        met=not any(one.relaxed_by.any() for one in found),
    )


def _worth(settled: Sequence[Settled], threads: int) -> tuple[float, float]:
    """Return expected utility, and the objective, of all that prices move."""
    found = [
        value_of(one.demand, one.priced.solution, threads)
        for one in settled
        if one.demand is not None and one.priced is not None
    ]
    return sum(one.expected for one in found), sum(one.objective for one in found)
