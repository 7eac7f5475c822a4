"""What a plan would be worth were one budget larger or smaller; nothing is decided and nothing is logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from homing.allocation import Demand
from homing.lifecycle.epoch import Epoch
from homing.lifecycle.offers import Offers
from homing.lifecycle.pricing import Priced, find_prices, value_of, what_is_left
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.lifecycle.together import expected_before, gather, starting_prices
from homing.report.facts import BudgetCurve, BudgetPoint
from homing.schema import InputError
from homing.schema.errors import nearest
from homing.schema.times import format_time, parse_duration
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
    since more room is also used to explore.

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
    horizon = parse_duration(workspace.config.slots.horizon)
    with Offers(workspace.runs_path / f".offers-budget-{epoch.release.id}") as offers:
        before = gather(epoch, limits, offers, progress)
        earlier, expected = expected_before(workspace, limits, at)
        before = before + expected
        demand = offers.demand(limits.uses)

        def at_size(factor: float, start: np.ndarray | None) -> Priced:
            changed = budget.model_copy(update={side: size * factor})
            varied = replace(
                limits, budgets=tuple(changed if one.name == name else one for one in limits.budgets)
            )
            bounds = what_is_left(varied, before, at, horizon)
            policy = epoch.release.policy()
            return find_prices(
                demand,
                varied,
                bounds,
                before,
                policy.temperature,
                policy.floor,
                start,
                relax=factor != 1.0,
                threads=epoch.workers,
            )

        with timings.measure("prices"):
            base = at_size(1.0, starting_prices(limits, at, earlier))
            here = value_of(demand, base.solution, epoch.workers).objective
            points = []
            wanted = sorted({1.0, *factors})
            for place, factor in enumerate(wanted):
                found = base if factor == 1 else at_size(factor, base.solution.prices)
                points.append(_point(demand, base, found, here, factor, size, mine, side))
                progress.update("sizes", (place + 1) / len(wanted))
    curve = BudgetCurve(
        budget=name,
        counts=budget.counts.removeprefix("objective:"),
        bound="min" if side == "min" else "max",
        epoch_at=format_time(at),
        users=len(demand),
        points=tuple(points),
    )
    record = Record("budget", stage_facts(workspace, "budget", timings, epoch.release.id, curves=(curve,)))
    save_record(workspace, record)
    return Varied(curve, record)


def _point(
    demand: Demand,
    base: Priced,
    found: Priced,
    here: float,
    factor: float,
    size: float,
    mine: np.ndarray,
    side: str,
) -> BudgetPoint:
    value = value_of(demand, found.solution)
    ends = [priced.bounds.most if side == "max" else priced.bounds.least for priced in (base, found)]
    moved = ends[1][mine] - ends[0][mine]
    prices = found.solution.prices[mine]
    totals = found.solution.certificate.totals[mine] + found.before[mine]
    return BudgetPoint(
        factor=factor,
        size=size * factor,
        value=value.expected,
        objective=value.objective,
        first_order=here + float(base.solution.prices[mine] @ moved),
        price=float(prices.mean()),
        used=float(totals.sum()),
        met=not found.relaxed_by.any(),
    )
