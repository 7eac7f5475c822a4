"""Weights of a state and a choice, instead of all choices that led there.

The density of a transition says how much more often the target would be there than the log was, discount
included. With a horizon, `omega_t(s, a) = discount^t P_target(s_t = s, a_t = a) / P_log(s_t = s, a_t = a)`;
without one, `omega(s, a) = sum_t discount^t P_target(s_t = s, a_t = a) / sum_t P_log(s_t = s, a_t = a)`,
steps taken together. Either way the mean over trajectories of `sum_t omega r_t` is the target's value. That
holds where the state tells all of the past that matters, which products of ratios do not need; in return
densities do not grow with every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.cross_fit import cross_fit
from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, finite, one_dimensional
from homing.evaluation.sequential.choices import Rows
from homing.evaluation.sequential.doubly_robust import Predictions, corrected
from homing.evaluation.sequential.importance import ratio_note
from homing.evaluation.sequential.trajectories import Trajectories
from homing.schema.errors import InputError


def double_reinforcement(
    log: Trajectories,
    predicted: Predictions,
    density: ArrayLike,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i [v(s_0) + sum_t omega_t (r_t + discount v(s_{t+1}) - q(s_t, a_t))]`.

    Double reinforcement learning: Kallus & Uehara (2020), Double reinforcement learning for efficient
    off-policy evaluation in Markov decision processes, their Markov model. Consistent when densities or q
    are right, and efficient when both are; both must be from other users (`fold`).

    Args:
        log: of m transitions.
        predicted: from `fitted_q` or `predictions`.
        density: float [m], from `state_density` or `linear_density`.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Returns:
        Value per trajectory; `effective_size` is that of the densities, in trajectories of mean length. Where
        every density is 0 it equals `direct`, and a warning says so.

    Raises:
        InputError: densities are not finite, or of another length.
    """
    omega = finite("density", density, len(log.reward))
    numerator = corrected(log, predicted, omega)
    return density_estimate(
        "double_reinforcement", numerator, log, omega, confidence, thresholds, needs_overlap=False
    )


def density_estimate(
    name: str,
    numerator: Floats,
    log: Trajectories,
    density: Floats,
    confidence: float,
    thresholds: Thresholds | None,
    *,
    needs_overlap: bool = True,
) -> Estimate:
    """Return `sum(numerator) / n` with what can be said about the densities.

    Args:
        name: of the estimator.
        numerator: float64 [users].
        log: of n trajectories.
        density: float64 [m].
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.
        needs_overlap: whether the value is not known where every density is 0.
    """
    limits = thresholds or Thresholds()
    squares = float(density @ density)
    size = float(density.sum()) ** 2 / squares * len(log) / len(density) if squares else 0.0
    notes = list(ratio_note(log))
    if not squares:
        alone = "" if needs_overlap else "; the value is the predictions' alone"
        notes.insert(
            0, f"no overlap: the target never acts as the log of {len(log):,} trajectories did{alone}"
        )
    elif size < max(limits.min_effective_size, limits.min_effective_share * len(log)):
        notes.insert(
            0,
            f"thin overlap: {len(log):,} trajectories count for {size:,.1f} (at least "
            f"{limits.min_effective_size:,.0f} and {limits.min_effective_share:.2%} are needed; the largest "
            f"density is {density.max():,.1f}); do not trust it",
        )
    return estimate_from(
        name,
        [Ratio(numerator, log.groups.counts)],
        log.groups,
        confidence=confidence,
        effective_size=size,
        max_weight=float(density.max()),
        warnings=notes,
        known=squares > 0 or not needs_overlap,
    )


def fold_of_trajectory(log: Trajectories, fold: ArrayLike) -> NDArray[Any]:
    """Return the fold of each trajectory [n].

    Raises:
        InputError: another length, or a user is in several.
    """
    part = one_dimensional("fold", fold, len(log))
    first = np.empty(len(log.groups), part.dtype)
    first[log.owner] = part
    if (first[log.owner] != part).any():
        raise InputError("fold parts a user's trajectories, which must all be in one; see `folds_by_user`")
    return part


def by_fold(
    log: Trajectories, fold: ArrayLike | None, fit: Callable[[Rows], Callable[[Rows], Floats]]
) -> Floats:
    """Return one number a transition from a fit on other users' transitions: float64 [m].

    Args:
        log: of m transitions and n trajectories.
        fold: integer [n], or None: fitted on the whole log.
        fit: takes rows to fit on, returns a function of rows.
    """
    if fold is None:
        everything = np.arange(len(log.reward))
        return fit(everything)(everything)
    part = fold_of_trajectory(log, fold)
    return cross_fit(part[log.trajectory], lambda train, wanted: fit(train)(wanted))
