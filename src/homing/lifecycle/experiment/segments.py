"""For whom is the effect another one, and does it depend on what else was tried? Differences of differences.

Both compare an arm's effect among some users with its effect among others, who share nobody, so variances
add. All comparisons of one kind, over metrics, arms and looks together, are corrected by Holm's procedure;
their intervals are those of Bonferroni, which are a little wider than its decisions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from homing.experiments import Difference, Interaction, Moments, difference, interaction
from homing.lifecycle.experiment.looking import Look, holm
from homing.lifecycle.experiment.measuring import Layout, Measured
from homing.lifecycle.experiment.splitting import beside, parts_by_arm
from homing.report.experiment import Crossing, Segment
from homing.report.facts import Estimate
from homing.schema.experiment import Design
from homing.schema.experiment_record import Record

ALPHA: Final = 0.05  # of any false difference, among all comparisons of one kind
FEWEST: Final = 60  # users in a segment, both arms together; smaller ones are put together
_MOST: Final = 12  # segments of a split; the rest is one more
_OTHER: Final = "(other)"
_REST: Final = "all others"


def segments_of(design: Design, measured: Measured, layout: Layout, look: Look) -> tuple[Segment, ...]:
    """Return the effect on success metrics and guardrails in each segment, beside that in all others."""
    pairs = []
    for column in design.segments:
        parts = gathered(measured.splits.get(column, {}))
        for name, part in parts.items() if len(parts) > 1 else ():
            rest = _sum([each for other, each in parts.items() if other != name])
            pairs.append((column, name, beside(column, {_REST: rest, name: part}, layout)))
    compared = [(pair, *each) for pair in pairs for each in _compared(design)]
    alone, together = _confidences(look, len(compared))
    found = []
    for (column, name, pair), metric, arm in compared:
        seen = _interaction(design, measured, pair, metric, arm, name, _REST, together)
        effect = _effect(design, measured, pair.at(column, name), metric, arm, alone)
        found.append(
            Segment(
                column=column,
                name=name,
                metric=metric,
                arm=arm,
                users=round(float(effect.count + effect.control_count)),
                effect=Estimate(float(effect.value), float(effect.low), float(effect.high)),
                rest=float(seen.alone),
                difference=_estimate(seen),
                p_value=float(seen.p_value),
                differs=False,
            )
        )
    tested = holm(look, [each.p_value for each in found], ALPHA)
    return tuple(dataclasses.replace(each, differs=yes) for each, yes in zip(found, tested, strict=True))


def crossings_of(
    design: Design, measured: Measured, layout: Layout, look: Look, others: Sequence[Record]
) -> tuple[Crossing, ...]:
    """Return how effects on success metrics and guardrails depend on the arms of experiments beside this one.

    Args:
        design: of the experiment that is read.
        measured: with its moments by the arms of the others.
        layout: of its columns.
        look: at which it is read.
        others: experiments with users of this one.
    """
    pairs = []
    for other in others:
        parts = parts_by_arm(measured, other)
        control = other.design.control
        for name in other.design.treatments if control in parts else ():
            if name in parts:
                pair = beside(other.name, {control: parts[control], name: parts[name]}, layout)
                pairs.append((other, name, pair))
    compared = [(pair, *each) for pair in pairs for each in _compared(design)]
    _, together = _confidences(look, len(compared))
    found = []
    for (other, name, pair), metric, arm in compared:
        control = other.design.control
        seen = _interaction(design, measured, pair, metric, arm, name, control, together)
        arms = [pair.arm(each) for each in (arm, design.control)]
        found.append(
            Crossing(
                other=other.name,
                other_arm=name,
                other_control=control,
                metric=metric,
                arm=arm,
                users=round(float(pair.count[:, arms].sum())),
                alone=float(seen.alone),
                together=float(seen.together),
                difference=_estimate(seen),
                p_value=float(seen.p_value),
                differs=False,
            )
        )
    tested = holm(look, [each.p_value for each in found], ALPHA)
    return tuple(dataclasses.replace(each, differs=yes) for each, yes in zip(found, tested, strict=True))


def gathered(parts: Mapping[str, Moments]) -> dict[str, Moments]:
    """Return parts with users enough, the largest first; all others are put together, or left out if few."""
    users = {name: float(part.count.sum()) for name, part in parts.items()}
    order = sorted(parts, key=lambda name: (-users[name], name))
    kept = [name for name in order if users[name] >= FEWEST][:_MOST]
    rest = [name for name in order if name not in kept]
    found = {name: parts[name] for name in kept}
    if sum(users[name] for name in rest) >= FEWEST:
        found[_OTHER] = _sum([parts[name] for name in rest])
    return found


def _confidences(look: Look, many: int) -> tuple[float, float]:
    """Return the confidence of an interval at this look, alone and together with `many` of its kind."""
    return 1 - 2 * look.nominal(ALPHA / 2), 1 - 2 * look.nominal(ALPHA / 2 / max(many, 1))


def _compared(design: Design) -> list[tuple[str, str]]:
    """Return the metrics that are compared, with the arms in which they are."""
    main = [name for name, metric in design.metrics.items() if metric.role != "monitor"]
    return [(name, arm) for name in main for arm in design.treatments]


def _interaction(
    design: Design,
    measured: Measured,
    pair: Moments,
    metric: str,
    arm: str,
    label: str,
    against: str,
    confidence: float,
) -> Interaction:
    return interaction(
        pair,
        measured.metrics[metric],
        arm,
        pair.axes[0].name,
        label,
        control=design.control,
        other_control=against,
        scale="log" if design.scale == "relative" else "absolute",
        confidence=confidence,
    )


def _effect(
    design: Design, measured: Measured, part: Moments, metric: str, arm: str, confidence: float
) -> Difference:
    return difference(
        part,
        measured.metrics[metric],
        arm,
        design.control,
        scale="delta" if design.scale == "relative" else "absolute",
        confidence=confidence,
    )


def _estimate(seen: Interaction) -> Estimate:
    return Estimate(float(seen.value), float(seen.low), float(seen.high))


def _sum(parts: Sequence[Moments]) -> Moments:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
