"""Before the start: from the workspace's past to users, days, power and cost of an experiment.

All users of the past are taken as if they had entered an experiment of the planned length that ended now.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from homing.experiments import Need, Rule, levels, plan, ships, simulate_rule, variance_reduction
from homing.lifecycle.experiment.analyse import known_until
from homing.lifecycle.experiment.concerns import concerns
from homing.lifecycle.experiment.looking import Look, PlannedLooks, planned_looks, weekly_shares
from homing.lifecycle.experiment.measuring import Measured, measure
from homing.lifecycle.experiment.parts import ArmBudget, arm_budgets, budget_concerns
from homing.lifecycle.experiment.rule import alpha_of, in_words, rule_of
from homing.lifecycle.experiment.running import check_design, next_epoch, resolved
from homing.lifecycle.experiment.weighing import PlannedWorth, planned_worth
from homing.schema import InputError
from homing.schema.experiment import SENT, Design, Metric
from homing.schema.times import DAY, MISSING, parse_duration
from homing.store import Cohort, Workspace, read_design, table_spans

_SENDS, _OPT_OUTS = " sends", " opt-outs"  # columns beside the design's metrics


@dataclass(frozen=True)
class MetricNeed:
    """What one metric needs."""

    metric: str
    role: str
    level: float  # in the past, over as many days
    threshold: float  # effect or margin
    noise_taken: float  # share of the variance that the time before the start explains
    users: int  # in all arms
    power: float  # chance that it is achieved with the users that there are


@dataclass(frozen=True)
class ArmCost:
    """What an arm costs if its users are messaged as in the past; an arm that holds sends nothing."""

    arm: str
    users: int
    sends: float
    opt_outs: float


@dataclass(frozen=True)
class Designed:
    """What an experiment takes."""

    name: str
    rule: str
    days: int  # planned
    past_days: int  # of the past that it rests on
    users_now: int  # who would enter on the first day
    users_a_day: float  # who enter later
    available: int  # users over the planned days
    needed: int  # users for the power that was asked for
    days_needed: int | None  # until that many have entered; None: never
    power: float  # of the whole rule with the users that there are
    needs: tuple[MetricNeed, ...]
    costs: tuple[ArmCost, ...]
    budgets: tuple[ArmBudget, ...]  # what each arm may use of what users share
    extra_opt_outs: float  # that guardrails on opt-outs accept
    looks: PlannedLooks  # if it started at the next epoch
    worth: PlannedWorth | None  # the rule by weights; None: no metric has a worth
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


def design(workspace: Workspace, name: str, users_a_day: float | None = None) -> Designed:
    """Return what the experiment of that name takes.

    Args:
        workspace: with a release, and events.
        name: of a design.
        users_a_day: who enter after the first day; None: as many as signed up in the past.

    Raises:
        InputError: there is no such design, it does not fit the workspace, or the past is too short.
        ConfigError: it breaks a rule.
    """
    made = resolved(workspace, read_design(workspace, name))
    check_design(workspace, made)
    span, before = _past(workspace, made)
    until = known_until(workspace)
    more = {
        _SENDS: Metric(role="monitor", event=SENT, direction="none"),
        _OPT_OUTS: Metric(role="monitor", event="opted_out", direction="none"),
    }
    wider = made.model_copy(update={"metrics": {**made.metrics, **more}})
    cohort = Cohort(("past",), until - span * DAY, until)
    measured = measure(workspace, wider, cohort)
    level = {
        each: float(levels(measured.adjusted, column).value[0]) for each, column in measured.metrics.items()
    }
    unknown = _unknown(made, measured)
    rule = _at_the_end(made, measured, unknown)
    effects = {
        n: m.sign * m.effect for n, m in made.metrics.items() if m.effect is not None and n not in unknown
    }
    share = _pair_share(made)
    both = share * (1 - workspace.config.holdout.share) * (made.range[1] - made.range[0]) * made.traffic
    now = int(measured.entered.sum())
    daily = _signing_up(measured, cohort) if users_a_day is None else users_a_day
    inside = both / share
    everyone = now + daily * made.days
    smallest = min(made.arms[arm].share for arm in made.treatments)
    treated = smallest / share
    found = plan(measured.adjusted, rule, effects, max(everyone * both / made.days, 1e-9), share=treated)
    achieved, worse = simulate_rule(measured.adjusted, rule, effects, everyone * both, share=treated)
    of = {c.metric.name: float(a) for c, a in zip(rule.criteria, achieved.mean(axis=0), strict=True)}
    needed = ceil(found.units / share)
    costs = _costs(made, level, everyone * inside, made.days / span)
    power = float(ships(rule, achieved, worse).mean()) * (1 - rule.alpha_quality)
    result = Designed(
        name=name,
        rule=in_words(made),
        days=made.days,
        past_days=span,
        users_now=round(now * inside),
        users_a_day=daily * inside,
        available=round(everyone * inside),
        needed=needed,
        days_needed=_days(needed, now * inside, daily * inside),
        power=power,
        needs=tuple(_need(made, measured, each, share, of) for each in found.needs),
        costs=costs,
        budgets=arm_budgets(workspace, made),
        extra_opt_outs=_extra(made, level, costs),
        looks=planned_looks(made, next_epoch(workspace), _alpha_of_one(made, rule), 1 - rule.beta_per_test),
        worth=planned_worth(made, measured, everyone * both, treated, unknown),
        warnings=(),
    )
    lost = [name for name in unknown if made.metrics[name].role != "monitor"]
    notes = [f"{name} did not vary in the past, so nothing is known of what it needs" for name in lost]
    notes += concerns(workspace, made, result, level, before)
    notes += budget_concerns(made, result.budgets)
    return dataclasses.replace(result, warnings=tuple(notes))


def _past(workspace: Workspace, made: Design) -> tuple[int, int]:
    """Return the days of the past that stand for the experiment, and the days that are known before them."""
    until = known_until(workspace)
    first = next((span.first_at for span in table_spans(workspace) if span.table == "events"), None)
    if until == MISSING or first is None:
        raise InputError("the ledger has no events, so nothing is known of the past; 'homing ingest' some")
    history = until // DAY - first // DAY
    longest = max(m.span[1] or 0 for m in made.metrics.values() if m.role != "monitor")
    span = max(min(made.days, history - parse_duration(made.pre_period) // DAY), ceil(longest / DAY), 1)
    span = min(max(span, min(made.days, history // 2)), history)
    if span * DAY < longest or span < 1:
        raise InputError(
            f"the ledger has {history} days of events, must have at least {max(ceil(longest / DAY), 1)}: as "
            "long as the longest window of a metric; ingest more of the past"
        )
    return span, history - span


def _unknown(made: Design, measured: Measured) -> list[str]:
    """Return metrics of which the past says nothing: they did not vary, or relative to what is not over 0."""
    unknown = []
    for name, column in measured.metrics.items():
        at = levels(measured.adjusted, column)
        divisible = made.scale == "absolute" or at.value[0] > 0
        if name in made.metrics and not (divisible and at.noise[0] > 0):
            unknown.append(name)
    return unknown


def _at_the_end(made: Design, measured: Measured, unknown: Sequence[str]) -> Rule:
    """Return the rule with the alpha of the last look, over metrics of which the past says something.

    Users and power that follow are those of the last look alone. What an earlier look would find and the last
    one not is left out, so users are a little more than a single look's times `looks.inflation`.
    """
    rule = rule_of(made, measured.metrics)
    kept = tuple(c for c in rule.criteria if c.metric.name not in unknown)
    if not any(c.role == "success" for c in kept):
        raise InputError(
            f"of {', '.join(unknown)} nothing can be planned: in the past it was the same for all; take "
            "a success metric that varies, or ingest more of the past"
        )
    look = Look(made, weekly_shares(made))
    corrected = rule.correction != "none"
    many = len(rule.of("success")) if corrected else 1
    left = sum(c.role == "success" for c in kept) if corrected else 1
    return dataclasses.replace(
        rule,
        criteria=kept,
        alpha=left * look.nominal(rule.alpha / many),
        alpha_worse=len(kept) * look.nominal(rule.alpha_worse / len(kept)),
        distribution="normal",
    )


def _alpha_of_one(made: Design, rule: Rule) -> float:
    """Return the one-sided alpha of a success metric over all looks."""
    return alpha_of(made, rule.of("success")[0].metric.name)


def _pair_share(made: Design) -> float:
    """Return the share of users in the control and the smallest arm that is compared with it."""
    return made.arms[made.control].share + min(made.arms[arm].share for arm in made.treatments)


def _signing_up(measured: Measured, cohort: Cohort) -> float:
    """Return sign-ups a day during the past that stands for the experiment."""
    fresh = sum(
        int(((part.signed_up_at > cohort.start) & (part.signed_up_at < cohort.until)).sum())
        for part in measured.users
    )
    return fresh * DAY / (cohort.until - cohort.start)


def _days(needed: int, now: float, daily: float) -> int | None:
    if needed <= now:
        return 1
    return 1 + ceil((needed - now) / daily) if daily > 0 else None


def _need(
    made: Design, measured: Measured, need: Need, share: float, power: Mapping[str, float]
) -> MetricNeed:
    metric = made.metrics[need.metric]
    column = measured.metrics[need.metric].column
    taken = 0.0
    if measured.adjusted is not measured.moments:
        taken = max(float(variance_reduction(measured.moments, measured.adjusted, column)), 0.0)
    threshold = metric.effect if metric.role == "success" else metric.margin
    assert threshold is not None
    return MetricNeed(
        need.metric, metric.role, need.level, threshold, taken, ceil(need.units / share), power[need.metric]
    )


def _costs(made: Design, level: Mapping[str, float], users: float, longer: float) -> tuple[ArmCost, ...]:
    return tuple(
        ArmCost(
            name,
            round(users * arm.share),
            0.0 if arm.policy == "hold" else users * arm.share * level[_SENDS] * longer,
            max(users * arm.share * level[_OPT_OUTS] * longer, 0.0),
        )
        for name, arm in made.arms.items()
    )


def _extra(made: Design, level: Mapping[str, float], costs: tuple[ArmCost, ...]) -> float:
    """Return opt-outs that the margins of guardrails on them accept beyond those of the control."""
    margins = [
        (m.margin or 0.0) * (level[n] if made.scale == "relative" else 1.0)
        for n, m in made.metrics.items()
        if m.role == "guardrail" and m.event == "opted_out" and not m.per
    ]
    users = sum(cost.users for cost in costs if cost.arm != made.control)
    return min(margins) * users if margins else 0.0
