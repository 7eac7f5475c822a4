"""Everything that a report shows, as one tree of frozen dataclasses.

The page and `report.json` are both made from it, so they cannot differ. A section is None while the stage
that produces it has not run. Times are ISO 8601 text in UTC, shares lie in [0, 1], a number that is not
known is NaN (null in JSON). Counts are of rows unless the comment says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any, Literal

from homing.report.encoding import decode, encode

Level = Literal["critical", "warning", "note"]
Tone = Literal["good", "bad", "neutral"]
Unit = Literal["rate", "number"]
Judgement = Literal["reference", "better", "worse", "cannot_tell", "do_not_trust"]


@dataclass(frozen=True)
class Estimate:
    """A number and its confidence interval; the bounds are NaN where there is none."""

    value: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True)
class Count:
    """How many of one thing."""

    name: str
    count: int


@dataclass(frozen=True)
class Named:
    """One number of one thing, such as a value per objective."""

    name: str
    value: float


@dataclass(frozen=True)
class Series:
    """One line of a timeline."""

    name: str
    values: tuple[float, ...]  # one a day


@dataclass(frozen=True)
class Timeline:
    """Several daily series over the same days."""

    days: tuple[str, ...]  # ISO dates
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Header:
    """What the report is about, and its one sentence."""

    workspace: str
    run_id: str
    created_at: str
    verdict: str  # one plain sentence, with its interval
    tone: Tone = "neutral"
    verdict_basis: str = ""  # how the verdict was derived
    release: str | None = None
    log_from: str | None = None
    log_until: str | None = None
    users: int = 0
    decisions: int = 0


@dataclass(frozen=True)
class Alert:
    """Something that the reader has to know before believing the rest."""

    level: Level
    subject: str
    sentence: str
    next_step: str = ""


@dataclass(frozen=True)
class TableHealth:
    """One table of the ledger."""

    table: str
    rows: int
    quarantined: int = 0
    first_at: str | None = None
    last_at: str | None = None


@dataclass(frozen=True)
class Quarantined:
    """Rows that were set aside, and why."""

    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class PropensityCheck:
    """What the log claims and what it did, for one group of decisions."""

    group: str
    decisions: int
    logged: float  # share that the logged propensities promise
    observed: Estimate  # share that was drawn


@dataclass(frozen=True)
class Health:
    """Is the data what it should be?"""

    tables: tuple[TableHealth, ...]
    quarantine: tuple[Quarantined, ...] = ()
    events: Timeline | None = None  # events by type
    reachable: Timeline | None = None  # users by channel
    propensity: tuple[PropensityCheck, ...] = ()


@dataclass(frozen=True)
class Funnel:
    """From reasons to message to messages; opportunities x channels x slots are candidates."""

    users: int
    opportunities: int
    candidates: int  # before rules, without hold
    eligible: int  # after rules, without hold
    sends: int
    holds: int
    removed: tuple[Count, ...] = ()  # candidates by the one rule that removed them


@dataclass(frozen=True)
class CalibrationBin:
    """Decisions with similar predictions."""

    predicted: float  # mean
    observed: Estimate  # mean outcome
    decisions: int


@dataclass(frozen=True)
class ObjectiveQuality:
    """How well one objective is predicted on decisions that training never saw."""

    objective: str
    unit: Unit
    decisions: int  # in the test part
    base: float  # mean outcome
    predicted: float  # mean prediction
    loss: float
    constant_loss: float  # of predicting the training mean for everybody
    loss_name: str = "log loss"
    auc: float = nan
    calibration_error: float = nan  # expected calibration error, in the outcome's unit
    calibration: tuple[CalibrationBin, ...] = ()

    @property
    def skill(self) -> float:
        """Share of the constant's loss that the model removes; NaN where the constant has none."""
        return 1 - self.loss / self.constant_loss if self.constant_loss else nan


@dataclass(frozen=True)
class TrainingEpoch:
    """Mean loss after one pass."""

    epoch: int
    training: float
    validation: float


@dataclass(frozen=True)
class Quality:
    """How good the response model is."""

    objectives: tuple[ObjectiveQuality, ...]
    epochs: tuple[TrainingEpoch, ...] = ()
    best_epoch: int | None = None
    split: str = ""  # in words: how train, calibration and test were separated
    training_decisions: int = 0
    calibration_decisions: int = 0
    test_decisions: int = 0


@dataclass(frozen=True)
class LearnerValue:
    """What one way to learn long-term values would gain over the log, from users whom its fit did not see."""

    learner: str
    versus_logging: Estimate  # utility of the horizon, per decision, always with its best candidate
    judgement: Judgement
    reason: str = ""
    decides: bool = False  # its values are the release's


@dataclass(frozen=True)
class Selection:
    """The learners that training compared, the preferred one first."""

    learners: tuple[LearnerValue, ...]
    decisions: int  # by chance, with outcomes known over the whole horizon
    confidence: float = 0.95

    @property
    def decides(self) -> LearnerValue:
        """The learner whose values are the release's."""
        return next(learner for learner in self.learners if learner.decides)

    @property
    def advice(self) -> str:
        """One sentence where the log does not say with confidence that the release is better, else empty."""
        found = self.decides
        if found.judgement == "better":
            return ""
        how = {
            "worse": "is worse than the log",
            "do_not_trust": "cannot be estimated from the log",
        }.get(found.judgement, "cannot be told from the log")
        return (
            f"Keep the current policy: over the horizon the learned policy ({found.learner}) {how}; "
            f"{found.reason}."
        )


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


@dataclass(frozen=True)
class ArmMeasure:
    """One number a person in the two arms of a trial."""

    name: str
    unit: Unit
    direction: Literal["up", "down", "none"]
    meaning: str
    treatment: Estimate
    control: Estimate
    difference: Estimate  # adjusted by what the people were before
    relative: Estimate  # as a share of the control's mean


@dataclass(frozen=True)
class Promise:
    """What was estimated from the log before a trial, and what a trial then brought; per decision."""

    objective: str
    unit: Unit
    meaning: str
    log: Estimate  # the log's own mean
    promised: Estimate  # of the treatment, from the log
    realised: Estimate  # of the treatment, in the trial
    control: Estimate  # of the control, in the trial


@dataclass(frozen=True)
class Trial:
    """A policy on a random half of the users, another on the rest."""

    treatment: str
    control: str
    starts_at: str
    days: int
    people: tuple[int, int]  # in treatment and control
    measures: tuple[ArmMeasure, ...]
    promises: tuple[Promise, ...]
    confidence: float = 0.95


@dataclass(frozen=True)
class Stage:
    """What one stage of the run took."""

    name: str
    seconds: float
    peak_bytes: float = nan
    rows: int | None = None


@dataclass(frozen=True)
class Provenance:
    """What it takes to get the same numbers again."""

    config_hash: str
    versions: tuple[tuple[str, str], ...] = ()  # name, version
    command: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """A whole report."""

    header: Header
    alerts: tuple[Alert, ...] = ()
    health: Health | None = None
    funnel: Funnel | None = None
    selection: Selection | None = None
    quality: Quality | None = None
    values: Values | None = None
    uplift: tuple[Uplift, ...] | None = None
    truth: tuple[Truth, ...] | None = None
    trial: Trial | None = None
    schedule: Schedule | None = None
    budgets: Budgets | None = None
    curves: tuple[BudgetCurve, ...] | None = None
    tradeoffs: TradeOffs | None = None
    journeys: Journeys | None = None
    stages: tuple[Stage, ...] | None = None
    provenance: Provenance | None = None
    format: int = 1  # of report.json

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON types only; numbers that are not finite become None."""
        encoded = encode(self)
        assert isinstance(encoded, dict)
        return encoded

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Facts:
        """Return what `to_dict` was given; None becomes NaN where a number is expected.

        Raises:
            InputError: a key is unknown or missing, or a value has another type.
        """
        return decode(cls, data, "facts")
