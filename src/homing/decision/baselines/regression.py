"""Two regressions by Newton's method, enough for the baselines: logistic, and Weibull with censoring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats, Floats]]  # value, gradient, Hessian

_STEPS: Final = 100
_CLOSE: Final = 1e-12
_SIZES: Final = tuple(0.5**k for k in range(40))
_MOST: Final = 700.0  # exp of more overflows


def logistic(x: Floats, y: Floats, weight: Floats, ridge: float = 1e-3) -> Floats:
    """Return b that maximises sum_i w_i (y_i x_i b - log(1 + exp(x_i b))) - ridge |b|^2 / 2: float64 [p].

    Args:
        x: float64 [n, p].
        y: float64 [n] in [0, 1]; a share of several trials is as good as each of them.
        weight: float64 [n], >= 0.
        ridge: keeps what the data cannot tell at 0.

    Raises:
        InputError: the numbers are such that no maximum is found.
    """

    def objective(b: Floats) -> tuple[float, Floats, Floats]:
        eta = x @ b
        p = 1 / (1 + np.exp(-np.clip(eta, -_MOST, _MOST)))
        value = weight @ (y * eta - np.logaddexp(0, eta)) - ridge * (b @ b) / 2
        hessian = -(x.T * (weight * p * (1 - p))) @ x - ridge * np.eye(len(b))
        return float(value), x.T @ (weight * (y - p)) - ridge * b, hessian

    return maximise(objective, np.zeros(x.shape[1]))


def weibull(
    x: Floats, time: Floats, seen: Floats, weight: Floats, ridge: float = 1e-3
) -> tuple[Floats, float]:
    """Return b and s of log T = x b + s e, where T is Weibull, with right-censored times: float64 [p], > 0.

    Source: Yuan et al. 2019, section 4 (log-linear structure, Weibull distribution). With k = 1 / s and
    g = -b / s the log-likelihood, sum_i w_i (d_i (log k + (k - 1) log t_i + x_i g) - t_i^k exp(x_i g)), is
    concave in (g, k), so Newton's method finds its one maximum.

    Args:
        x: float64 [n, p].
        time: float64 [n] > 0, to the event or to censoring.
        seen: float64 [n] d, 1: the event was seen, 0: censored.
        weight: float64 [n], >= 0.
        ridge: as in `logistic`, on g.

    Raises:
        InputError: the numbers are such that no maximum is found.
    """
    log_time = np.log(time)

    def objective(theta: Floats) -> tuple[float, Floats, Floats]:
        g, k = theta[:-1], float(theta[-1])
        if k <= 0:
            return -np.inf, theta, np.eye(len(theta))
        eta = x @ g
        gone = np.exp(np.minimum(eta + k * log_time, _MOST))
        value = weight @ (seen * (np.log(k) + (k - 1) * log_time + eta) - gone) - ridge * (g @ g) / 2
        of_k = weight @ (seen / k + (seen - gone) * log_time)
        hessian = np.empty((len(theta), len(theta)))
        hessian[:-1, :-1] = -(x.T * (weight * gone)) @ x - ridge * np.eye(len(g))
        hessian[-1, :-1] = hessian[:-1, -1] = -x.T @ (weight * gone * log_time)
        hessian[-1, -1] = -(weight @ (seen / k**2 + gone * log_time**2))
        return float(value), np.append(x.T @ (weight * (seen - gone)) - ridge * g, of_k), hessian

    theta = maximise(objective, np.append(np.zeros(x.shape[1]), 1.0))
    return -theta[:-1] / theta[-1], float(1 / theta[-1])


def maximise(objective: Objective, start: Floats) -> Floats:
    """Return the maximum of a concave function by Newton's method, halving steps that do not climb.

    Raises:
        InputError: there is no maximum within reach.
    """
    at = start
    value, gradient, hessian = objective(at)
    for _ in range(_STEPS):
        step = np.linalg.solve(hessian, -gradient)
        gain = float(gradient @ step)  # twice what the step would gain if the function were quadratic
        if not gain > _CLOSE * (1 + abs(value)):
            return at
        for size in _SIZES:
            found = objective(at + size * step)
            if found[0] >= value + 1e-4 * size * gain:
                break
        else:
            return at  # no step climbs by more than rounding
        at = at + size * step
        value, gradient, hessian = found
    raise InputError(f"no maximum within {_STEPS} steps; scale the columns, or bring more data")
