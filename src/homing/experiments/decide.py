"""From the results of several metrics to one decision, by a rule that was written before the start.

The rule is that of Schultzberg, Ankargren & Franberg (2024): ship where at least one success metric is
significantly better, every guardrail is significantly non-inferior, nothing significantly deteriorates, and
the quality checks pass. One of the success metrics is enough, so their alpha is corrected; all guardrails
must pass, so theirs is not. For the same reason their number makes it easy to miss a good change, so beta is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from homing.experiments.differences import Alternative, Difference, Distribution, difference
from homing.experiments.metrics import Metric
from homing.experiments.moments import Floats, Moments
from homing.experiments.multiple import Correction, adjusted_p_values
from homing.experiments.quality import Check
from homing.experiments.scales import Scale
from homing.schema.errors import InputError

Bools = NDArray[np.bool_]
Role = Literal["success", "guardrail", "deterioration"]


@dataclass(frozen=True)
class Criterion:
    """A metric and what it is for."""

    metric: Metric
    role: Role  # `deterioration`: only watched for harm, as success metrics and guardrails are, too
    margin: float = 0.0  # of a guardrail: how much worse is still accepted, > 0, in units of the scale
    better: Literal["higher", "lower"] = "higher"

    @property
    def sign(self) -> float:
        """1 where higher is better, -1 where lower is."""
        return 1.0 if self.better == "higher" else -1.0


@dataclass(frozen=True)
class Rule:
    """A decision rule, to be written before the start. All tests are one-sided."""

    criteria: tuple[Criterion, ...]
    alpha: float = 0.05  # chance to ship what is no success, or what breaks a guardrail
    beta: float = 0.2  # chance not to ship what is as good as planned
    alpha_worse: float = 0.01  # of any false deterioration
    alpha_quality: float = 0.001  # of any false alarm of the quality checks
    correction: Correction = "bonferroni"  # of alpha, over success metrics
    scale: Scale = "delta"
    distribution: Distribution = "t"

    def __post_init__(self) -> None:
        for criterion in self.criteria:
            _check(criterion)
        if not self.of("success"):
            raise InputError("the rule has no success metric, must have at least one")
        if len({c.metric.name for c in self.criteria}) < len(self.criteria):
            raise InputError(f"metrics {[c.metric.name for c in self.criteria]} must each be named once")
        for name in ("alpha", "beta", "alpha_worse", "alpha_quality"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} == {getattr(self, name)}, must be in (0, 1)")
        if self.beta_per_test <= 0:
            raise InputError(
                f"beta == {self.beta}, must be > alpha_worse + alpha_quality, which are lost to false alarms"
            )

    def of(self, role: Role) -> tuple[Criterion, ...]:
        """Return the criteria of a role."""
        return tuple(each for each in self.criteria if each.role == role)

    @property
    def beta_per_test(self) -> float:
        """The beta to plan each success metric and guardrail for, so that the whole rule has `beta`.

        By the union bound over a success metric, the guardrails and the false alarms of other tests, whatever
        their dependence: (beta - alpha_worse - alpha_quality) / (guardrails + 1). It holds where no metric
        truly gets worse; for a guardrail that does within its margin, see the simulated power of `plan`.
        """
        return (self.beta - self.alpha_worse - self.alpha_quality) / (len(self.of("guardrail")) + 1)


@dataclass(frozen=True)
class Outcome:
    """What the rule saw of one metric."""

    criterion: Criterion
    difference: Difference  # one-sided where it has a role: the side that the role is decided by
    p_value: float  # of better, or of non-inferior; adjusted over success metrics; NaN: not known
    p_worse: float  # adjusted over all metrics
    achieved: bool  # better, or non-inferior
    worse: bool


@dataclass(frozen=True)
class Decision:
    """Whether to ship, and why."""

    ship: bool
    arm: str
    outcomes: tuple[Outcome, ...]
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]  # for, where it ships; else against

    @property
    def sentence(self) -> str:
        """The decision in a sentence."""
        return f"{'Ship' if self.ship else 'Do not ship'} {self.arm}: {'; '.join(self.reasons)}."


def decide(
    moments: Moments,
    rule: Rule,
    arm: str,
    control: str = "control",
    *,
    checks: Sequence[Check] = (),
    nominal: Callable[[float], float] | None = None,
) -> Decision:
    """Apply the rule to an arm.

    Args:
        moments: of all columns of the rule's metrics, adjusted or not, without axes.
        rule: from before the start.
        arm: which arm.
        control: the arm that it is compared with.
        checks: of quality; all must pass.
        nominal: the alpha of this look for an alpha of all looks, one-sided, where the experiment is read
            before its end, as `ndtr(-group_sequential(looks, alpha, alternative="greater").critical[look])`;
            with the corrections `none` and `bonferroni` only.

    Raises:
        InputError: moments with axes, names that are not there, or a correction that cannot be used early.
    """
    if moments.axes:
        raise InputError(f"moments by {[a.name for a in moments.axes]}, must be without axes: take `total`")
    if nominal is not None and rule.correction not in {"none", "bonferroni"}:
        raise InputError(f"correction == {rule.correction!r}, must be 'none' or 'bonferroni' at early looks")
    at = nominal or (lambda alpha: alpha)
    found = [_one_sided(moments, rule, each, arm, control, at) for each in rule.criteria]
    p_good = np.array([float(each.p_value) for each in found])
    p_worse = np.array([_p_worse(moments, rule, each, arm, control) for each in rule.criteria])
    achieved, worse = verdicts(rule, p_good[None], p_worse[None], at)
    success = [place for place, each in enumerate(rule.criteria) if each.role == "success"]
    shown = p_good.copy()
    shown[success] = adjusted_p_values(p_good[success], rule.correction)
    outcomes = tuple(
        Outcome(criterion, each, float(good), float(bad), bool(yes), bool(no))
        for criterion, each, good, bad, yes, no in zip(
            rule.criteria, found, shown, adjusted_p_values(p_worse, "bonferroni"), achieved[0], worse[0],
            strict=True,
        )
    )  # fmt: skip
    ship = bool(ships(rule, achieved, worse)[0]) and all(check.passed for check in checks)
    reasons = _reasons_for(outcomes) if ship else _reasons_against(outcomes, checks)
    return Decision(ship, arm, outcomes, tuple(checks), reasons)


def verdicts(
    rule: Rule, p_good: Floats, p_worse: Floats, at: Callable[[float], float] = float
) -> tuple[Bools, Bools]:
    """Return which criteria are achieved, and which metrics are worse: bool [*, criteria] both.

    Args:
        rule: whose criteria they are.
        p_good: [*, criteria] one-sided: better than 0 for success, than minus the margin for guardrails.
        p_worse: [*, criteria] one-sided: worse than 0.
        at: the alpha of this look for an alpha of all.
    """
    roles = np.array([each.role for each in rule.criteria])
    achieved = np.zeros(p_good.shape, np.bool_)
    success = roles == "success"
    if rule.correction == "bonferroni":
        achieved[..., success] = p_good[..., success] <= at(rule.alpha / int(success.sum()))
    else:
        achieved[..., success] = adjusted_p_values(p_good[..., success], rule.correction) <= at(rule.alpha)
    achieved[..., roles == "guardrail"] = p_good[..., roles == "guardrail"] <= at(rule.alpha)
    return achieved, np.asarray(p_worse <= at(rule.alpha_worse / len(roles)))


def ships(rule: Rule, achieved: Bools, worse: Bools) -> Bools:
    """Return whether the rule ships, quality aside: bool [*]."""
    roles = np.array([each.role for each in rule.criteria])
    good = achieved[..., roles == "success"].any(axis=-1) & achieved[..., roles == "guardrail"].all(axis=-1)
    return np.asarray(good & ~worse.any(axis=-1))


def _check(criterion: Criterion) -> None:
    name = criterion.metric.name
    if criterion.role not in get_args(Role) or criterion.better not in {"higher", "lower"}:
        raise InputError(
            f"{name}: role == {criterion.role!r} and better == {criterion.better!r}, must be one of "
            f"{get_args(Role)}, and 'higher' or 'lower'"
        )
    if (criterion.role == "guardrail") != (criterion.margin > 0):
        raise InputError(f"{name}: margin == {criterion.margin}, must be > 0 for a guardrail, 0 for others")


def _side(criterion: Criterion, good: bool) -> Alternative:
    return "greater" if (criterion.sign > 0) == good else "less"


def _one_sided(
    moments: Moments,
    rule: Rule,
    criterion: Criterion,
    arm: str,
    control: str,
    at: Callable[[float], float],
) -> Difference:
    size = len(rule.of("success")) if criterion.role == "success" and rule.correction != "none" else 1
    return difference(
        moments,
        criterion.metric,
        arm,
        control,
        scale=rule.scale,
        confidence=1 - at(rule.alpha / size),
        alternative=_side(criterion, good=criterion.role != "deterioration"),
        distribution=rule.distribution,
        null=-criterion.sign * criterion.margin,
    )


def _p_worse(moments: Moments, rule: Rule, criterion: Criterion, arm: str, control: str) -> float:
    return float(
        difference(
            moments,
            criterion.metric,
            arm,
            control,
            scale=rule.scale,
            alternative=_side(criterion, good=False),
            distribution=rule.distribution,
        ).p_value
    )


def _told(outcome: Outcome) -> str:
    """Return the difference with what its verdict rests on: the bound, or the p-value of a step-wise test."""
    found, margin = outcome.difference, outcome.criterion.margin
    times, unit = (100.0, " %") if found.scale != "absolute" else (1.0, "")
    low, value, high = (f"{float(x) * times:+.3g}{unit}" for x in (found.low, found.value, found.high))
    if np.isnan(found.p_value):
        known = np.isfinite(found.value)
        return f"{value}, of which nothing is known" if known else "nothing is known of it"
    if outcome.worse:
        return f"{value}, p = {outcome.p_worse:.2g}"
    beyond = found.low > -margin if found.alternative == "greater" else found.high < margin
    if outcome.criterion.role != "deterioration" and outcome.achieved != beyond:
        return f"{value}, p = {outcome.p_value:.2g}"
    return f"{value}, at {f'least {low}' if found.alternative == 'greater' else f'most {high}'}"


def _reasons_for(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    better = [o for o in outcomes if o.criterion.role == "success" and o.achieved]
    guardrails = sum(o.criterion.role == "guardrail" for o in outcomes)
    reasons = [f"{o.criterion.metric.name} is better ({_told(o)})" for o in better]
    if guardrails:
        reasons.append(f"{guardrails} of {guardrails} guardrails are non-inferior")
    unknown = [o.criterion.metric.name for o in outcomes if np.isnan(o.p_worse)]
    if unknown:
        reasons.append(f"of {', '.join(unknown)} nothing is known")
    return (*reasons, "nothing else deteriorates" if unknown else "nothing deteriorates")


def _reasons_against(outcomes: Sequence[Outcome], checks: Sequence[Check]) -> tuple[str, ...]:
    reasons = [f"the check '{c.name}' fails ({c.detail})" for c in checks if not c.passed]
    reasons += [f"{o.criterion.metric.name} is worse ({_told(o)})" for o in outcomes if o.worse]
    reasons += [
        f"{o.criterion.metric.name} may be worse than its margin ({_told(o)})"
        for o in outcomes
        if o.criterion.role == "guardrail" and not o.achieved
    ]
    success = [o for o in outcomes if o.criterion.role == "success"]
    if not any(o.achieved for o in success):
        names = [f"{o.criterion.metric.name}{_unknown(o)}" for o in success]
        reasons.append(f"no success metric is significantly better ({', '.join(names)})")
    return tuple(reasons)


def _unknown(outcome: Outcome) -> str:
    return ", of which nothing is known" if np.isnan(outcome.p_worse) else ""
