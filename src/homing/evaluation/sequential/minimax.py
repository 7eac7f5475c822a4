"""Densities as linear functions of features, by the balance that they have to keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate
from homing.evaluation.inputs import Floats
from homing.evaluation.sequential.choices import Choices, Rows
from homing.evaluation.sequential.density import by_fold, density_estimate
from homing.evaluation.sequential.doubly_robust import Predictions, corrected
from homing.evaluation.sequential.trajectories import Trajectories
from homing.schema.errors import InputError

#: Residual of the balance, relative to what is to be balanced, up to which it is solved.
_TOLERANCE = 1e-6


def minimax_is(
    log: Trajectories,
    options: Choices,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i sum_t omega r_t` with omega linear in the features: minimax weight learning.

    Uehara, Huang & Jiang (2020), Minimax weight and Q-function learning for off-policy evaluation, with the
    same linear functions as weights and as discriminators, for which it has a closed form and equals the
    value by least-squares temporal differences: omega = phi' beta with
    `sum (phi(s, a) - discount phi(s', pi)) phi(s, a)' beta = sum_i phi(s_0, pi)`. With a horizon the balance
    holds step by step. Consistent where omega, or q, is linear in the features. The interval counts that
    beta is estimated, through `theta` of the same equations transposed.

    Args:
        log: of m transitions.
        options: with features float [k, d]; include a constant, and one for each cell where there are few.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Returns:
        Value per trajectory; `effective_size` is that of the densities, in trajectories of mean length.

    Raises:
        InputError: the balance cannot be kept: the target's choices have features that logged ones lack.
    """
    phi, target = _features(log, options)
    rows = np.arange(len(log.reward))
    beta, theta = (
        _endless(log, options, phi, target, rows)
        if log.horizon is None
        else _by_step(log, options, phi, target, rows)
    )
    layer = np.zeros(len(options.step), np.int64) if log.horizon is None else options.step
    m = len(phi)
    omega = np.einsum("ij,ij->i", phi, beta[layer[:m]])
    v = np.einsum("ij,ij->i", target, theta[layer])
    end = np.zeros(len(log))
    end[log.cut] = v[m:]
    predicted = Predictions(np.einsum("ij,ij->i", phi, theta[layer[:m]]), v[:m], end)
    numerator = corrected(log, predicted, omega)
    return density_estimate("minimax_is", numerator, log, omega, confidence, thresholds)


def linear_density(log: Trajectories, options: Choices, fold: ArrayLike | None = None) -> Floats:
    """Return the density of each transition, linear in the features: float64 [m]. May be negative.

    Uehara, Huang & Jiang (2020), as in `minimax_is`.

    Args:
        log: of m transitions.
        options: with features float [k, d], as for `minimax_is`.
        fold: integer [n]; each fold's densities are from the others. None: from the whole log.

    Raises:
        InputError: as for `minimax_is`, or the folds part a user.
    """
    phi, target = _features(log, options)

    def fit(rows: Rows) -> Callable[[Rows], Floats]:
        solve = _endless if log.horizon is None else _by_step
        beta, _ = solve(log, options, phi, target, rows)
        layer = np.zeros_like(log.step) if log.horizon is None else log.step
        return lambda wanted: np.asarray(np.einsum("ij,ij->i", phi[wanted], beta[layer[wanted]]))

    return by_fold(log, fold, fit)


def _features(log: Trajectories, options: Choices) -> tuple[Floats, Floats]:
    """Return phi(s, a) of the logged choices [m, d], and phi(s, pi) of all states [m + c, d]."""
    table = np.asarray(options.features, np.float64)
    if table.ndim != 2:
        raise InputError(f"features has shape {table.shape}, must be [candidates, columns] to be linear in")
    mean = np.add.reduceat(options.probability[:, None] * table, options.offsets[:-1], axis=0)
    return table[options.chosen], mean


def _endless(
    log: Trajectories, options: Choices, phi: Floats, target: Floats, rows: Rows
) -> tuple[Floats, Floats]:
    """Return beta and theta, float64 [1, d] each."""
    ahead = np.vstack([target, np.zeros(phi.shape[1])])[options.following[rows]]
    system = (phi[rows] - log.discount * ahead).T @ phi[rows]
    first = rows[log.step[rows] == 0]
    beta = _balanced(system, target[first].sum(axis=0))
    theta = _balanced(system.T, phi[rows].T @ log.reward[rows])
    return beta[None], theta[None]


def _by_step(
    log: Trajectories, options: Choices, phi: Floats, target: Floats, rows: Rows
) -> tuple[Floats, Floats]:
    """Return beta (forward) and theta (backward), float64 [T + 1, d] each; none is needed at the last."""
    d = phi.shape[1]
    beta, theta = np.zeros((log.steps + 1, d)), np.zeros((log.steps + 1, d))
    ahead = np.vstack([target, np.zeros(d)])
    at = [rows[log.step[rows] == step] for step in range(log.steps)]
    if (log.cut & (log.length == log.steps)).any():
        raise InputError(
            f"no decision at step {log.steps} to keep the balance with, and trajectories are cut there; "
            "shorten the horizon (`first_steps`)"
        )
    systems = [phi[here].T @ phi[here] for here in at]
    flow = target[at[0]].sum(axis=0)
    for step, here in enumerate(at):
        beta[step] = _balanced(systems[step], flow)
        flow = log.discount * ahead[options.following[here]].T @ (phi[here] @ beta[step])
    for step in reversed(range(log.steps)):
        here = at[step]
        following = ahead[options.following[here]] @ theta[step + 1]
        theta[step] = _balanced(systems[step], phi[here].T @ (log.reward[here] + log.discount * following))
    return beta, theta


def _balanced(system: Floats, wanted: Floats) -> Floats:
    found = np.asarray(np.linalg.lstsq(system, wanted, rcond=None)[0], np.float64)
    gap = float(np.abs(system @ found - wanted).max())
    if gap > _TOLERANCE * max(float(np.abs(wanted).max()), 1e-300):
        raise InputError(
            f"the balance of densities misses by {gap:.3g} of {np.abs(wanted).max():.3g}: the target's "
            "choices have features that the logged ones lack, or nothing ends its trajectories; use fewer "
            "features, a horizon, or a lower discount"
        )
    return found
