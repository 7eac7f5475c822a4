"""What estimators that weigh outcomes share: the doubly robust correction, and the doubts about weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from numpy.typing import ArrayLike

from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.diagnostics.overlap import Overlap, Thresholds, overlap
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.estimators.shrinkage import Shrinkage, shrink
from homing.evaluation.inputs import Floats, finite, policy_mean, weights

User = ArrayLike | Clusters | None

#: Shrinkage that takes more of the weight than this biases the value by more than can go unsaid.
_MOST_TAKEN: Final = 0.05


def used_weights(weight: Floats, shrinkage: Shrinkage | None) -> Floats:
    """Return the weights that outcomes are multiplied with: float64 [n]."""
    return weight if shrinkage is None else shrink(weight, shrinkage)


def doubly_robust_terms(
    reward: ArrayLike,
    weight: ArrayLike,
    target_probability: ArrayLike,
    prediction: ArrayLike,
    prediction_of_choice: ArrayLike,
    offsets: ArrayLike,
    user: User,
) -> tuple[Floats, Floats, Floats, Clusters]:
    """Return, by row, the target's mean prediction, the weight, and outcome less prediction; and the users.

    Raises:
        InputError: as `homing.evaluation.dr`.
    """
    outcome = finite("reward", reward)
    rows = len(outcome)
    checked = weights("weight", weight, rows)
    of_choice = finite("prediction_of_choice", prediction_of_choice, rows)
    predicted = finite("offsets", policy_mean(target_probability, prediction, offsets), rows)
    return predicted, checked, outcome - of_choice, cluster(user, rows)


def weighted_estimate(
    name: str,
    ratios: Sequence[Ratio],
    weight: Floats,
    groups: Clusters,
    confidence: float,
    thresholds: Thresholds | None,
    *,
    needs_overlap: bool,
    shrinkage: Shrinkage | None = None,
) -> Estimate:
    """Return `estimate_from` with what the weights give reason to doubt.

    Args:
        name: of the estimator.
        ratios: at least one, each float64 [users] by [users].
        weight: float64 [n], before they are shrunk.
        groups: whose users these are.
        confidence: of the interval.
        thresholds: when to warn; None: the configuration's defaults.
        needs_overlap: whether the value is unknown when every weight that is used is 0.
        shrinkage: of the weights; the effective size is that of the shrunk ones.
    """
    limits = thresholds or Thresholds()
    found = overlap(weight, groups)
    notes: list[str] = []
    if shrinkage is None or found.effective_size == 0:
        notes.extend(found.warnings(limits))
    else:
        shrunk = used_weights(weight, shrinkage)
        taken = 1 - float(shrunk.sum() / weight.sum())
        # propensities are judged by the weights as they were: shrunk ones need not average 1
        found = replace(
            overlap(shrunk, groups), mean_weight=found.mean_weight, mean_weight_error=found.mean_weight_error
        )
        notes.extend(found.warnings(limits) if found.effective_size else ())
        if taken > _MOST_TAKEN:
            notes.append(
                f"shrinkage ({shrinkage}) takes {taken:.0%} of the weight, and the interval does not show "
                "the bias of that"
            )
    label = name if shrinkage is None else f"{name} ({shrinkage})"
    return estimate_of_overlap(label, ratios, found, notes, groups, confidence, needs_overlap=needs_overlap)


def estimate_of_overlap(
    name: str,
    ratios: Sequence[Ratio],
    found: Overlap,
    doubts: Sequence[str],
    groups: Clusters,
    confidence: float,
    *,
    needs_overlap: bool,
) -> Estimate:
    """Return `estimate_from` with the overlap of weights that need not be at hand any more.

    Args:
        name: of the estimator.
        ratios: at least one, each float64 [users] by [users].
        found: overlap of the weights.
        doubts: what it gives reason to doubt.
        groups: whose users these are.
        confidence: of the interval.
        needs_overlap: whether the value is unknown when every weight is 0.
    """
    notes = list(doubts)
    nothing = found.effective_size == 0
    if nothing and not needs_overlap:
        notes.append("the value is the predictions' alone; no outcome has corrected them")
    return estimate_from(
        name,
        ratios,
        groups,
        confidence=confidence,
        effective_size=found.effective_size,
        max_weight=found.max_weight,
        warnings=notes,
        known=not (nothing and needs_overlap),
    )
