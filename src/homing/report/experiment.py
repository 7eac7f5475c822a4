"""The facts of an experiment: what was found, whether it may be read, and what the rule says.

The page, the terminal and the JSON are made from them. Times are ISO 8601 text in UTC; relative differences
are shares of the control's level; a number that is not known is NaN (null in JSON).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

from homing.report.encoding import Document
from homing.report.facts import Alert, Estimate, Header, Promise, Unit

Finding = Literal["better", "worse", "non_inferior", "cannot_tell", "unknown"]
Answer = Literal["better", "worse", "cannot_tell", "unknown"]
Verdict = Literal["ship", "do_not_ship", "stop", "go_on", "cannot_be_read"]


@dataclass(frozen=True)
class ArmFacts:
    """One arm."""

    name: str
    what: str  # who decides in it, in words
    share: float  # planned
    assigned: int  # users who were given a decision in it
    entered: int  # users who count


@dataclass(frozen=True)
class CheckFacts:
    """One quality check."""

    name: str
    passed: bool
    blocking: bool  # whether the experiment cannot be read where it fails; else a caution
    p_value: float
    detail: str


@dataclass(frozen=True)
class Scored:
    """One metric in one arm against the control. Intervals hold for early looks and many metrics."""

    metric: str
    arm: str
    role: Literal["success", "guardrail", "monitor"]
    direction: Literal["up", "down", "none"]
    meaning: str
    unit: Unit
    level: float  # of the arm
    control: float  # level of the control
    absolute: Estimate
    relative: Estimate
    confidence: float  # of the intervals, of this look alone
    users: int  # in both arms
    finding: Finding
    threshold: float = nan  # least effect of a success metric, or margin of a guardrail
    noise_taken: float = 0.0  # share of the variance that the time before the start explained


@dataclass(frozen=True)
class ArmVerdict:
    """What the rule says of one arm."""

    arm: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class ArmPromise:
    """What a log had promised of an arm's policy, per decision, and what its decisions brought."""

    arm: str
    promise: Promise


@dataclass(frozen=True)
class Segment:
    """The effect on one metric in one segment, and whether it differs from that in all others."""

    column: str  # how users are split
    name: str
    metric: str
    arm: str
    users: int  # who count, in both arms
    effect: Estimate  # in the segment, on the design's scale, with the confidence of this look
    rest: float  # effect in all other segments of the column
    difference: Estimate  # effect in the segment less that in the others; intervals hold together
    p_value: float  # of no difference, of this test alone
    differs: bool  # all segments, metrics, arms and looks together


@dataclass(frozen=True)
class Crossing:
    """How an arm's effect depends on the arm of another experiment that ran at the same time."""

    other: str  # the other experiment
    other_arm: str
    other_control: str
    metric: str
    arm: str
    users: int  # who count, in the four cells
    alone: float  # effect under the other's control, on the design's scale
    together: float  # effect under the other's arm
    difference: Estimate  # together less alone; intervals of all pairs hold together
    p_value: float  # of no interaction, of this test alone
    differs: bool  # all pairs, metrics and looks together


@dataclass(frozen=True)
class Weighed:
    """One part of a sum of differences."""

    metric: str
    weight: float  # with the sign of the direction
    difference: float  # absolute, per user


@dataclass(frozen=True)
class CurvePoint:
    """The sum of differences, had one metric another weight."""

    weight: float  # >= 0; the direction gives its sign
    worth: Estimate


@dataclass(frozen=True)
class Turn:
    """A weight at which what can be said of the sum changes."""

    weight: float
    below: Answer  # of smaller weights
    above: Answer  # of larger ones


@dataclass(frozen=True)
class WeightCurve:
    """The sum of differences against the weight of one metric, the others as they are."""

    metric: str
    weight: float  # that it has
    points: tuple[CurvePoint, ...]
    turns: tuple[Turn, ...]  # rising; empty: no weight changes what can be said


@dataclass(frozen=True)
class ArmWorth:
    """What one arm changes, as one sum per user."""

    arm: str
    worth: Estimate  # sum of the differences, each times its weight
    answer: Answer
    parts: tuple[Weighed, ...]
    curves: tuple[WeightCurve, ...]


@dataclass(frozen=True)
class Readout(Document):
    """An experiment up to an instant."""

    root = "experiment"

    header: Header
    name: str
    hypothesis: str
    status: str
    starts_at: str
    ends_at: str
    until: str  # nothing from it on was looked at
    days: int  # planned
    share: float  # of the planned days that have passed
    control: str
    exposure: str
    looks: str  # how it may be read early, in words
    rule: str  # in words, as written before the start
    arms: tuple[ArmFacts, ...]
    verdicts: tuple[ArmVerdict, ...]  # of the rule that decides
    checks: tuple[CheckFacts, ...]
    scores: tuple[Scored, ...]
    promises: tuple[ArmPromise, ...] = ()
    alerts: tuple[Alert, ...] = ()
    scale: Literal["relative", "absolute"] = "relative"  # of thresholds, and of what the rule looks at
    other_rule: str = ""  # the rule that does not decide, in words; empty: there is none
    other_verdicts: tuple[ArmVerdict, ...] = ()
    worth: tuple[ArmWorth, ...] = ()
    segments: tuple[Segment, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    format: int = 1
