"""Predictions of what is still to come, corrected by what came.

Notation: q(s, a) predicts the discounted rewards from s on when a is taken and the target acts afterwards,
v(s) = sum_a pi(a | s) q(s, a). With a finite horizon both depend on the step, too. The correction of one
transition is its temporal difference, `delta_t = r_t + discount v(s_{t+1}) - q(s_t, a_t)`, which averages 0
where q is right. v after an absorbing end, or at the horizon, is 0; v after a cut is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, finite, one_dimensional
from homing.evaluation.sequential.importance import weighted, weights_by_step
from homing.evaluation.sequential.trajectories import Trajectories
from homing.schema.errors import InputError


@dataclass(frozen=True)
class Predictions:
    """Checked predictions for the transitions of a log. Build it with `predictions` or `fitted_q`."""

    of_choice: Floats  # [m] q(s_t, a_t) of the logged action
    state: Floats  # [m] v(s_t)
    end: Floats  # [n] v after the last transition; 0 unless cut


def predictions(
    log: Trajectories, of_choice: ArrayLike, state: ArrayLike, end: ArrayLike | None = None
) -> Predictions:
    """Check predictions against a log.

    They must not have seen the users that they predict (`fitted_q` with folds sees to that).

    Args:
        log: of m transitions and n trajectories.
        of_choice: float [m], q(s_t, a_t), in units of the outcome.
        state: float [m], v(s_t).
        end: float [n], v of the state that each trajectory was cut in; not looked at for others. None where
            no trajectory is cut.

    Raises:
        InputError: lengths differ, values are not finite, or trajectories are cut and `end` is missing.
    """
    m = len(log.reward)
    after = np.zeros(len(log))
    if log.cut.any():
        if end is None:
            raise InputError(
                f"end is missing: {np.count_nonzero(log.cut):,} of {len(log):,} trajectories are cut by the "
                "end of the log; give v of the states that they were cut in, or shorten the horizon "
                "(`first_steps`)"
            )
        after = finite("end", np.where(log.cut, one_dimensional("end", end, len(log)), 0.0))
    return Predictions(finite("of_choice", of_choice, m), finite("state", state, m), after)


def temporal_differences(log: Trajectories, predicted: Predictions) -> Floats:
    """Return `r_t + discount v(s_{t+1}) - q(s_t, a_t)`: float64 [m]."""
    following = log.following(predicted.state, predicted.end)
    return log.reward + log.discount * following - predicted.of_choice


def corrected(log: Trajectories, predicted: Predictions, density: Floats) -> Floats:
    """Return `v(s_0) + sum_t density_t delta_t`, summed over each user's trajectories: float64 [users].

    Args:
        log: of m transitions.
        predicted: for them.
        density: float64 [m], what each transition's correction counts, discount included.
    """
    first = log.groups.sums(predicted.state[log.offsets[:-1]])
    return first + log.totals(density * temporal_differences(log, predicted))


def direct(log: Trajectories, predicted: Predictions, *, confidence: float = 0.95) -> Estimate:
    """Return `mean_i v(s_0)`: with `fitted_q`, fitted Q evaluation (Le, Voloshin & Yue 2019).

    It is as good as the predictions. The interval is about which users were sampled; the predictions' own
    error is not in it, however large.

    Args:
        log: of n trajectories.
        predicted: for its transitions.
        confidence: of the interval.
    """
    ratio = Ratio(log.groups.sums(predicted.state[log.offsets[:-1]]), log.groups.counts)
    return estimate_from("direct", [ratio], log.groups, confidence=confidence)


def doubly_robust(
    log: Trajectories,
    predicted: Predictions,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i [v(s_0) + sum_t discount^t w_{0:t} delta_t]`.

    The recursion of Jiang & Li (2016), unrolled. Unbiased when propensities are right, whatever q is;
    consistent when q is. Cut trajectories are unbiased only as far as v of their ends is.

    Args:
        log: of trajectories.
        predicted: for its transitions.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Returns:
        Value per trajectory. Where every weight is 0 in the end, a warning says so.

    Raises:
        InputError: the weights overflow.
    """
    ratio = Ratio(corrected(log, predicted, log.discounts * log.weight), log.groups.counts)
    return weighted(
        "doubly_robust", [ratio], log, confidence, thresholds, needs_overlap=False, warnings=_cut_note(log)
    )


def weighted_doubly_robust(
    log: Trajectories,
    predicted: Predictions,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i v(s_0) + sum_t discount^t (sum_i w_{0:t} delta_t) / (sum_i w_{0:t})`.

    Thomas & Brunskill (2016), weighted doubly robust, with the terms of one denominator together.
    Consistent, with a bias of order 1/n; memory is 16 bytes x T x users. Arguments and errors as for
    `doubly_robust`.

    Returns:
        Value per trajectory; NaN with a warning where every weight is 0 at some step.
    """
    first = Ratio(log.groups.sums(predicted.state[log.offsets[:-1]]), log.groups.counts)
    above = log.totals_by_step(log.discounts * log.weight * temporal_differences(log, predicted))
    ratios = [first, *(Ratio(*pair) for pair in zip(above, weights_by_step(log), strict=True))]
    return weighted("weighted_doubly_robust", ratios, log, confidence, thresholds, warnings=_cut_note(log))


def _cut_note(log: Trajectories) -> Sequence[str]:
    """Return a warning where the value after a cut is only predicted."""
    share = float(np.mean(log.cut))
    if not share:
        return ()
    return (f"{share:.1%} of the trajectories are cut by the end of the log; what follows is predicted only",)
