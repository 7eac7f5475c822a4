"""The facts of a global holdout: what all messages together changed, by period and since its start.

Times are ISO 8601 text in UTC; relative differences are shares of the level of who is held out; a number that
is not known is NaN (null in JSON).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from homing.report.encoding import Document
from homing.report.experiment import Answer, CheckFacts
from homing.report.facts import Alert, Estimate, Header, Unit


@dataclass(frozen=True)
class HoldoutPeriod:
    """One quarter or month, or the part of it in which there was a holdout."""

    label: str
    starts_at: str
    ends_at: str  # exclusive
    length: float  # in whole ones
    held: int  # users by its end
    rest: int


@dataclass(frozen=True)
class HoldoutDifference:
    """The others less who is held out."""

    level: float  # of the others, per user
    held: float
    absolute: Estimate
    relative: Estimate


@dataclass(frozen=True)
class HoldoutMetric:
    """One metric, in every period."""

    metric: str
    meaning: str
    direction: Literal["up", "down", "none"]
    unit: Unit
    by_period: tuple[HoldoutDifference, ...]  # per user in it; intervals of each alone
    #: per user and whole period since each user's entry; intervals of all metrics and periods together
    cumulative: tuple[HoldoutDifference, ...]
    answer: Answer  # of the last cumulative one
    noise_taken: float = 0.0  # share of the variance of the last one that the time before explained


@dataclass(frozen=True)
class HoldoutFacts(Document):
    """A global holdout up to an instant."""

    root = "holdout"

    header: Header
    share: float  # of all users who are held out
    policy: str  # that decides for them
    starts_at: str
    until: str  # nothing from it on was looked at
    every: Literal["quarter", "month"]
    confidence: float  # of the intervals, in each of their kinds
    periods: tuple[HoldoutPeriod, ...]
    metrics: tuple[HoldoutMetric, ...]
    checks: tuple[CheckFacts, ...]
    alerts: tuple[Alert, ...] = ()
    format: int = 1
