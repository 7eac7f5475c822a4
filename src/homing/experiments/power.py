"""Before the start: units that each metric needs, and the chance that the whole rule ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from homing.experiments.decide import Bools, Criterion, Rule, ships, verdicts
from homing.experiments.joint import slopes_of
from homing.experiments.metrics import Metric, levels
from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError

#: Fewer expected units with a 1, or without, in an arm make the normal interval of a proportion a hope.
FEW_EVENTS: Final = 30
_WEEK: Final = 7


@dataclass(frozen=True)
class Need:
    """What one metric needs."""

    metric: str
    level: float  # in the past
    effect: float  # to be found, in units of the rule's scale; for a guardrail the one that is expected
    margin: float
    alpha: float  # one-sided
    beta: float
    units: int  # in both arms together


@dataclass(frozen=True)
class Plan:
    """The size of an experiment with an arm and a control."""

    needs: tuple[Need, ...]
    units: int  # in both arms together
    days: int
    power: float  # chance that the rule ships where every effect is as given; simulated
    power_of: Mapping[str, float]  # chance that each criterion is achieved
    false_alarm: float  # chance that something is held to be worse
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class UtilityPlan:
    """The size of an experiment that is decided by a weighted sum of differences."""

    value: float  # of the sum, with the effects as given
    std_error: float  # with the units that there are
    power: float  # chance that the sum is significantly over 0 with them
    units: int | None  # in both arms together for the power that was asked for; None: no number is enough


def plan_utility(
    past: Moments,
    metrics: Sequence[Metric],
    weights: ArrayLike,
    effects: ArrayLike,
    units: float,
    *,
    alpha: float = 0.025,
    beta: float = 0.2,
    share: float = 0.5,
) -> UtilityPlan:
    """Return size and power of the one-sided test that `utility` is over 0, by the normal approximation.

    Args:
        past: moments of one arm from before, after variance reduction where there will be one.
        metrics: what is summed.
        weights: float [metrics], as of `utility`.
        effects: float [metrics], absolute.
        units: in both arms together.
        alpha: one-sided.
        beta: chance to miss it.
        share: of the units that go to the arm.

    Raises:
        InputError: not one arm without axes, weights or effects of other length, products of columns that are
            not known, or options outside their range.
    """
    w, effect = np.asarray(weights, np.float64), np.asarray(effects, np.float64)
    if past.axes or len(past.arms) != 1:
        raise InputError(f"past has arms {past.arms} and axes {past.axes}, must be one arm without axes")
    if w.shape != (len(metrics),) or effect.shape != w.shape:
        raise InputError(
            f"weights has shape {w.shape} and effects {effect.shape}, must be one of each metric: "
            f"{[metric.name for metric in metrics]}"
        )
    if not (0 < alpha < 1 and 0 < beta < 1 and 0 < share < 1 and units > 0):
        raise InputError(
            f"alpha == {alpha}, beta == {beta} and share == {share} must be in (0, 1), units == {units} > 0"
        )
    value = float(w @ effect)
    variance = float(w @ _covariance(past, list(metrics), effect, "absolute", share) @ w)
    error = np.sqrt(variance / units)
    quantiles = float(ndtri(1 - alpha) + ndtri(1 - beta))
    return UtilityPlan(
        value=value,
        std_error=float(error),
        power=float(ndtr(value / error - ndtri(1 - alpha))) if error > 0 else float(value > 0),
        units=ceil(quantiles**2 * variance / value**2) if value > 0 else None,
    )


def plan(
    past: Moments,
    rule: Rule,
    effects: Mapping[str, float],
    units_a_day: float,
    *,
    share: float = 0.5,
    draws: int = 20_000,
    seed: int = 0,
) -> Plan:
    """Return the size that gives each metric the power of the rule, and the power of the rule at that size.

    Args:
        past: moments of one arm from before, after variance reduction where there will be one.
        rule: with its scale `absolute` or relative.
        effects: by metric, signed, in units of the scale; of metrics that are not named, 0.
        units_a_day: that enter the experiment.
        share: of the units that go to the arm; the rest are the control.
        draws: simulated experiments.
        seed: of them.

    Raises:
        InputError: not one arm without axes, an effect on no metric or in the wrong direction, or options
            outside their range.
    """
    _check(past, rule, effects, units_a_day, share)
    size = len(rule.of("success")) if rule.correction != "none" else 1
    needs = []
    for each in rule.criteria:
        if each.role != "deterioration":
            alpha = rule.alpha / size if each.role == "success" else rule.alpha
            effect = effects.get(each.metric.name, 0.0)
            needs.append(_need(past, rule, each, effect, alpha, share))
    units = max(need.units for need in needs)
    achieved, worse = simulate_rule(past, rule, effects, units, share=share, draws=draws, seed=seed)
    days = ceil(units / units_a_day)
    return Plan(
        needs=tuple(needs),
        units=units,
        days=days,
        power=float(ships(rule, achieved, worse).mean()) * (1 - rule.alpha_quality),
        power_of={c.metric.name: float(a) for c, a in zip(rule.criteria, achieved.mean(axis=0), strict=True)},
        false_alarm=float(worse.any(axis=1).mean()),
        warnings=_warnings(past, rule, units, days, share),
    )


def simulate_rule(
    past: Moments,
    rule: Rule,
    effects: Mapping[str, float],
    units: float,
    *,
    share: float = 0.5,
    draws: int = 20_000,
    seed: int = 0,
) -> tuple[Bools, Bools]:
    """Return what criteria are achieved and what metrics are worse: bool [draws, criteria] both.

    Differences are drawn jointly normal, with the covariance that the metrics of a unit had in the past.

    Args:
        past: moments of one arm from before.
        rule: the rule; its distribution is taken as normal.
        effects: by metric, in units of the scale; of metrics that are not named, 0.
        units: in both arms together.
        share: of the units that go to the arm.
        draws: how many.
        seed: of the draws.

    Raises:
        InputError: as `plan`.
    """
    _check(past, rule, effects, 1.0, share)
    effect = np.array([effects.get(c.metric.name, 0.0) for c in rule.criteria])
    covariance = _covariance(past, [c.metric for c in rule.criteria], effect, rule.scale, share) / units
    generator = np.random.default_rng(seed)
    found = generator.multivariate_normal(effect, covariance, draws, method="eigh")
    error = np.sqrt(np.diagonal(covariance))
    sign = np.array([c.sign for c in rule.criteria])
    margin = np.array([c.margin for c in rule.criteria])
    good, bad = ndtr(-(sign * found + margin) / error), ndtr(sign * found / error)
    return verdicts(rule, np.asarray(good), np.asarray(bad))


def _check(past: Moments, rule: Rule, effects: Mapping[str, float], units_a_day: float, share: float) -> None:
    if past.axes or len(past.arms) != 1:
        raise InputError(f"past has arms {past.arms} and axes {past.axes}, must be one arm without axes")
    names = [c.metric.name for c in rule.criteria]
    if unknown := set(effects) - set(names):
        raise InputError(f"effects has {sorted(unknown)}, must be of metrics of the rule: {names}")
    if not 0 < share < 1 or not units_a_day > 0:
        raise InputError(f"share == {share} and units_a_day == {units_a_day}, must be in (0, 1) and > 0")


def _need(past: Moments, rule: Rule, criterion: Criterion, effect: float, alpha: float, share: float) -> Need:
    """Return the units at which the one-sided test has its power, by the normal approximation."""
    distance = criterion.sign * effect + criterion.margin
    if distance <= 0:
        raise InputError(
            f"{criterion.metric.name}: effect {effect:+g} with margin {criterion.margin:g} is not to be "
            "found; a success metric needs an effect in its good direction, a guardrail one within its margin"
        )
    variance = _covariance(past, [criterion.metric], np.array([effect]), rule.scale, share)[0, 0]
    quantiles = float(ndtri(1 - alpha) + ndtri(1 - rule.beta_per_test))
    return Need(
        metric=criterion.metric.name,
        level=float(levels(past, criterion.metric).value[0]),
        effect=effect,
        margin=criterion.margin,
        alpha=alpha,
        beta=rule.beta_per_test,
        units=ceil(quantiles**2 * variance / distance**2),
    )


def _covariance(past: Moments, metrics: list[Metric], effect: Floats, scale: str, share: float) -> Floats:
    """Return the covariance of differences times the units in both arms: float64 [metrics, metrics].

    Correlations are those of the past; the variance of a proportion moves with it.
    """
    columns = list(dict.fromkeys(c for m in metrics for c in (m.column, m.denominator) if c))
    part = past.select(columns)
    if np.isnan(part.scatter).any():
        raise InputError(f"past: products of {columns} are not all known; name the pairs in `products`")
    slope = np.stack([slopes_of(part, m)[0] for m in metrics])
    control = slope @ part.covariance[0] @ slope.T
    level = np.array([float(levels(part, m).value[0]) for m in metrics])
    if scale == "absolute":
        new, ratio = level + effect, np.ones(len(metrics))
    else:
        if not (level > 0).all():
            raise InputError(f"levels {level.tolist()} must be > 0 for relative effects; use absolute ones")
        new, ratio = level * (1 + effect), 1 + effect
        control = control / level[:, None] / level
    moved = np.sqrt([_moved(m, old, now) for m, old, now in zip(metrics, level, new, strict=True)])
    arm = control * moved[:, None] * moved
    return np.asarray(arm / share + control * ratio[:, None] * ratio / (1 - share))


def _moved(metric: Metric, level: float, new: float) -> float:
    if metric.kind != "proportion":
        return 1.0
    if not 0 < new < 1:
        raise InputError(f"{metric.name}: the effect makes it {new:g}, must be in (0, 1)")
    return new * (1 - new) / (level * (1 - level))


def _warnings(past: Moments, rule: Rule, units: int, days: int, share: float) -> tuple[str, ...]:
    notes = []
    for each in rule.criteria:
        if each.metric.kind == "proportion":
            level = float(levels(past, each.metric).value[0])
            events = units * min(share, 1 - share) * min(level, 1 - level)
            if events < FEW_EVENTS:
                notes.append(f"{each.metric.name}: {events:.0f} events are expected in the smaller arm")
    if days < _WEEK:
        notes.append(f"{days} days are less than a week, so days of the week do not even out")
    elif days % _WEEK:
        notes.append(f"{days} days are no whole weeks; {ceil(days / _WEEK) * _WEEK} would be")
    return tuple(notes)
