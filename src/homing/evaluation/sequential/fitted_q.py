"""Fitted Q evaluation: regress what a choice brings, and what the target would make of the state after it.

Le, Voloshin & Yue (2019), Batch policy learning under constraints, algorithm 3; with linear functions,
Hao et al. (2021), Bootstrapping fitted Q-evaluation for off-policy inference.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.cross_fit import cross_fit
from homing.evaluation.inputs import Floats, weights
from homing.evaluation.sequential.choices import Choices, Rows
from homing.evaluation.sequential.density import fold_of_trajectory
from homing.evaluation.sequential.doubly_robust import Predictions
from homing.evaluation.sequential.regressors import Fit, Predict
from homing.evaluation.sequential.trajectories import Trajectories
from homing.schema.errors import InputError

#: Values of this size are on their way to infinity.
_LARGEST: Final = 1e100


def fitted_q(
    log: Trajectories,
    options: Choices,
    fit: Fit,
    fold: ArrayLike | None = None,
    *,
    weight: ArrayLike | None = None,
    tolerance: float = 1e-8,
    iterations: int = 2000,
) -> Predictions:
    """Return q and v of the target, from regressions on the log (Le, Voloshin & Yue 2019).

    With a horizon, backward: q_t is fitted to `r_t + discount v_{t+1}(s_{t+1})` on the decisions of step t
    alone, so nothing is assumed about how steps resemble each other. Without one, q is fitted to
    `r + discount v(s')` over all decisions, again and again until v moves no more; that assumes one process
    at all steps. Where it converges with functions that hold the true q, it is consistent.

    Args:
        log: of m transitions and n trajectories.
        options: the candidates of its states.
        fit: of the regression, such as `ridge()` or `tabular(cells)`.
        fold: integer [n], from `folds_by_user`: each fold is predicted from the others, as doubly robust
            estimates need. None: fitted and predicted on the whole log.
        weight: float [m] of the regression, >= 0; None: 1.
        tolerance: without a horizon, the largest move of v that ends the iteration, relative to
            `max(1, |v|)`.
        iterations: without a horizon, how many at most.

    Raises:
        InputError: the iteration diverges or does not converge, the folds part a user, a step has nothing
            to fit on, or the fit knows nothing about what the target may choose.
    """
    m = len(log.reward)
    of_row = np.ones(m) if weight is None else weights("weight", weight, m)

    def fit_predict(train: Rows, wanted: Rows) -> Floats:
        rows = train[train < m]
        if log.horizon is None:
            predict = _endless(log, options, fit, rows, of_row, tolerance, iterations)
            return predict(options.of(wanted).features)
        return _backward(log, options, fit, rows, of_row, wanted)

    states = np.arange(len(options.step))
    if fold is None:
        q = fit_predict(states, states)
    else:
        part = fold_of_trajectory(log, fold)
        q = cross_fit(np.concatenate([part[log.trajectory], part[log.cut]]), fit_predict, options.offsets)
    v = options.of(states).values(q)
    end = np.zeros(len(log))
    end[log.cut] = v[m:]
    # what the target never does has weight 0, so its q does not matter
    of_choice = np.where(options.probability[options.chosen] > 0, q[options.chosen], 0.0)
    return Predictions(of_choice, v[:m], end)


def _endless(
    log: Trajectories,
    options: Choices,
    fit: Fit,
    rows: Rows,
    weight: Floats,
    tolerance: float,
    iterations: int,
) -> Predict:
    following = options.following[rows]
    known = np.unique(following[following < len(options.step)])
    chosen, reward, of_row = options.features[options.chosen[rows]], log.reward[rows], weight[rows]
    if not len(known):  # every decision ends its trajectory
        return fit(chosen, reward, of_row)
    ahead = options.of(known)
    place = np.full(len(options.step) + 1, len(known))
    place[known] = np.arange(len(known))
    after = place[following]
    v = np.zeros(len(known) + 1)  # the last is that of no state
    first = change = np.nan
    for _ in range(iterations):
        predict = fit(chosen, reward + log.discount * v[after], of_row)
        moved = ahead.values(predict(ahead.features))
        size, change = float(np.abs(moved).max()), float(np.abs(moved - v[:-1]).max())
        v[:-1] = moved
        if change <= tolerance * max(1.0, size):
            return predict
        if size > _LARGEST:
            break
        first = change if np.isnan(first) else first
    how = "diverges" if change > first else "has not converged"
    raise InputError(
        f"fitted Q evaluation {how}: v moved by {first:.3g} in the first iteration and by {change:.3g} in "
        f"the last of at most {iterations:,}, must be <= {tolerance:g} of its size; use a lower discount, a "
        "finite horizon, more iterations, or a regressor that averages (`tabular`)"
    )


def _backward(
    log: Trajectories, options: Choices, fit: Fit, rows: Rows, weight: Floats, wanted: Rows
) -> Floats:
    """Return q of the candidates of `wanted`, fitted on `rows`."""
    counts = np.diff(options.offsets)[wanted]
    found = np.empty(counts.sum())
    step_of_candidate = np.repeat(options.step[wanted], counts)
    v = np.zeros(len(options.step) + 1)
    needed = np.zeros(len(options.step) + 1, np.bool_)
    needed[options.following[rows]] = True
    for step in reversed(range(int(options.step.max()) + 1)):
        here = rows[log.step[rows] == step]
        if not len(here):
            raise InputError(
                f"no decision at step {step} to fit q on, and a value is needed there; use a shorter horizon "
                "(`first_steps`), fewer folds, or no horizon and a discount"
            )
        target = log.reward[here] + log.discount * v[options.following[here]]
        predict = fit(options.features[options.chosen[here]], target, weight[here])
        ahead = np.flatnonzero(needed[:-1] & (options.step == step))
        if len(ahead):
            candidates = options.of(ahead)
            v[ahead] = candidates.values(predict(candidates.features))
        asked = wanted[options.step[wanted] == step]
        if len(asked):
            found[step_of_candidate == step] = predict(options.of(asked).features)
    return found
