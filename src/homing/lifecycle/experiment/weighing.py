"""The second rule: what an arm changes as one sum, each difference times what a unit of it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.experiments import Check, Joint, UtilityPlan, joint_difference, levels, plan_utility, utility
from homing.lifecycle.experiment.looking import Look, weekly_shares
from homing.lifecycle.experiment.measuring import Measured
from homing.lifecycle.experiment.rule import judged
from homing.report.experiment import Answer, ArmVerdict, ArmWorth, CurvePoint, Turn, Weighed, WeightCurve
from homing.report.facts import Estimate
from homing.schema import Config
from homing.schema.experiment import Design

#: Of a metric's weight, for which a design says what the power would be.
FACTORS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
_POINTS = 33  # of a curve
_AROUND, _FAR = 4.0, 10.0  # times a metric's weight: how far a curve reaches, and at most for a turn


@dataclass(frozen=True)
class PlannedWorth:
    """What the rule by weights takes, in the smallest arm, where effects are as planned."""

    rule: str  # in words
    decides: bool  # rather than the rule by metrics
    expected: float  # sum of the differences per user
    std_error: float  # with the users that there are
    power: float  # chance to ship with them, at the last look
    users: int | None  # in the arm and the control, for the power that was asked for; None: never enough
    by_weight: Mapping[str, tuple[float, ...]]  # power, had one metric `FACTORS` times its weight


def worth_of(config: Config, design: Design) -> dict[str, float]:
    """Return what a unit of each metric is worth: the design's own, else the weights of objectives.

    An objective's weight is for the first metric that counts the same event in the same way and direction.
    """
    if design.worth:
        return design.worth
    found = {}
    for objective in config.objectives.values():
        for name, metric in design.metrics.items():
            same = (metric.event, metric.aggregate, metric.direction) == (
                objective.event,
                objective.aggregate,
                objective.direction,
            )
            if same and not metric.per and name not in found and objective.weight > 0:
                found[name] = objective.weight
                break
    return found


def in_words(design: Design) -> str:
    """Return the rule as a sentence."""
    parts = ", ".join(
        f"{name} {design.metrics[name].sign * worth:+g}" for name, worth in design.worth.items() if worth
    )
    return (
        f"Ship an arm if the sum of its differences, each times its worth, is over 0 per user "
        f"({parts or 'weights of the objectives'}) and the quality checks pass: one-sided alpha "
        f"{design.alpha:g}, {design.alpha_worse:g} for harm."
    )


def worth_at(design: Design, measured: Measured, look: Look, arm: str) -> ArmWorth:
    """Return the sum of an arm's differences at a look, and how it turns with the weights.

    Its interval ends where the rule looks: below by alpha, above by alpha for harm, at this look.
    """
    names = [
        name
        for name, metric in design.metrics.items()
        if metric.direction != "none" and (metric.role != "monitor" or design.worth.get(name))
    ]
    columns = [measured.metrics[name] for name in names]
    joint = joint_difference(measured.adjusted, columns, arm, design.control, scale="absolute")
    signs = np.array([design.metrics[name].sign for name in names])
    weights = np.array([design.worth.get(name, 0.0) for name in names])
    known = np.isfinite(joint.value) & np.isfinite(np.diagonal(joint.covariance))
    parts = tuple(
        Weighed(name, sign * weight, float(value))
        for name, sign, weight, value in zip(names, signs, weights, joint.value, strict=True)
        if weight
    )
    if not known[weights > 0].all():
        return ArmWorth(arm, Estimate(nan), "unknown", parts, ())
    many = len(design.treatments)
    reach = tuple(
        -NormalDist().inv_cdf(look.nominal(alpha / many)) for alpha in (design.alpha, design.alpha_worse)
    )
    place = np.flatnonzero(known)
    kept = Joint(tuple(names[k] for k in place), joint.value[place], joint.covariance[np.ix_(place, place)])
    sums = _Sums(kept, signs[place], reach)
    estimate = sums.at(weights[place])
    curves = tuple(_curve(sums, weights[place], row) for row in range(len(place)))
    return ArmWorth(arm, estimate, _answer(estimate), parts, curves)


def weighed_verdict(
    found: ArmWorth, checks: Sequence[Check], look: Look, ends_at: int, over: bool
) -> ArmVerdict:
    """Return what the rule says of an arm, in a sentence; arguments as of `verdict_of`."""
    worth = found.worth
    why = f"what it changes is worth {worth.value:+.3g} [{worth.low:.3g}, {worth.high:.3g}] per user"
    if found.answer == "unknown":
        missing = ", ".join(part.metric for part in found.parts if not isfinite(part.difference))
        why = f"its worth is not known{f', as {missing} is not' if missing else ''}"
    good = found.answer == "better"
    sentence = f"{'Ship' if good else 'Do not ship'} {found.arm}: {why}."
    return judged(
        found.arm,
        ship=good,
        harm=found.answer == "worse",
        why=why,
        sentence=sentence,
        checks=checks,
        look=look,
        ends_at=ends_at,
        over=over,
    )


def planned_worth(
    design: Design, past: Measured, units: float, share: float, skip: Sequence[str] = ()
) -> PlannedWorth | None:
    """Return what the rule takes of the smallest arm where effects are as planned; None without worth.

    Args:
        design: with its worth.
        past: of one arm.
        units: users in the arm and the control.
        share: of them in the arm.
        skip: metrics of which the past says nothing.
    """
    names = [name for name, worth in design.worth.items() if worth and name not in skip]
    if not names:
        return None
    nominal = Look(design, weekly_shares(design)).nominal(design.alpha / len(design.treatments))
    effects = [design.metrics[name].sign * (design.metrics[name].effect or 0.0) for name in names]
    columns = [past.metrics[name] for name in names]
    if design.scale == "relative":
        level = [float(levels(past.adjusted, column).value[0]) for column in columns]
        effects = [effect * each for effect, each in zip(effects, level, strict=True)]
    weights = np.array([design.metrics[name].sign * design.worth[name] for name in names])

    def plan(weights: NDArray[np.float64]) -> UtilityPlan:
        return plan_utility(
            past.adjusted, columns, weights, effects, units, alpha=nominal, beta=design.beta, share=share
        )

    def power(row: int, factor: float) -> float:
        moved = weights.copy()
        moved[row] *= factor
        return plan(moved).power if moved.any() else nominal

    found = plan(weights)
    return PlannedWorth(
        rule=in_words(design),
        decides=design.rule == "worth",
        expected=found.value,
        std_error=found.std_error,
        power=found.power,
        users=found.units,
        by_weight={name: tuple(power(row, f) for f in FACTORS) for row, name in enumerate(names)},
    )


@dataclass(frozen=True)
class _Sums:
    """Sums of differences under any weights, each >= 0."""

    joint: Joint
    signs: NDArray[np.float64]  # float64 [metrics] of the directions
    reach: tuple[float, ...]  # standard errors to the lower and to the upper end

    def at(self, weights: NDArray[np.float64]) -> Estimate:
        """Return the sum under weights float64 [metrics]."""
        found = utility(self.joint, self.signs * weights)
        value, error = float(found.value), float(found.std_error)
        if not isfinite(error):  # nothing varies
            return Estimate(value)
        return Estimate(value, value - self.reach[0] * error, value + self.reach[1] * error)

    def zeros(self, weights: NDArray[np.float64], row: int) -> list[float]:
        """Return the weights of one metric, rising, at which an end of the interval is 0.

        With the sum a + b w and its variance A + 2 B w + C w^2, an end is 0 where (a + b w)^2 is c^2 times
        the variance; the lower end where the sum is over 0, the upper one where it is under.
        """
        rest, alone = self.signs * weights, np.zeros(len(weights))
        rest[row], alone[row] = 0.0, self.signs[row]
        a, b = float(rest @ self.joint.value), float(alone @ self.joint.value)
        cov = self.joint.covariance
        parts = [float(alone @ cov @ alone), 2 * float(rest @ cov @ alone), float(rest @ cov @ rest)]
        found = []
        for reach, above in zip(self.reach, (1.0, -1.0), strict=True):
            squares = np.array([b * b, 2 * a * b, a * a]) - reach**2 * np.array(parts)
            for root in np.roots(squares):
                weight = float(root.real)
                if abs(root.imag) <= 1e-9 * abs(weight) and weight > 0 and above * (a + b * weight) > 0:
                    found.append(weight)
        return sorted(found)


def _curve(sums: _Sums, weights: NDArray[np.float64], row: int) -> WeightCurve:
    def at(weight: float) -> Estimate:
        moved = weights.copy()
        moved[row] = weight
        return sums.at(moved)

    zeros = sums.zeros(weights, row)
    between = [(low + high) / 2 for low, high in zip([0.0, *zeros], zeros, strict=False)]
    answers = [_answer(at(weight)) for weight in (*between, 2 * zeros[-1] if zeros else weights[row])]
    turns = tuple(Turn(*each) for each in zip(zeros, answers, answers[1:], strict=False))
    own = float(weights[row])
    far = _FAR * own if own else inf
    top = max([_AROUND * own, *(1.25 * zero for zero in zeros if zero <= far)])
    points = tuple(CurvePoint(w, at(w)) for w in np.linspace(0.0, top or 1.0, _POINTS).tolist())
    return WeightCurve(sums.joint.metrics[row], own, points, turns)


def _answer(worth: Estimate) -> Answer:
    if not isfinite(worth.low):
        return "unknown"
    if worth.low > 0:
        return "better"
    return "worse" if worth.high < 0 else "cannot_tell"
