"""What was planned, and the budgets that it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

from homing.report.facts.quantities import Count, Named, Unit


@dataclass(frozen=True)
class HourRow:
    """Planned sends of one channel by the user's local hour."""

    channel: str
    sends: tuple[int, ...]  # [24]


@dataclass(frozen=True)
class MessageShare:
    """Planned sends of one message."""

    message: str
    category: str
    sends: int
    expected: tuple[Named, ...] = ()  # mean value per send, by objective


@dataclass(frozen=True)
class Expected:
    """Mean value per decision that the model expects, by objective."""

    objective: str
    unit: Unit
    planned: float
    hold: float = nan  # if nothing were sent
    meaning: str = ""  # such as 'opted out within 7d'


@dataclass(frozen=True)
class Schedule:
    """Who gets what and when, in one planned epoch."""

    epoch_at: str
    users: int
    sends: int
    holds: int
    channels: tuple[Count, ...] = ()
    hours: tuple[HourRow, ...] = ()
    messages: tuple[MessageShare, ...] = ()
    categories: tuple[Count, ...] = ()
    sends_per_user: tuple[Count, ...] = ()  # name: sends in `sends_window`; count: users
    sends_window: str = "the last 7 days and this plan"
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True)
class Worth:
    """What a number of units of utility is in one objective alone."""

    objective: str
    amount: float  # in the objective's unit, by its weight


@dataclass(frozen=True)
class BudgetUse:
    """One budget in one of its periods, in a plan."""

    budget: str
    counts: str  # in words: sends, cost, or an objective
    starts_at: str  # of the period
    ends_at: str
    least: float  # of the whole period; NaN: no minimum
    most: float  # NaN: no maximum
    before: float  # used by earlier epochs
    wanted: float  # by this plan, had there been no budgets
    expected: float  # by this plan
    drawn: float  # by this plan's decisions
    price: float  # utility a unit; negative where use is paid for; by users, where accounts have their own
    worth: tuple[Worth, ...] = ()  # what one more unit is worth
    lost: float = nan  # utility that the plan is worth less for it, at most
    relaxed_by: float = 0.0  # how much wider than asked, where limits contradict each other


@dataclass(frozen=True)
class AccountUse:
    """One budget in one of its periods, of the users of the same arms."""

    account: str  # their arms, "others", or "holdout"
    users: int
    budget: str
    starts_at: str  # of the period
    least: float  # of its part, what is left for this plan; NaN: no minimum
    most: float  # NaN: no maximum
    before: float  # used by these users in earlier epochs
    expected: float  # by this plan
    drawn: float  # by this plan's decisions
    price: float  # utility a unit; NaN of a rule without prices
    relaxed_by: float = 0.0  # how much wider than its part


@dataclass(frozen=True)
class Budgets:
    """How a plan keeps what users share."""

    uses: tuple[BudgetUse, ...]
    value: float  # expected utility of the plan
    bound: float  # that no plan within the budgets can pass
    violation: float  # largest excess of an expected total, relative to its bound
    passes: int  # over all candidates
    seconds: float  # to find the prices
    draws: int = 1  # until no maximum was passed
    started_from: str | None = None  # the run whose prices were the start
    by_account: tuple[AccountUse, ...] = ()  # where several deciders have parts of the budgets


@dataclass(frozen=True)
class BudgetPoint:
    """A plan under one size of a budget."""

    factor: float  # of the configured size
    size: float  # in what is counted
    value: float  # expected utility of the plan, prices solved again
    objective: float  # the same with what exploring is worth: temperature times entropy
    first_order: float  # the objective by the price at the configured size alone
    price: float  # utility a unit, at this size
    used: float  # expected, in what is counted
    met: bool = True


@dataclass(frozen=True)
class BudgetCurve:
    """What a plan would be worth were one budget larger or smaller."""

    budget: str
    counts: str
    bound: Literal["max", "min"]
    epoch_at: str
    users: int
    points: tuple[BudgetPoint, ...]  # sizes rising
