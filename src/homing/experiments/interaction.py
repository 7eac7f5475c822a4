"""Experiments that ran at the same time: does what one does depend on the arm of the other?

Users who are in both are in a cross of arms. Split the moments of one experiment by the arm in the other, as
`from_table(table, columns, by=["the other arm"])` does, and an interaction is the difference of differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from homing.experiments.differences import difference, quantile, tail
from homing.experiments.metrics import Metric
from homing.experiments.moments import Floats, Moments
from homing.experiments.multiple import Correction, adjusted_p_values
from homing.schema.errors import InputError

InteractionScale = Literal["absolute", "log"]


@dataclass(frozen=True)
class Interaction:
    """How an arm's effect differs between an arm of another experiment and its control, float64 []."""

    metric: str
    arm: str
    other: str  # the other experiment and its arm
    scale: InteractionScale
    alone: Floats  # effect of the arm under the other's control; `log`: relative
    together: Floats  # effect of the arm under the other's arm
    value: Floats  # together - alone; `log`: (1 + together) / (1 + alone) - 1
    std_error: Floats  # on the scale; for `log`, of the log ratio
    low: Floats
    high: Floats
    p_value: Floats  # of no interaction, two-sided
    adjusted_p_value: Floats  # of all pairs together, by the correction; that of `interaction` is of one
    degrees: Floats  # of freedom (Welch and Satterthwaite)


def interaction(
    moments: Moments,
    metric: Metric,
    arm: str,
    axis: str,
    other_arm: str,
    *,
    control: str = "control",
    other_control: str = "control",
    scale: InteractionScale = "absolute",
    confidence: float = 0.95,
) -> Interaction:
    """Return the difference of differences over a cross of arms.

    With means m of (arm, other arm), `absolute` is (m11 - m01) - (m10 - m00) and `log` is
    m11 m00 / (m01 m10) - 1: no interaction means that effects add, or that they multiply. Where both
    experiments have effects, only one of these can hold, so the scale is chosen before. Variances of the four
    cells add, with the degrees of freedom of Welch (1947) and Satterthwaite (1946). That is four times the
    variance of a main effect in the same users where shares are halves: small interactions are not seen.

    Args:
        moments: of one experiment, by the arm in the other.
        metric: what to compare.
        arm: of the experiment.
        axis: the other experiment.
        other_arm: a label of `axis`.
        control: of the experiment.
        other_control: a label of `axis`.
        scale: on which effects would add up, `absolute` or `log`.
        confidence: of the interval.

    Raises:
        InputError: axes other than `axis`, unknown names, arms that are their own control, or an option
            outside its range.
    """
    if tuple(each.name for each in moments.axes) != (axis,):
        names = [each.name for each in moments.axes]
        raise InputError(f"moments have axes {names}, must be [{axis!r}]; take `total` of others")
    if scale not in get_args(InteractionScale):
        raise InputError(f"scale == {scale!r}, must be one of {get_args(InteractionScale)}")
    if other_arm == other_control:
        raise InputError(f"other_arm == other_control == {other_arm!r}, must be two labels of {axis}")
    one, zero = (
        difference(moments.at(axis, label), metric, arm, control, scale=scale, confidence=confidence)
        for label in (other_arm, other_control)
    )
    made = np.log1p if scale == "log" else np.asarray
    value = np.asarray(made(one.value) - made(zero.value))
    parts = np.stack([one.std_error**2, zero.std_error**2])
    variance = parts.sum(axis=0)
    degrees = np.asarray(variance**2 / (parts**2 / np.stack([one.degrees, zero.degrees])).sum(axis=0))
    error = np.sqrt(variance)
    reach = quantile(confidence, degrees, "two-sided") * error
    p = tail(np.asarray(value / error), degrees, "two-sided")
    back = np.expm1 if scale == "log" else np.asarray
    return Interaction(
        metric=metric.name,
        arm=arm,
        other=f"{axis}: {other_arm}",
        scale=scale,
        alone=zero.value,
        together=one.value,
        value=np.asarray(back(value)),
        std_error=error,
        low=np.asarray(back(value - reach)),
        high=np.asarray(back(value + reach)),
        p_value=p,
        adjusted_p_value=p,
        degrees=degrees,
    )


def interactions(
    crosses: Mapping[str, Moments],
    metric: Metric,
    *,
    control: str = "control",
    scale: InteractionScale = "absolute",
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> tuple[Interaction, ...]:
    """Return every interaction of arms over pairs of experiments, the smallest p-value first.

    Args:
        crosses: by the name of an axis, the moments of one experiment by the arm in another; each pair of
            experiments once. All have a control of one name.
        metric: what to compare.
        control: of all experiments.
        scale: as in `interaction`.
        correction: over all interactions; intervals stay those of one unless it is `bonferroni`.
        confidence: of all intervals together with `bonferroni`, else of each.

    Raises:
        InputError: as `interaction`, no cross with two arms each, or an unknown correction.
    """
    pairs = [
        (axis, arm, label)
        for axis, moments in crosses.items()
        for arm in moments.arms
        for label in moments.axes[moments.axis(axis)].labels
        if control not in {arm, label}
    ]
    if not pairs:
        raise InputError(f"crosses has {list(crosses)}, of which none has arms besides {control!r}")
    each = 1 - (1 - confidence) / len(pairs) if correction == "bonferroni" else confidence
    found = [
        interaction(
            crosses[axis],
            metric,
            arm,
            axis,
            label,
            control=control,
            other_control=control,
            scale=scale,
            confidence=each,
        )
        for axis, arm, label in pairs
    ]
    adjusted = adjusted_p_values([float(one.p_value) for one in found], correction)
    every = [replace(one, adjusted_p_value=np.asarray(p)) for one, p in zip(found, adjusted, strict=True)]
    return tuple(sorted(every, key=lambda one: float(np.nan_to_num(one.p_value, nan=2.0))))
