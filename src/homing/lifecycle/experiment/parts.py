"""How large each arm's part of every budget is while an experiment runs."""

from __future__ import annotations

from dataclasses import dataclass

from homing.schema.experiment import Design
from homing.store import Workspace


@dataclass(frozen=True)
class ArmBudget:
    """An arm's part of one budget, each period."""

    arm: str
    budget: str
    counts: str  # in words: sends, cost, or an objective
    per: str
    least: float | None  # None: no minimum is asked of the arm
    most: float | None  # None: no maximum


def arm_budgets(workspace: Workspace, made: Design) -> tuple[ArmBudget, ...]:
    """Return what each arm may use: in proportion to its users among all who are not held out."""
    entered = made.traffic * (made.range[1] - made.range[0])
    return tuple(
        ArmBudget(
            arm=name,
            budget=budget.name,
            counts=budget.counts.removeprefix("objective:"),
            per=budget.per,
            least=None
            if budget.min is None or _without_prices(arm.policy)
            else budget.min * arm.share * entered,
            most=None if budget.max is None else budget.max * arm.share * entered,
        )
        for budget in workspace.config.budgets
        for name, arm in made.arms.items()
    )


def budget_concerns(made: Design, parts: tuple[ArmBudget, ...]) -> list[str]:
    """Return what to know of budgets in an experiment, in sentences; nothing where there are none."""
    if not parts:
        return []
    notes = [
        "every arm has its part of each budget, in proportion to its users, and prices of its own; what an "
        "arm does not use is left unspent"
    ]
    if made.exposure == "triggered":
        notes.append(
            "under budgets users count from the first decision that leaves them a choice, in any arm"
        )
    for name, arm in made.arms.items():
        if _without_prices(arm.policy) and arm.policy != "hold":
            notes.append(
                f"{name} decides by {arm.policy!r}, which no prices move: should it use more than its "
                "part of a budget, the plan is refused"
            )
    notes += [
        f"{part.arm} may have {part.most:.2g} {part.budget} in {part.per}: sends are whole, so in some "
        "periods it has none"
        for part in parts
        if part.most is not None and part.most < 1 and part.counts == "sends"
    ]
    return notes


def _without_prices(policy: str) -> bool:
    """Return whether a policy has no prices: all but those of a release's values."""
    return bool(policy) and not policy.startswith(("learned", "greedy"))
