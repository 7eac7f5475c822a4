"""What policies are worth by the log."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

from homing.report.facts.quantities import Estimate, Judgement, Unit


@dataclass(frozen=True)
class EstimatorValue:
    """What one estimator says, such as IPS, SNIPS, DM or DR."""

    name: str
    estimate: Estimate


@dataclass(frozen=True)
class PolicyValue:
    """One policy's worth per decision on one objective."""

    policy: str
    value: Estimate  # by the headline estimator
    judgement: Judgement
    reason: str = ""  # of the judgement, in words
    versus_logging: Estimate | None = None  # difference, per decision
    versus_constant: Estimate | None = None  # difference to the best constant policy
    estimators: tuple[EstimatorValue, ...] = ()
    effective_size: float = nan  # decisions
    effective_share: float = nan
    max_weight: float = nan
    learned: bool = False  # drawn in the accent colour
    more_decisions: int | None = None  # that it would take to tell; None: told, or not to be had by waiting


@dataclass(frozen=True)
class ObjectiveValues:
    """All policies on one objective, or on the utility."""

    objective: str
    unit: Unit
    policies: tuple[PolicyValue, ...]
    direction: Literal["up", "down"] = "up"
    weight: float = nan
    guardrail: float | None = None
    meaning: str = ""  # such as 'converted within 3d of the decision'


@dataclass(frozen=True)
class SegmentGain:
    """What the learned policy would bring beyond the log's in one segment, on the utility."""

    column: str
    segment: str
    gain: Estimate  # per decision; the intervals of all segments hold together
    share: float  # of the decisions
    judgement: Judgement


@dataclass(frozen=True)
class Gate:
    """Whether the learned policy may go to a test on users."""

    allowed: bool
    reasons: tuple[str, ...]  # sentences


@dataclass(frozen=True)
class Shifted:
    """One feature of the users that moved between the log and today."""

    feature: str
    aspect: str  # mean, spread or missing
    log: float
    today: float
    difference: float  # in standard deviations


@dataclass(frozen=True)
class Population:
    """Whether the log's users are those of today, and what it means for the learned policy's utility."""

    users: int  # of today that were looked at
    moved: tuple[Shifted, ...] = ()  # the farthest first
    sentence: str = ""  # in words, where something moved
    difference: Estimate | None = None  # to the log's policy, as reported
    carried: Estimate | None = None  # the same for users like today's; None: the log has none like them
    effective_size: float = nan  # decisions behind `carried`
    judgement: Judgement = "reference"  # as reported
    carried_judgement: Judgement = "reference"  # for users like today's


@dataclass(frozen=True)
class Values:
    """What policies are worth, estimated from the log."""

    objectives: tuple[ObjectiveValues, ...]  # the utility first
    decisions: int  # that were used
    confidence: float = 0.95
    headline: str = "DR"  # the estimator behind PolicyValue.value
    logging: str = "logging"  # name of the policy that wrote the log
    gate: Gate | None = None
    population: Population | None = None
    segments: tuple[SegmentGain, ...] = ()


@dataclass(frozen=True)
class Uplift:
    """A Qini curve: outcomes gained when the best share of the users is treated."""

    objective: str
    treatment: str
    control: str
    share: tuple[float, ...]  # of users treated, rising from 0 to 1
    gain: tuple[float, ...]  # outcomes per user against treating nobody, targeted by the model
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    area: Estimate | None = None  # between the curve and random targeting
    unit: Unit = "rate"


@dataclass(frozen=True)
class Truth:
    """An estimate from one log beside the policy's own mean in another."""

    policy: str
    log: str
    objective: str
    unit: Unit
    truth: Estimate
    estimators: tuple[EstimatorValue, ...]
    effective_size: float = nan
    decisions: int = 0
    judgement: Judgement = "cannot_tell"
    reason: str = ""
