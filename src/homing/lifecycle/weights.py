"""What other weights would do: the same model's values, weighed otherwise, and valued on the log.

Values of candidates are vectors, so any weights give a policy at once. One weight at a time is multiplied;
the temperature goes along, so that every policy explores as much as the deployed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from homing import evaluation
from homing.decision import Softmax, best_share, resolve_temperature, utility
from homing.evaluation import simultaneous
from homing.evaluation.estimate import FEW_USERS
from homing.lifecycle.estimates import Target, doubly_robust, shown, targets, worth
from homing.lifecycle.release import Release
from homing.lifecycle.train import values_on_calibration
from homing.lifecycle.valuation import Valued
from homing.report.facts import Estimate, PointValue, TradeOffs, WeightPoint, WeightSweep
from homing.schema import Config
from homing.store import Workspace

#: By which a weight is multiplied; 1 is the deployed policy.
FACTORS: Final = (0.0, 0.25, 0.5, 2.0, 4.0, 8.0)
_SAMPLE: Final = 5_000  # decisions on which temperatures are found
_RESAMPLES: Final = 1_000  # of the quantile that makes intervals hold together


@dataclass(frozen=True)
class Reweighted:
    """The deployed policy with one weight multiplied."""

    objective: int
    factor: float
    policy: Softmax


def weight_family(workspace: Workspace, release: Release) -> tuple[Reweighted, ...]:
    """Return the deployed policy with each weight that is not 0 multiplied by each factor but 1.

    The temperature is the one at which the best candidate of a set is as likely, on average over calibration
    decisions, as with the deployed weights: what training would set with `exploration.temperature = "auto"`.

    Args:
        workspace: whose log has the calibration decisions.
        release: the deployed policy, with its model.

    Returns:
        Nothing where fewer than two objectives have a weight: only their ratios matter.
    """
    weighted = np.flatnonzero(release.weights).tolist()
    if len(weighted) < 2:
        return ()
    values, offsets = values_on_calibration(workspace, release.view, release.model, release.split, _SAMPLE)
    choice = bool((np.diff(offsets) > 1).any())
    wanted = best_share(utility(values, release.weights), offsets, release.temperature) if choice else 1.0

    def reweighted(objective: int, factor: float) -> Reweighted:
        weights = release.weights
        weights[objective] *= factor
        temperature = release.temperature
        if choice:
            temperature = resolve_temperature(utility(values, weights), offsets, wanted)
        name = f"{release.objectives[objective]} x {factor:g}"
        return Reweighted(
            objective, factor, Softmax(name, weights, temperature, release.config.exploration.floor)
        )

    return tuple(reweighted(k, factor) for k in weighted for factor in FACTORS)


def weight_sweeps(
    config: Config,
    release: Release,
    valued: Valued,
    learned: int,
    family: Sequence[Reweighted],
    first: int,
) -> TradeOffs | None:
    """Return what every policy of the family brings, by objective.

    Values are doubly robust and changes are paired by user. Intervals of one objective's values hold for all
    points together, and so do those of its changes (`simultaneous`): a point may be picked by them, and what
    they say of it still holds.

    Args:
        config: the workspace's, horizons as windows.
        release: whose weights are multiplied.
        valued: held-out decisions.
        learned: the deployed policy's place among those that were valued.
        family: from `weight_family`.
        first: place of its first policy among those that were valued.

    Returns:
        None where there is no family, or the outcome of some objective is known of no decision.
    """
    aims = targets(config, release, valued)
    if not family or not all(target.known.any() for target in aims):
        return None
    places = [learned, *range(first, first + len(family))]
    columns = [_column(config, valued, target, places) for target in aims]
    here = Reweighted(0, 1.0, release.policy())

    def point(place: int, one: Reweighted, objective: int) -> WeightPoint:
        found = [column[place] for column in columns]
        return WeightPoint(
            factor=one.factor,
            weight=abs(float(one.policy.weights[objective])),
            temperature=one.policy.temperature,
            send_share=float(valued.send[:, places[place]].mean(dtype=np.float64)),
            values=tuple(value for value, _ in found),
            doubt=next((doubt for _, doubt in found if doubt), ""),
        )

    sweeps = []
    for objective in sorted({one.objective for one in family}):
        points = [point(0, here, objective)]
        points += [
            point(place, one, objective) for place, one in enumerate(family, 1) if one.objective == objective
        ]
        points.sort(key=lambda one: one.factor)
        sweeps.append(WeightSweep(release.objectives[objective], tuple(points)))
    return TradeOffs(tuple(sweeps), config.evaluation.confidence, _rare(valued, aims))


def _column(
    config: Config, valued: Valued, target: Target, places: Sequence[int]
) -> list[tuple[PointValue, str]]:
    """Return one objective under each policy, the deployed one first, each with what speaks against it."""
    values = doubly_robust(config, valued, target, places)
    gaps = [evaluation.difference(value, values[0]) for value in values[1:]]
    held, moved = (
        simultaneous(found, config.evaluation.confidence, _RESAMPLES, config.training.seed)
        for found in (values, gaps)
    )
    here = PointValue(target.name, shown(held[0]), Estimate(0.0, 0.0, 0.0), "reference")
    others = [
        PointValue(
            target.name,
            shown(value),
            shown(gap),
            evaluation.judge(gap, gap.warnings, target.direction).judgement,
        )
        for value, gap in zip(held[1:], moved, strict=True)
    ]
    doubts = [value.warnings[0] if value.warnings else "" for value in values]
    return list(zip([here, *others], doubts, strict=True))


def _rare(valued: Valued, aims: Sequence[Target]) -> tuple[str, ...]:
    """Return the objectives whose outcome is other than 0 for too few users to know how far it reaches."""

    def users(target: Target) -> int:
        happened = worth(valued.outcome[target.known], target.weights) != 0
        return len(np.unique(valued.user[target.known][happened]))

    return tuple(target.name for target in aims if target.spec is not None and users(target) < FEW_USERS)
