"""Importance sampling over trajectories.

Notation: ratio_t = pi(a_t | s_t) / p_t; w_{0:t} their product up to t; R = sum_t discount^t r_t. Values are
per trajectory. An absorbed trajectory goes on in an absorbing state without choices, so its weight stays
what it was: sums of weights at step t are over all trajectories, also those that have ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.evaluation.clusters import sums_by
from homing.evaluation.diagnostics.overlap import Overlap, Thresholds, overlap
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.inputs import SUM_TOLERANCE, Floats
from homing.evaluation.sequential.trajectories import Trajectories

#: Ratios average 1 when propensities are right; a mean this many standard errors away is a fault.
_MEAN_RATIO_Z: Final = 4.0


@dataclass(frozen=True)
class StepOverlap:
    """What of the log is left for the target at each step; all [T]."""

    going: NDArray[np.int64]  # trajectories that have a decision at this step
    effective_size: Floats  # trajectories, (sum w)^2 / sum w^2 over all; 0 where every weight is 0
    max_weight: Floats
    mean_weight: Floats  # 1 in expectation


def trajectory_is(
    log: Trajectories, *, confidence: float = 0.95, thresholds: Thresholds | None = None
) -> Estimate:
    """Return `mean_i w_{0:L_i - 1} R_i` (Precup, Sutton & Singh 2000; unbiased).

    Args:
        log: without cut trajectories.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Returns:
        Value per trajectory; NaN with a warning where every weight is 0.

    Raises:
        InputError: a trajectory is cut, or the weights overflow.
    """
    log.refuse_cut("trajectory_is")
    returns = np.add.reduceat(log.discounts * log.reward, log.offsets[:-1])
    ratio = Ratio(log.groups.sums(log.weight[log.last] * returns), log.groups.counts)
    return weighted("trajectory_is", [ratio], log, confidence, thresholds)


def weighted_trajectory_is(
    log: Trajectories, *, confidence: float = 0.95, thresholds: Thresholds | None = None
) -> Estimate:
    """Return `sum_i w_i R_i / sum_i w_i` with `w_i = w_{0:L_i - 1}` (Precup, Sutton & Singh 2000).

    Consistent, with a bias of order 1/n. Arguments, result and errors as for `trajectory_is`.
    """
    log.refuse_cut("weighted_trajectory_is")
    final = log.weight[log.last]
    returns = np.add.reduceat(log.discounts * log.reward, log.offsets[:-1])
    ratio = Ratio(log.groups.sums(final * returns), log.groups.sums(final))
    return weighted("weighted_trajectory_is", [ratio], log, confidence, thresholds)


def per_decision_is(
    log: Trajectories, *, confidence: float = 0.95, thresholds: Thresholds | None = None
) -> Estimate:
    """Return `mean_i sum_t discount^t w_{0:t} r_t` (Precup, Sutton & Singh 2000; unbiased).

    A reward is weighted by the choices before it only, so its variance is below `trajectory_is`' as a rule.
    Arguments, result and errors as for `trajectory_is`.
    """
    log.refuse_cut("per_decision_is")
    ratio = Ratio(log.totals(log.discounts * log.weight * log.reward), log.groups.counts)
    return weighted("per_decision_is", [ratio], log, confidence, thresholds)


def weighted_per_decision_is(
    log: Trajectories, *, confidence: float = 0.95, thresholds: Thresholds | None = None
) -> Estimate:
    """Return `sum_t discount^t (sum_i w_{0:t} r_t) / (sum_i w_{0:t})`, self-normalised at each step.

    The consistent form (CWPDIS) of Thomas (2015), Safe reinforcement learning, after Precup, Sutton & Singh
    (2000). Memory is 16 bytes x T x users. Arguments, result and errors as for
    `trajectory_is`.
    """
    log.refuse_cut("weighted_per_decision_is")
    above = log.totals_by_step(log.discounts * log.weight * log.reward)
    below = weights_by_step(log)
    ratios = [Ratio(*pair) for pair in zip(above, below, strict=True)]
    return weighted("weighted_per_decision_is", ratios, log, confidence, thresholds)


def overlap_by_step(log: Trajectories) -> StepOverlap:
    """Return effective size, largest and mean weight w_{0:t} at each step, over all trajectories.

    Weights of trajectories that have ended stay in, as in the estimators.

    Raises:
        InputError: the weights overflow.
    """
    going = np.bincount(log.step, minlength=log.steps)
    total = _over_all(log, log.weight)
    squares = _over_all(log, log.weight**2)
    largest = np.zeros(log.steps)
    np.maximum.at(largest, log.step, log.weight)
    ended = np.zeros(log.steps + 1)
    np.maximum.at(ended, log.length, log.weight[log.last])
    size = np.divide(total**2, squares, out=np.zeros(log.steps), where=squares > 0)
    return StepOverlap(
        going=going,
        effective_size=size,
        max_weight=np.maximum(largest, np.maximum.accumulate(ended[:-1])),
        mean_weight=total / len(log),
    )


def weights_by_step(log: Trajectories) -> Floats:
    """Return the sum of w_{0:t} by step and user, with those that have ended: float64 [T, users]."""
    users = len(log.groups)
    table = log.totals_by_step(log.weight)
    short = log.length < log.steps
    if short.any():
        cell = log.length[short] * users + log.owner[short]
        ended = sums_by(cell, log.weight[log.last[short]], log.steps * users)
        table += np.cumsum(ended.reshape(log.steps, users), axis=0)
    return table


def weighted(
    name: str,
    ratios: Sequence[Ratio],
    log: Trajectories,
    confidence: float,
    thresholds: Thresholds | None,
    *,
    needs_overlap: bool = True,
    warnings: Sequence[str] = (),
) -> Estimate:
    """Return the estimate of these ratios, with the overlap of the last step and warnings of it.

    `decisions` and `effective_size` count trajectories.
    """
    final = log.weight[log.last]
    found = overlap(final, log.groups)
    nothing = found.effective_size == 0
    notes = [*overlap_warnings(found, log.steps, thresholds or Thresholds()), *ratio_note(log), *warnings]
    if nothing and not needs_overlap:
        notes.append("the value of later steps is the predictions' alone; no outcome has corrected them")
    return estimate_from(
        name,
        ratios,
        log.groups,
        confidence=confidence,
        effective_size=found.effective_size,
        max_weight=float(log.weight.max()),
        warnings=notes,
        known=not (nothing and needs_overlap),
    )


def overlap_warnings(found: Overlap, steps: int, thresholds: Thresholds) -> tuple[str, ...]:
    """Return what is wrong with weights of trajectories, in plain sentences, the worst first."""
    count, size = found.decisions, found.effective_size
    if size == 0:
        return (f"no overlap: the target never acts as any of the {count:,} trajectories did to the end",)
    notes = []
    if size < thresholds.min_effective_size or found.effective_share < thresholds.min_effective_share:
        notes.append(
            f"thin overlap: after {steps:,} steps {count:,} trajectories count for {size:,.1f} (at least "
            f"{thresholds.min_effective_size:,.0f} and {thresholds.min_effective_share:.2%} are needed; the "
            f"largest weight is {found.max_weight:,.1f}); do not trust it"
        )
    return tuple(notes)


def ratio_note(log: Trajectories) -> tuple[str, ...]:
    """Return a warning where the ratios of single decisions do not average 1, as they do in every state."""
    total, decisions = log.totals(log.ratio), log.totals(np.ones(len(log.ratio)))
    mean = Ratio(total, decisions)
    users = len(total)
    if users < 2:
        return ()
    error = math.sqrt(users / (users - 1) * float(mean.influence @ mean.influence))
    if abs(mean.value - 1) <= max(_MEAN_RATIO_Z * error, SUM_TOLERANCE):
        return ()
    return (
        f"the ratios of target probability to propensity average {mean.value:.4f} ± {error:.4f} and not 1: "
        "propensities are wrong, or the target does what the log could not",
    )


def _over_all(log: Trajectories, values: Floats) -> Floats:
    """Return the sum by step, the last value of those that have ended standing in: float64 [T]."""
    ended = sums_by(log.length, values[log.last], log.steps + 1)[:-1]
    return sums_by(log.step, values, log.steps) + np.cumsum(ended)
