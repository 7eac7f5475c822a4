"""Other weights, and journeys between lifecycle stages."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

from homing.report.facts.quantities import Estimate, Judgement, Named, Unit


@dataclass(frozen=True)
class PointValue:
    """What one objective, or the utility by today's weights, would be with other weights; per decision."""

    objective: str
    value: Estimate
    change: Estimate  # from today's weights, paired by user
    judgement: Judgement  # of the change


@dataclass(frozen=True)
class WeightPoint:
    """What the policy would do with one weight multiplied."""

    factor: float
    weight: float  # as in homing.toml
    temperature: float  # at which it explores as much as with today's weights
    send_share: float
    values: tuple[PointValue, ...]  # the utility first
    doubt: str = ""  # why the log does not carry its values; empty: it does


@dataclass(frozen=True)
class WeightSweep:
    """What would change if one objective's weight changed."""

    objective: str
    points: tuple[WeightPoint, ...]  # factors rising, 1 among them


@dataclass(frozen=True)
class WeightChoice:
    """The weights that guardrails leave."""

    guardrails: tuple[Named, ...]  # worst acceptable means
    kept: int  # points that keep all of them with confidence
    points: int
    sentence: str
    objective: str | None = None  # whose weight changes; None: nothing changes, or no point keeps them
    factor: float = nan  # by which; 1: nothing changes; NaN: no point keeps them
    weight: float = nan  # as in homing.toml
    temperature: float = nan


@dataclass(frozen=True)
class TradeOffs:
    """What other weights would do, with the same model."""

    sweeps: tuple[WeightSweep, ...]
    confidence: float  # with which the intervals of one objective hold for all points together
    rare: tuple[str, ...] = ()  # objectives that happened to too few users to guard
    choice: WeightChoice | None = None  # by the guardrails of homing.toml


@dataclass(frozen=True)
class Flow:
    """Decisions of users in one lifecycle stage whose user is in another a while later."""

    start: str
    end: str
    logged: Estimate  # share of those that start there
    change: Estimate  # had the learned policy made the decision
    judgement: Literal["more", "less", "cannot_tell", "do_not_trust"]


@dataclass(frozen=True)
class StageValue:
    """What follows a decision about a user in one lifecycle stage, per decision."""

    stage: str
    objective: str
    unit: Unit
    logged: Estimate
    change: Estimate  # had the learned policy made the decision
    judgement: Judgement


@dataclass(frozen=True)
class Journeys:
    """Where users stand in their lifecycle, where they go from there, and what they are worth."""

    after: str  # duration between the two looks at a user
    decisions: int  # whose user's later stage is known
    shares: tuple[Named, ...]  # of those decisions, by stage
    flows: tuple[Flow, ...]  # those of everyone last
    values: tuple[StageValue, ...]
    confidence: float = 0.95
